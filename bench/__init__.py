"""Measures cost, bursts, monitors and crash safety of the bot. May import chalicelib, workbench and tests.support."""
