"""Frozen values that every part of the bot speaks in. May import platform only."""
