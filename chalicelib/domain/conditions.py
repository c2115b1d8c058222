"""The conditions a rule puts on EventBridge events and on table items. What they mean is in rules/."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

Pattern = Mapping[str, Any]


class BusFilter(Struct, frozen=True):
    """Which events of the event bus match a rule."""

    pattern: Pattern  # an EventBridge event pattern
    named: str = ""  # the ready-made event it comes from, such as "instance stopped"


class ValueTest(Struct, frozen=True):
    """One test of a value. `operator`: is, not, >, >=, <, <=, exists, missing, in, glob."""

    operator: str
    operand: Any = None


class Condition(Struct, frozen=True):
    """A field, by name or path ("address.city"), and tests of its value, one of which must pass."""

    field: str
    tests: tuple[ValueTest, ...]


class CountBy(Struct, frozen=True):
    """What a rule counts in a table's items."""

    name: str
    by: tuple[str, ...] = ()  # at most two fields to group by; none: one total
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
