"""Monitors: what the watch looks at, one kind a file. A kind has a thin look that asks, and a pure judgement of what it saw."""

from .model import Check, Defaults, Reach, Together, Unreadable

__all__ = ["Check", "Defaults", "Reach", "Together", "Unreadable"]
