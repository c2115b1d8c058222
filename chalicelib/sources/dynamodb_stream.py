"""From records of a table's stream to events: an item was created, updated or deleted.

Sources: Amazon DynamoDB API reference, "Record", "StreamRecord" and "AttributeValue"; developer guide, "DynamoDB Streams and Time
to Live" (what TTL takes away has the principal dynamodb.amazonaws.com); AWS Lambda developer guide, "Using AWS Lambda with Amazon
DynamoDB". The identity is the record's eventID, which a redelivery repeats.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ..domain.event import Batch, Event, Kind, Unknown, identity_of
from ..domain.payloads import ChangeType, Item

SOURCE = "items"
_DID = {"INSERT": ChangeType.CREATED, "MODIFY": ChangeType.UPDATED, "REMOVE": ChangeType.DELETED}
_EXACT = 2**53  # whole numbers up to here are told exactly by every reader of JSON


def records_of(payload: object) -> list[tuple[str, Batch]]:
    """Each record by its sequence number, converted; one that cannot be read is Unknown, and holds up nothing."""
    records = payload.get("Records") if isinstance(payload, dict) else None
    if not isinstance(records, list):
        return [("", Batch(unknown=(Unknown(SOURCE, "there is no list of Records", payload),)))]
    return [_converted(record) for record in records]


def views_of(payload: object) -> list[tuple[str, str]]:
    """The tables of these records, each with its StreamViewType. What cannot be read is left out."""
    found: dict[tuple[str, str], None] = {}
    for record in payload.get("Records") or () if isinstance(payload, dict) else ():
        with suppress(AttributeError, IndexError, KeyError, TypeError):
            found[record["eventSourceARN"].split("/")[1], str(record["dynamodb"]["StreamViewType"])] = None
    return list(found)


def _converted(record: Any) -> tuple[str, Batch]:
    number = ""
    try:
        number = str(record["dynamodb"]["SequenceNumber"])
        return number, Batch(events=(_event(record),))
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        return number, Batch(unknown=(Unknown(SOURCE, f"a record has no {error}", record),))


def _event(record: Mapping[str, Any]) -> Event:
    told, table = record["dynamodb"], record["eventSourceARN"].split("/")[1]
    new, old = _image(told.get("NewImage")), _image(told.get("OldImage"))
    principal = record.get("userIdentity") or {}
    item = Item(
        table=table,
        did=_DID[record["eventName"]],
        key=_image(told["Keys"]),
        new=new,
        old=old,
        changed=_changed(told.get("NewImage"), told.get("OldImage")),
        expired=principal.get("principalId") == "dynamodb.amazonaws.com",
    )
    at = datetime.fromtimestamp(float(told["ApproximateCreationDateTime"]), UTC)
    return Event(Kind.ITEM, identity_of("item", table, record["eventID"]), at, record.get("awsRegion", ""), item=item)


def _changed(new: Mapping[str, Any] | None, old: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The fields whose value is another; none where the stream does not tell both. Typed values are compared: plain ones tell
    neither 1 from true, nor bytes from others of the same length.
    """
    if not new or not old:
        return ()
    return tuple(name for name in {**new, **old} if _ordered(new.get(name)) != _ordered(old.get(name)))


def _ordered(typed: Mapping[str, Any] | None) -> Any:
    """A typed value, its sets in order: they have none of their own."""
    if typed is None:
        return None
    ((kind, value),) = typed.items()
    if kind in ("SS", "NS", "BS"):
        return kind, sorted(value)
    if kind == "L":
        return kind, [_ordered(each) for each in value]
    if kind == "M":
        return kind, {name: _ordered(each) for name, each in value.items()}
    return kind, value


def _image(image: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: plain(value) for name, value in (image or {}).items()}


def plain(typed: Mapping[str, Any]) -> Any:
    """DynamoDB's typed value as plain JSON. A number that a float would change stays text; bytes are told by their length.

    Raises:
        ValueError: there is no such type.
    """
    ((kind, value),) = typed.items()
    if kind in ("S", "BOOL"):
        return value
    if kind == "NULL":
        return None
    if kind == "N":
        return _number(value)
    if kind == "L":
        return [plain(each) for each in value]
    if kind == "M":
        return {name: plain(each) for name, each in value.items()}
    return _of_set(kind, value)


def _of_set(kind: str, value: Any) -> Any:
    if kind == "SS":
        return sorted(value)
    if kind == "NS":
        return sorted((_number(each) for each in value), key=lambda each: (isinstance(each, str), each))
    if kind == "B":
        return _bytes(value)
    if kind == "BS":
        return sorted(_bytes(each) for each in value)
    raise ValueError(f"{kind!r} is no type of DynamoDB's")


def _number(text: str) -> int | float | str:
    if text.lstrip("-").isdigit():
        return int(text) if abs(int(text)) <= _EXACT else text
    found = float(text)
    from decimal import Decimal

    return found if Decimal(str(found)) == Decimal(text) else text


def _bytes(value: Any) -> str:
    """In Lambda's payload they are base64; a client of the stream has them as they are."""
    length = len(value) if isinstance(value, bytes) else len(value.rstrip("=")) * 3 // 4
    return f"<{length} bytes>"
