"""Reads dropnote.toml into domain values and reports every error in it. May import monitors and everything below."""
