"""Everything of Dropnote that runs in Lambda; docs/architecture.md draws the way of an event through it."""

__version__ = "0.1.0"
