"""The command for a new user: `dropnote init`."""
