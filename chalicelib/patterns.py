"""Event patterns: which events of the bus a rule wants, as EventBridge itself would match them.

Source: Amazon EventBridge user guide, "Amazon EventBridge event patterns" and "Comparison operators".
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class BusFilter(Struct, frozen=True):
    """Which events of the bus a rule wants."""

    pattern: Mapping[str, Any]  # as EventBridge takes it
    named: str = ""  # the ready-made one it comes from
