"""What is said of an item that changed: a title, and its fields as they are and were. Pure."""

from typing import Any

from .changes import EXPIRED, ItemFilter, titled, told, value_of
from .events import Did, Item

MOST_FIELDS = 20
_MISSING = value_of({}, "nothing")


def words_of(item: Item, wanted: ItemFilter | None) -> dict[str, Any]:
    """For templates: title, table, did, and rows of name, value and what it was before ("" where that is the same)."""
    image = item.new or item.old or item.key
    names = (wanted.show if wanted and wanted.show else ()) or tuple(dict.fromkeys((*item.key, *item.changed)))
    did = EXPIRED if item.expired else item.did.value
    key = ", ".join(told(value) for value in item.key.values())
    return {
        "title": titled(wanted.title, image) if wanted and wanted.title else f"{item.table} {key} was {did}",
        "table": item.table,
        "did": did,
        "rows": [_row(item, name) for name in names[:MOST_FIELDS]],
        "more": max(len(names) - MOST_FIELDS, 0),
    }


def _row(item: Item, name: str) -> dict[str, str]:
    now = value_of(item.new or item.old or item.key, name)
    before = value_of(item.old, name) if item.did is Did.UPDATED and item.old else now
    return {"name": name, "value": told(now), "before": told(before) if before is _MISSING or before != now else ""}
