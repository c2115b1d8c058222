"""Which changes of a table's items a rule wants: what happened, and conditions on the values before and after."""

from msgspec import Struct

from .events import Did


class ItemFilter(Struct, frozen=True):
    """Which changes of a table's items a rule wants."""

    table: str
    did: tuple[Did, ...] = tuple(Did)
