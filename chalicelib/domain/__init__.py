"""Frozen values that every part of the bot uses, and no decisions. May import platform only."""
