"""`dropnote doctor`: checks of a stage's live account, each finding with its next step."""
