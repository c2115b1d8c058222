"""Links to files, as values. May import platform only."""
