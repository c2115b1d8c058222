"""Readers of the fields of a TOML table, each mistake noted with its place. Imports platform only."""
