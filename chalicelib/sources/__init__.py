"""Converts AWS payloads into Events, one source per module. May import domain and platform."""
