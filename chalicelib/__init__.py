"""The code that runs in Lambda. docs/architecture.md shows the path of an event through it."""

__version__ = "0.1.0"
