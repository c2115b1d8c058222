"""The command for a new user, `dropnote init`, and the questions for secrets."""
