"""What a rule asks of bus events and of table items."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Pattern = Mapping[str, Any]


class BusFilter(Struct, frozen=True):
    """Which events of the bus a rule wants."""

    pattern: Pattern  # as EventBridge takes it
    named: str = ""  # the ready-made one it comes from


class ValueTest(Struct, frozen=True):
    """One test of a value. `how`: is, not, >, >=, <, <=, exists, missing, in, glob."""

    how: str
    wanted: Any = None


class Condition(Struct, frozen=True):
    """A field, by name or path ("address.city"), and the tests of which one must pass."""

    field: str
    tests: tuple[ValueTest, ...]


class CountBy(Struct, frozen=True):
    """What a rule counts of a table's items."""

    name: str
    by: tuple[str, ...] = ()  # fields of an item, at most two; none: all together
    sum: str = ""  # the field whose numbers are added up; "": the items are counted

    def __str__(self) -> str:
        return (f"sum {self.sum} of " if self.sum else "") + self.name + (f" by {' and '.join(self.by)}" if self.by else "")


class ItemFilter(Struct, frozen=True):
    """Which changes of a table's items match a rule, which fields a message shows, and what is counted."""

    table: str
    did: tuple[str, ...] = ("created", "updated")
    changed: tuple[str, ...] = ()  # at least one of these fields has a new value
    new: tuple[Condition, ...] = ()
    old: tuple[Condition, ...] = ()
    show: tuple[str, ...] = ()
    title: str = ""
    count: tuple[CountBy, ...] = ()
