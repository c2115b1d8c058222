"""Sets up, finishes and removes a stage in an AWS account: `dropnote setup`, `finish` and `remove`. May import chalicelib."""
