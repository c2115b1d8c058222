"""Phrases about a changed item: a title, and its fields with their new and old values. Pure."""

from collections.abc import Mapping
from typing import Any

from ..domain.conditions import ItemFilter
from ..domain.payloads import ChangeType, Item
from ..rules.item_conditions import EXPIRED, display_text, fill_title, title_fields, value_of

MAX_FIELDS = 20
MAX_BRIEF_FIELDS = 4
_MISSING = value_of({}, "nothing")


def describe_item(item: Item, item_filter: ItemFilter | None) -> dict[str, Any]:
    """Return a template's view of an item: title, table, did, and rows of name, value and the value `before` ("" if the same).

    `brief` has the rows that fit into a text, without those already in the title; `more` counts the fields left out of `rows`.
    """
    names = (item_filter.show if item_filter and item_filter.show else ()) or tuple(dict.fromkeys((*item.key, *item.changed)))
    title = item_filter.title if item_filter else ""
    rows = [_row(item, name) for name in names[:MAX_FIELDS]]
    in_title = title_fields(title) if title else item.key
    return {
        "title": item_title(item, title),
        "table": item.table,
        "did": _did(item),
        "rows": rows,
        "brief": [row for row in rows if row["before"] or row["name"] not in in_title][:MAX_BRIEF_FIELDS],
        "more": max(len(names) - MAX_FIELDS, 0),
    }


def item_title(item: Item, title: str) -> str:
    """Return the rule's title for an item; without one, the table, the key and what happened."""
    key = ", ".join(display_text(value) for value in item.key.values())
    return fill_title(title, _image(item)) if title else f"{item.table} {key} {_did(item)}"


def _did(item: Item) -> str:
    return EXPIRED if item.expired else item.did.value


def _image(item: Item) -> Mapping[str, Any]:
    """The item after the change, or before it if it was deleted; its key if the stream has no images."""
    return (item.old if item.did is ChangeType.DELETED else item.new) or item.key


def _row(item: Item, name: str) -> dict[str, str]:
    value = value_of(_image(item), name)
    before = value_of(item.old, name) if item.did is ChangeType.UPDATED and item.old else value
    differs = name in item.changed or (before is not value and before != value)
    known = value is not _MISSING or (item.old if item.did is ChangeType.DELETED else item.new)
    return {
        "name": name,
        "value": _value_text(value) if known else "unknown",
        "before": _value_text(before) if differs else "",
    }


def _value_text(value: Any) -> str:
    return display_text(value) or "empty"
