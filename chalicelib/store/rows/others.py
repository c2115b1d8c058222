"""Converts bundles, parked payloads and receipts to DynamoDB items and back."""

import json
import zlib
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ...domain.bundle import Bundle
from ...domain.event import UnknownPayload, identity_of
from ...platform.clock import from_ms, to_ms
from .keys import day_index_of, from_attributes, index_shard, key_of, optional_time, to_attributes, ttl_of
from .versions import SCHEMA, VERSION, Item, reads_row


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


def bundle_to_item(bundle: Bundle) -> Item:
    """Convert a bundle to an item: one JSON text, and separately the attributes that the indexes and other writers need."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "bundle": msgspec.json.encode(replace(bundle, hours=frozenset(), due_at=None)).decode(),
        **day_index_of(bundle.id, bundle.created_at),
    }
    if bundle.due_at:
        values |= {"due": str(index_shard(bundle.id)), "due_at": to_ms(bundle.due_at)}
    hours: Item = {"hours": {"SS": sorted(bundle.hours)}} if bundle.hours else {}
    return key_of("bundle", bundle.id) | to_attributes(values) | hours


@reads_row
def bundle_from_item(item: Item) -> Bundle:
    """Convert an item back to a bundle.

    Raises:
        UnreadableRow: a later version wrote it.
    """
    due_at = optional_time(int(item["due_at"]["N"])) if "due_at" in item else None
    bundle = msgspec.json.decode(item["bundle"]["S"], type=Bundle)
    return replace(bundle, due_at=due_at, hours=frozenset(item.get("hours", {}).get("SS", ())))


def parked_to_item(parked: Parked) -> Item:
    """Convert a parked payload to an item. Compressed: a DynamoDB item holds 400 KB, an event up to 1 MB."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "source": parked.source,
        "why": parked.why,
        **day_index_of(parked.id, parked.created_at),
    }
    if parked.redriven_at:
        values["redriven_at"] = to_ms(parked.redriven_at)
    return key_of("parked", parked.id) | to_attributes(values) | {"payload": {"B": zlib.compress(parked.payload)}}


@reads_row
def parked_from_item(item: Item) -> Parked:
    """Convert an item back to a parked payload.

    Raises:
        UnreadableRow: a later version wrote it.
    """
    values = from_attributes(item)
    return Parked(
        id=values["pk"].partition("#")[2],
        source=values["source"],
        why=values["why"],
        created_at=from_ms(values["created_at"]),
        payload=zlib.decompress(item["payload"]["B"]),
        redriven_at=optional_time(values.get("redriven_at")),
    )


def receipt_to_item(receipt: str, delivery_id: str, now: datetime) -> Item:
    """Convert a receipt to an item that names the delivery it belongs to."""
    values: dict[str, str | int] = {"delivery": delivery_id, "ttl": ttl_of(now)}
    return key_of("receipt", receipt) | VERSION | to_attributes(values)
