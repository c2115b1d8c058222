"""From a clone to a working stage in an account, and back: what `dropnote setup`, `finish` and `remove` do."""
