"""Converts records of a table's stream into events: an item was created, updated or deleted.

Sources: Amazon DynamoDB API reference, "Record", "StreamRecord" and "AttributeValue"; developer guide, "DynamoDB Streams and Time
to Live" (items deleted by TTL have the principal dynamodb.amazonaws.com); AWS Lambda developer guide, "Using AWS Lambda with
Amazon DynamoDB". The identity is the record's eventID, which a redelivery repeats.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ..domain.event import Batch, Event, Kind, UnknownPayload, identity_of
from ..domain.payloads import ChangeType, Item

_SOURCE = "items"
_CHANGE_TYPES = {"INSERT": ChangeType.CREATED, "MODIFY": ChangeType.UPDATED, "REMOVE": ChangeType.DELETED}
_MAX_EXACT = 2**53  # every JSON parser reads whole numbers exactly up to here


def parse_records(payload: object) -> list[tuple[str, Batch]]:
    """Each record's sequence number and its events; a record that cannot be read is unknown and does not block the others."""
    records = payload.get("Records") if isinstance(payload, dict) else None
    if not isinstance(records, list):
        return [("", Batch(unknown=(UnknownPayload(_SOURCE, "no list of Records", payload),)))]
    return [_convert(record) for record in records]


def stream_views(payload: object) -> list[tuple[str, str]]:
    """The tables of these records, each with its StreamViewType. Records that cannot be read are left out."""
    views: dict[tuple[str, str], None] = {}
    for record in payload.get("Records") or () if isinstance(payload, dict) else ():
        with suppress(AttributeError, IndexError, KeyError, TypeError):
            views[record["eventSourceARN"].split("/")[1], str(record["dynamodb"]["StreamViewType"])] = None
    return list(views)


def _convert(record: Any) -> tuple[str, Batch]:
    number = ""
    try:
        number = str(record["dynamodb"]["SequenceNumber"])
        return number, Batch(events=(_event(record),))
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        why = f"missing or unknown {error}" if isinstance(error, KeyError) else str(error)
        return number, Batch(unknown=(UnknownPayload(_SOURCE, why, record),))


def _event(record: Mapping[str, Any]) -> Event:
    change, table = record["dynamodb"], record["eventSourceARN"].split("/")[1]
    principal = record.get("userIdentity") or {}
    item = Item(
        table=table,
        did=_CHANGE_TYPES[record["eventName"]],
        key=_image(change["Keys"]),
        new=_image(change.get("NewImage")),
        old=_image(change.get("OldImage")),
        changed=_changed_fields(change.get("NewImage"), change.get("OldImage")),
        expired=principal.get("principalId") == "dynamodb.amazonaws.com",
    )
    at = datetime.fromtimestamp(float(change["ApproximateCreationDateTime"]), UTC)
    return Event(Kind.ITEM, identity_of("item", table, record["eventID"]), at, record.get("awsRegion", ""), item=item)


def _changed_fields(new: Mapping[str, Any] | None, old: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The fields with a new value; none if the stream does not include both images.

    Compares typed values: plain ones do not distinguish 1 from true, or bytes of the same length.
    """
    if not new or not old:
        return ()
    return tuple(name for name in {**new, **old} if _with_sorted_sets(new.get(name)) != _with_sorted_sets(old.get(name)))


def _with_sorted_sets(typed: Mapping[str, Any] | None) -> Any:
    """A typed value with its sets sorted: they have no order of their own."""
    if typed is None:
        return None
    ((type_, value),) = typed.items()
    if type_ in ("SS", "NS", "BS"):
        return type_, sorted(value)
    if type_ == "L":
        return type_, [_with_sorted_sets(element) for element in value]
    if type_ == "M":
        return type_, {name: _with_sorted_sets(field) for name, field in value.items()}
    return type_, value


def _image(image: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: plain_value(value) for name, value in (image or {}).items()}


def plain_value(typed: Mapping[str, Any]) -> Any:
    """A typed value of DynamoDB as plain JSON. Numbers that a float would change stay text; bytes become their length.

    Raises:
        ValueError: DynamoDB has no such type.
    """
    ((type_, value),) = typed.items()
    if type_ in ("S", "BOOL"):
        return value
    if type_ == "NULL":
        return None
    if type_ == "N":
        return _number(value)
    if type_ == "L":
        return [plain_value(element) for element in value]
    if type_ == "M":
        return {name: plain_value(field) for name, field in value.items()}
    return _plain_bytes_or_set(type_, value)


def _plain_bytes_or_set(type_: str, value: Any) -> Any:
    if type_ == "SS":
        return sorted(value)
    if type_ == "NS":
        return sorted((_number(number) for number in value), key=lambda number: (isinstance(number, str), number))
    if type_ == "B":
        return _length_of(value)
    if type_ == "BS":
        return sorted(_length_of(element) for element in value)
    raise ValueError(f"{type_!r} is not a DynamoDB type")


def _number(text: str) -> int | float | str:
    if text.lstrip("-").isdigit():
        return int(text) if abs(int(text)) <= _MAX_EXACT else text
    number = float(text)
    from decimal import Decimal

    return number if Decimal(str(number)) == Decimal(text) else text


def _length_of(value: Any) -> str:
    """The length of bytes as text. Lambda's payload has them as base64, a client of the stream as bytes."""
    length = len(value) if isinstance(value, bytes) else len(value.rstrip("=")) * 3 // 4
    return f"<{length} bytes>"
