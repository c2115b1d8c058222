"""Periodic checks: one package per kind, the registry and the runner. May import delivery and everything below."""
