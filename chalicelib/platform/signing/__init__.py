"""Signed, expiring tokens and the key that signs them: standard library only, below all who put a link into a message."""
