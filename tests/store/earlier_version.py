"""Items written by commit 0ff2985 (written_by_0ff2985.json): a section per topic, with the values that the items stand for."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from chalicelib.store.rows import Item

WRITTEN: dict[str, Any] = json.loads((Path(__file__).parent / "written_by_0ff2985.json").read_text())

# Attributes of rows and structs that have another name in Python today
RENAMED = {
    "looked_up": "lookups",
    "told": "sent_immediately",
    "came_at": "received_at",
    "dead": "suppressed",
    "looked_until": "backfilled_until",
    "tripped": "exhausted",
}

# Attributes added since, with their value in an old row
ADDED: dict[str, Any] = {"paces": {}, "first_bundle": "", "reserved": [], "soft_bounces": {}, "links": None}


def items(section: str, kind: str = "", table: str = "ledger") -> list[Item]:
    """The stored items of a section, as boto3 returns them; optionally of one kind."""
    stored = [{name: _typed(value) for name, value in item.items()} for item in WRITTEN[section][table]]
    return [item for item in stored if item["sk"]["S"] == kind or not kind]


def _typed(value: dict[str, Any]) -> dict[str, Any]:
    return {"B": base64.b64decode(value["B"])} if "B" in value else value


def parsed(item: Item) -> dict[str, Any]:
    """An item with its JSON texts parsed, for comparing."""
    return {name: _parsed(value) for name, value in item.items()}


def _parsed(value: dict[str, Any]) -> Any:
    return json.loads(value["S"]) if value.get("S", "")[:1] in ("{", "[") else value


def values(section: str, kind: str = "values") -> list[Any]:
    """The values that the items of a section stand for, under today's names and ordered by id."""
    return by_id({RENAMED.get(name, name): value for name, value in row.items()} for row in WRITTEN[section][kind])


def plain(*rows: Any) -> list[Any]:
    """Rows as JSON values, ordered by id."""
    encoded = json.loads(msgspec.json.encode(rows))
    for row in encoded:
        for name in [name for name, value in ADDED.items() if row.get(name, ...) == value]:
            del row[name]
        if "hours" in row:
            row["hours"].sort()
    return by_id(encoded)


def by_id(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows ordered by id."""
    return sorted(rows, key=lambda row: str(row.get("id", "")))
