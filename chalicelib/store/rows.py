"""How a delivery, a bundle or a parked payload is written down as a DynamoDB item, and read back.

Shape of a delivery's item (schema 1): pk "delivery#<id>", sk "delivery", v, state, reason, event (compact JSON), rule,
person, channel, attempts, claim, created_at / expires_at / due_at (milliseconds since 1970), day, due, ttl
(seconds since 1970, as DynamoDB wants it), and detail, body_hash, segments, receipt, looked_up, instead_of, bundle, steps
(JSON: a list of [milliseconds, state, reason, detail]) where there is one.
"""

import json
import zlib
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle
from ..domain.delivery import Delivery, Reason, State, Step
from ..domain.event import Event, Unknown, identity_of
from ..domain.people import Channel
from ..platform.clock import from_ms, to_ms

SCHEMA = 1
SHARDS = 4  # of each index: a partition key takes 1,000 writes a second
RETENTION = timedelta(days=90)  # then DynamoDB cleans the row up

Item = dict[str, dict[str, Any]]  # attribute name -> DynamoDB's typed value


class Parked(Struct, frozen=True):
    """A payload in a shape we did not know, kept until somebody has looked at it."""

    id: str
    source: str
    why: str
    created_at: datetime
    payload: bytes = b""  # the JSON text
    redriven_at: datetime | None = None  # when an operator had it converted again, and it was understood

    @classmethod
    def of(cls, unknown: Unknown, now: datetime) -> "Parked":
        """Park an unknown shape: the same payload has the same id, so a redelivery parks it once."""
        payload = json.dumps(unknown.payload, default=repr, sort_keys=True)
        return cls(identity_of("parked", unknown.source, payload), unknown.source, unknown.why, now, payload.encode())


def key_of(kind: str, id_: str) -> Item:
    """The primary key of the one row there is of that id; `kind` is "delivery", "bundle", "parked", …."""
    return {"pk": {"S": f"{kind}#{id_}"}, "sk": {"S": kind}}


def shard_of(id_: str) -> int:
    """Which shard of an index an id belongs to: ids are hashes, so the shards fill evenly."""
    return int(id_[:4], 16) % SHARDS


def day_keys(day: datetime) -> list[str]:
    """The partition keys of index `day` that hold the rows created on that day (UTC)."""
    return [f"{day:%Y-%m-%d}#{shard}" for shard in range(SHARDS)]


def item_of_delivery(delivery: Delivery) -> Item:
    """Write a delivery down; what is empty is left out, which keeps it out of the sparse index."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "state": delivery.state.value,
        "reason": delivery.reason.value,
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
        **_filed_by_day(delivery.id, delivery.created_at),
    }
    if delivery.segments:
        values["segments"] = delivery.segments
    if delivery.looked_up:
        values["looked_up"] = delivery.looked_up
    if delivery.steps:
        values["steps"] = _written(delivery.steps)
    if delivery.due_at:
        values |= _due(delivery.id, delivery.due_at)
    return key_of("delivery", delivery.id) | _typed(values)


def delivery_of_item(item: Item) -> Delivery:
    """Read a delivery back."""
    value = _plain(item)
    return Delivery(
        id=value["pk"].partition("#")[2],
        event=msgspec.json.decode(value["event"], type=Event),
        rule=value["rule"],
        person=value["person"],
        channel=Channel(value["channel"]),
        created_at=from_ms(value["created_at"]),
        expires_at=from_ms(value["expires_at"]),
        state=State(value["state"]),
        reason=Reason(value["reason"]),
        detail=value.get("detail", ""),
        attempts=value["attempts"],
        claim=value.get("claim", ""),
        due_at=_moment(value.get("due_at")),
        body_hash=value.get("body_hash", ""),
        receipt=value.get("receipt", ""),
        segments=value.get("segments", 0),
        looked_up=value.get("looked_up", 0),
        instead_of=value.get("instead_of", ""),
        bundle=value.get("bundle", ""),
        steps=_read(value.get("steps", "[]")),
    )


def item_of_parked(parked: Parked) -> Item:
    """Write a parked payload down, compressed: a row of DynamoDB holds 400 KB, an event up to 1 MB."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "source": parked.source,
        "why": parked.why,
        **_filed_by_day(parked.id, parked.created_at),
    }
    if parked.redriven_at:
        values["redriven_at"] = to_ms(parked.redriven_at)
    return key_of("parked", parked.id) | _typed(values) | {"payload": {"B": zlib.compress(parked.payload)}}


def item_of_bundle(bundle: Bundle) -> Item:
    """Write a bundle down: what never or seldom changes as one JSON text, and what the indexes and other writers need apart."""
    values: dict[str, str | int] = {
        "v": SCHEMA,
        "bundle": msgspec.json.encode(replace(bundle, hours=frozenset(), due_at=None)).decode(),
        **_filed_by_day(bundle.id, bundle.created_at),
    }
    if bundle.due_at:
        values |= _due(bundle.id, bundle.due_at)
    return key_of("bundle", bundle.id) | _typed(values) | ({"hours": {"SS": sorted(bundle.hours)}} if bundle.hours else {})


def bundle_of_item(item: Item) -> Bundle:
    """Read a bundle back."""
    due_at = _moment(int(item["due_at"]["N"])) if "due_at" in item else None
    bundle = msgspec.json.decode(item["bundle"]["S"], type=Bundle)
    return replace(bundle, due_at=due_at, hours=frozenset(item.get("hours", {}).get("SS", ())))


def item_of_receipt(receipt: str, delivery_id: str, now: datetime) -> Item:
    """Write down whose a message in a provider's list is."""
    return key_of("receipt", receipt) | _typed({"delivery": delivery_id, "ttl": to_ms(now + RETENTION) // 1000})


def parked_of_item(item: Item) -> Parked:
    """Read a parked payload back."""
    value = _plain(item)
    return Parked(
        id=value["pk"].partition("#")[2],
        source=value["source"],
        why=value["why"],
        created_at=from_ms(value["created_at"]),
        payload=zlib.decompress(item["payload"]["B"]),
        redriven_at=_moment(value.get("redriven_at")),
    )


def _filed_by_day(id_: str, created_at: datetime) -> dict[str, str | int]:
    return {
        "created_at": to_ms(created_at),
        "day": day_keys(created_at)[shard_of(id_)],
        "ttl": to_ms(created_at + RETENTION) // 1000,
    }


def _due(id_: str, due_at: datetime) -> dict[str, str | int]:
    return {"due": str(shard_of(id_)), "due_at": to_ms(due_at)}


def _written(steps: tuple[Step, ...]) -> str:
    """Compact: an empty detail is left out, so that the row of a message that went out at once stays small."""
    told = [[to_ms(step.at), step.state.value, step.reason.value, *([step.detail] if step.detail else [])] for step in steps]
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def _read(steps: str) -> tuple[Step, ...]:
    return tuple(Step(from_ms(at), State(state), Reason(reason), *detail) for at, state, reason, *detail in json.loads(steps))


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else from_ms(milliseconds)


def _typed(values: dict[str, str | int]) -> Item:
    return {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in values.items() if value != ""}


def _plain(item: Item) -> dict[str, Any]:
    return {name: int(typed["N"]) if "N" in typed else typed.get("S", typed.get("B")) for name, typed in item.items()}
