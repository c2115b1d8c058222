"""The dropnote command: one module a command group, no logic."""
