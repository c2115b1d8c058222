"""What a rule asks of bus events and of table items."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Pattern = Mapping[str, Any]


class BusFilter(Struct, frozen=True):
    """Which events of the bus a rule wants."""

    pattern: Pattern  # as EventBridge takes it
    named: str = ""  # the ready-made one it comes from


class CountBy(Struct, frozen=True):
    """What a rule counts of a table's items."""

    name: str
    by: tuple[str, ...] = ()  # fields of an item, at most two; none: all together
    sum: str = ""  # the field whose numbers are added up; "": the items are counted

    def __str__(self) -> str:
        return (f"sum {self.sum} of " if self.sum else "") + self.name + (f" by {' and '.join(self.by)}" if self.by else "")
