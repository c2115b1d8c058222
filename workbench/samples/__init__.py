"""Sample events to try templates on."""
