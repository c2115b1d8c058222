"""Sample events for previewing and checking templates, and recorded payloads of each source. May import chalicelib."""
