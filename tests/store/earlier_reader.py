"""What commit 0ff2985 requires of each kind of row (read_by_0ff2985.json, recorded from its code): attributes, words and JSON.

A row that meets this can be read by that version. It also compares two texts with what it would write itself, to change a row
only if nobody else has: they must have no field that it does not know, in its order.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from chalicelib.platform.clock import to_ms
from chalicelib.store.rows import Item

READS: dict[str, Any] = json.loads((Path(__file__).parent / "read_by_0ff2985.json").read_text())
_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def kind_of(item: Item) -> str:
    """The kind of a row: what its partition key begins with."""
    key: str = item["pk"]["S"]
    return key.partition("#")[0]


def problems(item: Item) -> list[str]:
    """Why that version could not read or change a row; [] if it can, or never reads rows of this kind."""
    kind = kind_of(item)
    if kind == "control":
        return list(_control(item))
    if kind not in READS["rows"]:
        return []
    return [f"{kind}: {problem}" for problem in _row(item, READS["rows"][kind])]


def is_due(item: Item) -> bool:
    """Whether that version's sweep would find a row that waits for a time."""
    return "due" not in item or item["due"]["S"] in READS["due"]


def due_ids(client: Any, table: str, now: datetime) -> set[str]:
    """The ids of the deliveries that that version's sweep would process now, due or expired: its query of index `due`."""
    found: set[str] = set()
    for partition in READS["due"]:
        pages = client.get_paginator("query").paginate(
            TableName=table,
            IndexName="due",
            KeyConditionExpression="due = :due AND due_at <= :now",
            ExpressionAttributeValues={":due": {"S": partition}, ":now": {"N": str(to_ms(now))}},
        )
        entries = [entry for page in pages for entry in page["Items"]]
        found |= {entry["pk"]["S"].partition("#")[2] for entry in entries if entry["sk"]["S"] == "delivery"}
    return found


def _row(item: Item, contract: Mapping[str, Any]) -> Iterator[str]:
    for type_, required, optional in (("S", "texts", "optional_texts"), ("N", "numbers", "optional_numbers")):
        yield from (f"{name} is missing" for name in contract[required] if name not in item)
        names = (*contract[required], *contract[optional])
        yield from (f"{name} is not of type {type_}" for name in names if name in item and type_ not in item[name])
    for name, words in READS["words"].items():
        if name in contract["texts"] and item[name]["S"] not in words:
            yield f"unknown {name} {item[name]['S']!r}"
    for _, state, reason, *detail in json.loads(item.get("steps", {}).get("S", "[]")):
        if state not in READS["words"]["state"] or reason not in READS["words"]["reason"] or len(detail) > 1:
            yield f"unreadable step {state} {reason}"
    for name, definition in contract.get("json", {}).items():
        yield from json_problems(json.loads(item[name]["S"]), {"$ref": definition}, name, exact=False)
    for name, definition in contract.get("same_when_rewritten", {}).items():
        yield from json_problems(json.loads(item[name]["S"]), {"$ref": definition}, name, exact=True)


def _control(item: Item) -> Iterator[str]:
    for name, value in item.items():
        definition = READS["control"].get(name.partition("_")[0])
        if definition and "_" in name:
            yield from json_problems(json.loads(value["S"]), {"$ref": definition}, name, exact=False)


def json_problems(value: Any, schema: Mapping[str, Any], place: str, *, exact: bool) -> Iterator[str]:
    """Why a JSON value does not fit a schema; `exact`: rewritten by that version, it would be another text."""
    if "$ref" in schema:
        schema = READS["definitions"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        tried = [list(json_problems(value, option, place, exact=exact)) for option in schema["anyOf"]]
        yield from min(tried, key=len)
    elif "enum" in schema:
        if value not in schema["enum"]:
            yield f"{place}: unknown value {value!r}"
    elif "type" in schema and (not isinstance(value, _TYPES[schema["type"]]) or (value is True and schema["type"] == "integer")):
        yield f"{place}: {value!r} is no {schema['type']}"
    else:
        yield from _parts(value, schema, place, exact)


def _parts(value: Any, schema: Mapping[str, Any], place: str, exact: bool) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _object(value, schema, place, exact)
    elif isinstance(value, list):
        items = [*schema.get("prefixItems", ()), *[schema.get("items", {})] * len(value)]
        for position, (entry, part) in enumerate(zip(value, items, strict=False)):
            yield from json_problems(entry, part if isinstance(part, dict) else {}, f"{place}.{position}", exact=exact)


def _object(value: dict[str, Any], schema: Mapping[str, Any], place: str, exact: bool) -> Iterator[str]:
    fields = schema.get("properties", {})
    yield from (f"{place}.{name} is missing" for name in schema.get("required", ()) if name not in value)
    if exact and fields and [name for name in fields if name in value] != list(value):
        yield f"{place}: it would write {[name for name in fields if name in value]}, not {list(value)}"
    other = schema.get("additionalProperties", {})
    for name, entry in value.items():
        yield from json_problems(
            entry, fields.get(name, other if isinstance(other, dict) else {}), f"{place}.{name}", exact=exact
        )
