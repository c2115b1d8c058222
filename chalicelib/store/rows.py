"""Converts deliveries, bundles, parked payloads and receipts to DynamoDB items and back.

A delivery's item (schema 1): pk "delivery#<id>", sk "delivery", v, state, reason, event (compact JSON), rule, person, channel,
attempts, claim, created_at / expires_at / due_at (milliseconds since 1970), day, due, ttl (seconds since 1970, as DynamoDB
requires), and, unless empty: detail, body_hash, segments, receipt, looked_up, instead_of, bundle, steps (JSON: a list of
[milliseconds, state, reason, detail]), reserved (JSON: a list of [milliseconds, scopes, segments]), exact (versions.py). These
names are stored in users' tables: rename one only with a reader for the old name.
"""

import json
import zlib
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..domain.budget import Reserved
from ..domain.bundle import Bundle
from ..domain.delivery import Delivery, State, Step
from ..domain.event import Event, UnknownPayload, identity_of
from ..domain.people import Channel
from ..platform.clock import from_ms, to_ms
from .versions import SCHEMA, VERSION, exact_reasons, read_reason, reads_row, stored_reason
from .versions import Item as Item

SHARDS = 4  # per index: a partition key accepts 1,000 writes per second
RETENTION = timedelta(days=90)  # then DynamoDB deletes the row


class Parked(Struct, frozen=True):
    """A payload that could not be parsed, stored until an operator redrives it."""

    id: str
    source: str
    why: str
    created_at: datetime
    payload: bytes = b""  # the JSON text
    redriven_at: datetime | None = None  # when an operator redrove it and it was parsed

    @classmethod
    def of(cls, unknown: UnknownPayload, now: datetime) -> "Parked":
        """Create the row of an unknown payload. The same payload has the same id, so a redelivery is parked once."""
        payload = json.dumps(unknown.payload, default=repr, sort_keys=True)
        return cls(identity_of("parked", unknown.source, payload), unknown.source, unknown.why, now, payload.encode())


def key_of(kind: str, id_: str) -> Item:
    """Return the primary key of an id's only row; `kind` is "delivery", "bundle", "parked", …."""
    return {"pk": {"S": f"{kind}#{id_}"}, "sk": {"S": kind}}


def shard_of(id_: str) -> int:
    """Return an id's shard of each index. Ids are hashes, so the shards fill evenly."""
    return int(id_[:4], 16) % SHARDS


def day_keys(day: datetime) -> list[str]:
    """Return the partition keys of index `day` for rows created on a day (UTC)."""
    return [_day_key(day, shard) for shard in range(SHARDS)]


def _day_key(day: datetime, shard: int) -> str:
    return f"{day.date()}#{shard}"


def delivery_to_item(delivery: Delivery) -> Item:
    """Convert a delivery to an item. Empty values are omitted, which keeps finished rows out of the sparse index `due`."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "state": delivery.state.value,
        "reason": stored_reason(delivery.reason),
        "exact": exact_reasons([(_reason_at(delivery), delivery.reason), *((step.at, step.reason) for step in delivery.steps)]),
        "event": msgspec.json.encode(delivery.event).decode(),
        "rule": delivery.rule,
        "person": delivery.person,
        "channel": delivery.channel.value,
        "attempts": delivery.attempts,
        "claim": delivery.claim,
        "detail": delivery.detail,
        "body_hash": delivery.body_hash,
        "receipt": delivery.receipt,
        "instead_of": delivery.instead_of,
        "bundle": delivery.bundle,
        "expires_at": to_ms(delivery.expires_at),
        **_day_index(delivery.id, delivery.created_at),
    }
    if delivery.segments:
        values["segments"] = delivery.segments
    if delivery.lookups:
        values["looked_up"] = delivery.lookups
    if delivery.steps:
        values["steps"] = _encode_steps(delivery.steps)
    if delivery.reserved:
        entries = [[to_ms(entry.at), entry.scopes, entry.segments] for entry in delivery.reserved]
        values["reserved"] = msgspec.json.encode(entries).decode()
    if delivery.due_at:
        values |= _due_index(delivery.id, delivery.due_at)
    return key_of("delivery", delivery.id) | _to_attributes(values)


def _reason_at(delivery: Delivery) -> datetime:
    """Since when a row has its reason."""
    return delivery.steps[-1].at if delivery.steps else delivery.created_at


@reads_row
def delivery_from_item(item: Item) -> Delivery:
    """Convert an item back to a delivery.

    Raises:
        UnreadableRow: a later version wrote it.
    """
    values = _from_attributes(item)
    exact = json.loads(values.get("exact", "{}"))
    steps = _decode_steps(values.get("steps", "[]"), exact)
    return Delivery(
        id=values["pk"].partition("#")[2],
        event=msgspec.json.decode(values["event"], type=Event),
        rule=values["rule"],
        person=values["person"],
        channel=Channel(values["channel"]),
        created_at=from_ms(values["created_at"]),
        expires_at=from_ms(values["expires_at"]),
        state=State(values["state"]),
        reason=read_reason(values["reason"], to_ms(steps[-1].at) if steps else values["created_at"], exact),
        detail=values.get("detail", ""),
        attempts=values["attempts"],
        claim=values.get("claim", ""),
        due_at=_optional_time(values.get("due_at")),
        body_hash=values.get("body_hash", ""),
        receipt=values.get("receipt", ""),
        segments=values.get("segments", 0),
        lookups=values.get("looked_up", 0),
        instead_of=values.get("instead_of", ""),
        bundle=values.get("bundle", ""),
        steps=steps,
        reserved=_decode_reserved(values.get("reserved", "[]")),
    )


def bundle_to_item(bundle: Bundle) -> Item:
    """Convert a bundle to an item: one JSON text, and separately the attributes that the indexes and other writers need."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "bundle": msgspec.json.encode(replace(bundle, hours=frozenset(), due_at=None)).decode(),
        **_day_index(bundle.id, bundle.created_at),
    }
    if bundle.due_at:
        values |= _due_index(bundle.id, bundle.due_at)
    hours: Item = {"hours": {"SS": sorted(bundle.hours)}} if bundle.hours else {}
    return key_of("bundle", bundle.id) | _to_attributes(values) | hours


@reads_row
def bundle_from_item(item: Item) -> Bundle:
    """Convert an item back to a bundle.

    Raises:
        UnreadableRow: a later version wrote it.
    """
    due_at = _optional_time(int(item["due_at"]["N"])) if "due_at" in item else None
    bundle = msgspec.json.decode(item["bundle"]["S"], type=Bundle)
    return replace(bundle, due_at=due_at, hours=frozenset(item.get("hours", {}).get("SS", ())))


def parked_to_item(parked: Parked) -> Item:
    """Convert a parked payload to an item. Compressed: a DynamoDB item holds 400 KB, an event up to 1 MB."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "source": parked.source,
        "why": parked.why,
        **_day_index(parked.id, parked.created_at),
    }
    if parked.redriven_at:
        values["redriven_at"] = to_ms(parked.redriven_at)
    return key_of("parked", parked.id) | _to_attributes(values) | {"payload": {"B": zlib.compress(parked.payload)}}


@reads_row
def parked_from_item(item: Item) -> Parked:
    """Convert an item back to a parked payload.

    Raises:
        UnreadableRow: a later version wrote it.
    """
    values = _from_attributes(item)
    return Parked(
        id=values["pk"].partition("#")[2],
        source=values["source"],
        why=values["why"],
        created_at=from_ms(values["created_at"]),
        payload=zlib.decompress(item["payload"]["B"]),
        redriven_at=_optional_time(values.get("redriven_at")),
    )


def receipt_to_item(receipt: str, delivery_id: str, now: datetime) -> Item:
    """Convert a receipt to an item that names the delivery it belongs to."""
    values: dict[str, str | int] = {"delivery": delivery_id, "ttl": to_ms(now + RETENTION) // 1000}
    return key_of("receipt", receipt) | VERSION | _to_attributes(values)


def _day_index(id_: str, created_at: datetime) -> dict[str, str | int]:
    return {
        "created_at": to_ms(created_at),
        "day": _day_key(created_at, shard_of(id_)),
        "ttl": to_ms(created_at + RETENTION) // 1000,
    }


def _due_index(id_: str, due_at: datetime) -> dict[str, str | int]:
    return {"due": str(shard_of(id_)), "due_at": to_ms(due_at)}


def _encode_steps(steps: tuple[Step, ...]) -> str:
    """Compact JSON without empty details: the row of a message sent at the first attempt stays small."""
    encoded = [
        [to_ms(step.at), step.state.value, stored_reason(step.reason), *([step.detail] if step.detail else [])] for step in steps
    ]
    return json.dumps(encoded, separators=(",", ":"), ensure_ascii=False)


def _decode_steps(steps: str, exact: dict[str, str]) -> tuple[Step, ...]:
    return tuple(
        Step(from_ms(at), State(state), read_reason(reason, at, exact), *detail)
        for at, state, reason, *detail in json.loads(steps)
    )


def _decode_reserved(entries: str) -> tuple[Reserved, ...]:
    return tuple(Reserved(from_ms(at), tuple(scopes), segments) for at, scopes, segments in json.loads(entries))


def _optional_time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


def _to_attributes(values: dict[str, str | int]) -> Item:
    return {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in values.items() if value != ""}


def _from_attributes(item: Item) -> dict[str, Any]:
    return {name: int(typed["N"]) if "N" in typed else typed.get("S", typed.get("B")) for name, typed in item.items()}
