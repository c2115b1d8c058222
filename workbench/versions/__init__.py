"""Moving between versions: `make update`, and `dropnote roll-back`."""
