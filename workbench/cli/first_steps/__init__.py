"""The commands for a new user, `dropnote init`, `confirm` and `put`, and the questions for secrets."""
