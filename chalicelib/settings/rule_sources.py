"""What a rule is `on`: each has fields of its own, read here or beside here."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from ..domain.event import Kind
from ..platform.fields.table import Table
from . import upload_rules


class Source(Struct, frozen=True):
    """What rules can be on."""

    kind: Kind
    fields: tuple[str, ...]
    read: Callable[[Table], Mapping[str, Any]]  # fields of the Rule
    notifies: Callable[[Table], bool] = lambda table: True  # whether it has to say who hears


def _bus(table: Table) -> Mapping[str, Any]:
    from .bus_rules import read  # the way of an upload pays nothing for it

    return read(table)


def _item(table: Table) -> Mapping[str, Any]:
    from .item_rules import read

    return read(table)


_SOURCES = {
    source.kind.value: source
    for source in (
        Source(Kind.UPLOAD, upload_rules.FIELDS, upload_rules.read),
        Source(Kind.BUS, ("event", "pattern", "remind"), _bus),
        Source(
            Kind.ITEM,
            ("table", "did", "changed", "new", "old", "show", "title", "count"),
            _item,
            lambda table: not table.has("count") or table.has("notify"),
        ),
    )
}
NAMES = tuple(_SOURCES)


def of(name: str) -> Source:
    """The source of that name; that of uploads for a name that is none."""
    return _SOURCES.get(name, _SOURCES[Kind.UPLOAD.value])
