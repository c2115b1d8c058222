"""Converts deliveries to DynamoDB items and back.

A delivery's item (schema 1): pk "delivery#<id>", sk "delivery", v, state, reason, event (compact JSON), rule, person, channel,
attempts, claim, created_at / expires_at / due_at (milliseconds since 1970), day, due, ttl (seconds since 1970, as DynamoDB
requires), and, unless empty: detail, body_hash, segments, receipt, looked_up, instead_of, bundle, steps (JSON: a list of
[milliseconds, state, reason, detail]), reserved (JSON: a list of [milliseconds, scopes, segments]), exact (versions.py). These
names are stored in users' tables: rename one only with a reader for the old name.

`due`, the partition key of index `due`, is "<queue>/<shard>" for a delivery that waits to be sent or looked up, else "<shard>".
Rows of earlier versions have "<shard>" in every state.
"""

import json
from datetime import datetime

import msgspec

from ...domain.budget import Reserved
from ...domain.delivery import Delivery, State, Step
from ...domain.event import Event
from ...domain.people import Channel
from ...platform.clock import from_ms, to_ms
from .keys import Values, day_index_of, due_partition, from_attributes, key_of, optional_time, to_attributes
from .versions import SCHEMA, Item, exact_reasons, read_reason, reads_row, stored_reason


def delivery_to_item(delivery: Delivery) -> Item:
    """Convert a delivery to an item. Empty values are omitted, which keeps finished rows out of the sparse index `due`."""
    return key_of("delivery", delivery.id) | to_attributes(_fixed_values(delivery) | _changing_values(delivery))


def changed_attributes(old: Delivery, new: Delivery) -> tuple[Item, list[str]]:
    """Return the attributes that differ in `new`, and the names of those it no longer has."""
    before, after = _changing_values(old), _changing_values(new)
    if any(getattr(old, name) is not getattr(new, name) for name in _FIXED):  # rare: most transitions change none of them
        before, after = before | _fixed_values(old), after | _fixed_values(new)
    changed = {name: value for name, value in after.items() if before.get(name, "") != value}
    removed = [name for name, value in before.items() if value != "" and after.get(name, "") == ""]
    return to_attributes(changed), removed


_FIXED = (
    "event",
    "rule",
    "person",
    "channel",
    "instead_of",
    "bundle",
    "created_at",
    "expires_at",
    "body_hash",
    "segments",
    "reserved",
)


def _fixed_values(delivery: Delivery) -> Values:
    values: Values = {
        "v": SCHEMA,
        "event": msgspec.json.encode(delivery.event).decode(),
        "rule": delivery.rule,
        "person": delivery.person,
        "channel": delivery.channel.value,
        "instead_of": delivery.instead_of,
        "bundle": delivery.bundle,
        "expires_at": to_ms(delivery.expires_at),
        "body_hash": delivery.body_hash,
        "segments": delivery.segments or "",
        **day_index_of(delivery.id, delivery.created_at),
    }
    if delivery.reserved:
        entries = [[to_ms(entry.at), entry.scopes, entry.segments] for entry in delivery.reserved]
        values["reserved"] = msgspec.json.encode(entries).decode()
    return values


def _changing_values(delivery: Delivery) -> Values:
    values: Values = {
        "state": delivery.state.value,
        "reason": stored_reason(delivery.reason),
        "exact": exact_reasons([(_reason_at(delivery), delivery.reason), *((step.at, step.reason) for step in delivery.steps)]),
        "attempts": delivery.attempts,
        "claim": delivery.claim,
        "detail": delivery.detail,
        "receipt": delivery.receipt,
        "looked_up": delivery.lookups or "",
    }
    if delivery.steps:
        values["steps"] = _encode_steps(delivery.steps)
    if delivery.due_at:
        values |= {"due": due_partition(delivery), "due_at": to_ms(delivery.due_at)}
    return values


def _reason_at(delivery: Delivery) -> datetime:
    """Since when a row has its reason."""
    return delivery.steps[-1].at if delivery.steps else delivery.created_at


@reads_row
def delivery_from_item(item: Item) -> Delivery:
    """Convert an item back to a delivery.

    Raises:
        UnreadableRow: a later version wrote it.
    """
    values = from_attributes(item)
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
        due_at=optional_time(values.get("due_at")),
        body_hash=values.get("body_hash", ""),
        receipt=values.get("receipt", ""),
        segments=values.get("segments", 0),
        lookups=values.get("looked_up", 0),
        instead_of=values.get("instead_of", ""),
        bundle=values.get("bundle", ""),
        steps=steps,
        reserved=_decode_reserved(values.get("reserved", "[]")),
    )


def _encode_steps(steps: tuple[Step, ...]) -> str:
    """Compact JSON without empty details: the row of a message sent at the first attempt stays small."""
    encoded = [
        [to_ms(step.at), step.state.value, stored_reason(step.reason), *([step.detail] if step.detail else [])] for step in steps
    ]
    return msgspec.json.encode(encoded).decode()


def _decode_steps(steps: str, exact: dict[str, str]) -> tuple[Step, ...]:
    return tuple(
        Step(from_ms(at), State(state), read_reason(reason, at, exact), *detail)
        for at, state, reason, *detail in json.loads(steps)
    )


def _decode_reserved(entries: str) -> tuple[Reserved, ...]:
    return tuple(Reserved(from_ms(at), tuple(scopes), segments) for at, scopes, segments in json.loads(entries))
