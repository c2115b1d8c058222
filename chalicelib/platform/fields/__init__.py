"""Reads the fields of TOML tables and collects every error with its place. Imports platform only."""
