"""Confirming addresses: codes, their rows in the ledger's table, and the messages that carry them. Imports chalicelib."""
