"""What is said of an item that changed: a title, and its fields as they are and were. Pure."""

from collections.abc import Mapping
from typing import Any

from ..domain.conditions import ItemFilter
from ..domain.payloads import ChangeType, Item
from ..rules.item_conditions import EXPIRED, display_text, fields_in, fill_title, value_of

MOST_FIELDS = 20
MOST_BRIEF = 4
_MISSING = value_of({}, "nothing")


def describe_item(item: Item, wanted: ItemFilter | None) -> dict[str, Any]:
    """For templates: title, table, did, and rows of name, value and what it was before ("" where that is the same).

    `brief` has the rows that a text has room for, without those that the title tells already.
    """
    names = (wanted.show if wanted and wanted.show else ()) or tuple(dict.fromkeys((*item.key, *item.changed)))
    did = EXPIRED if item.expired else item.did.value
    key = ", ".join(display_text(value) for value in item.key.values())
    title = wanted.title if wanted else ""
    rows = [_row(item, name) for name in names[:MOST_FIELDS]]
    in_title = fields_in(title) if title else item.key
    return {
        "title": fill_title(title, _image(item)) if title else f"{item.table} {key} was {did}",
        "table": item.table,
        "did": did,
        "rows": rows,
        "brief": [row for row in rows if row["before"] or row["name"] not in in_title][:MOST_BRIEF],
        "more": max(len(names) - MOST_FIELDS, 0),
    }


def _image(item: Item) -> Mapping[str, Any]:
    """The item as it is, or was where it was deleted; its key, where the stream does not tell."""
    return (item.old if item.did is ChangeType.DELETED else item.new) or item.key


def _row(item: Item, name: str) -> dict[str, str]:
    now = value_of(_image(item), name)
    before = value_of(item.old, name) if item.did is ChangeType.UPDATED and item.old else now
    differs = name in item.changed or (before is not now and before != now)
    is_told = now is not _MISSING or (item.old if item.did is ChangeType.DELETED else item.new)
    return {"name": name, "value": _shown(now) if is_told else "not told", "before": _shown(before) if differs else ""}


def _shown(value: Any) -> str:
    return display_text(value) or "empty"
