"""dropnote.toml to domain values, reporting every error at once. May import monitors and everything below."""
