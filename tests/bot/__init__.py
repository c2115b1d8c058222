"""Tests of the bot package: how it is built, and what it caches."""
