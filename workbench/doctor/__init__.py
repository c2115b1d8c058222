"""`dropnote doctor`: checks a stage's live account; each finding has a next step. May import deployment and chalicelib."""
