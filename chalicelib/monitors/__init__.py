"""Periodic checks: a package a kind, the registry and the runner. May import delivery and everything below."""
