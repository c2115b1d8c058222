"""The commands that answer what happened or would happen: explain, simulate. May import reports, not the other commands."""
