"""Sample events for previewing and checking templates. May import chalicelib."""
