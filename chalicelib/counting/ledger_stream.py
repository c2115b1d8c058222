"""Reads the ledger's stream: which deliveries just reached a state that is counted.

Source: Amazon DynamoDB API reference, "Record" and "StreamRecord"; AWS Lambda developer guide, "Using AWS Lambda with Amazon
DynamoDB".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import MsgspecError, Struct

from ..domain.delivery import Delivery, State
from ..platform.clock import to_ms
from ..store.rows import delivery_from_item

# The same states as in the stream's filter in workbench/deployment/finish.py: Lambda passes on no others.
COUNTED_STATES = frozenset({State.SENT, State.FAILED, State.EXPIRED, State.UNDELIVERED, State.DROPPED, State.BUNDLED})


class Transition(Struct, frozen=True):
    """A delivery that just reached its state. `record` is the record's sequence number in its shard."""

    record: str
    delivery: Delivery
    at: datetime

    @property
    def mark(self) -> str:
        """Identifies this step of this delivery, whichever record reports it."""
        return f"{self.delivery.id}.{self.delivery.state}.{to_ms(self.at)}"

    @property
    def counts_at(self) -> datetime:
        """The moment whose hour it counts for: a sent message counts where it was reserved, as in the budget rows."""
        reserved = self.delivery.reserved
        return reserved[-1].at if reserved and self.delivery.state is State.SENT else self.at


class UnreadableRecord(Struct, frozen=True):
    """A record of an unknown shape, and the reason."""

    record: str
    why: str


def from_stream(payload: object) -> tuple[list[Transition], list[UnreadableRecord]]:
    """The transitions that the records report, and the records that cannot be read. All other records are left out."""
    records = payload.get("Records") if isinstance(payload, dict) else None
    if not isinstance(records, list):
        return [], [UnreadableRecord("", "no list of Records")]
    transitions: list[Transition] = []
    unreadable = []
    for record in records:
        try:
            transitions += _transition(record)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, MsgspecError) as error:
            unreadable.append(UnreadableRecord(_sequence_number(record), repr(error)))
    return transitions, unreadable


def _transition(record: Mapping[str, Any]) -> list[Transition]:
    """The transition of one record; none if the row expired (TTL), did not change its state, or is in a state not counted."""
    change = record["dynamodb"]
    new, old = change.get("NewImage"), change.get("OldImage", {})
    if new is None or new["sk"]["S"] != "delivery" or new["state"] == old.get("state"):
        return []
    if new["state"]["S"] not in COUNTED_STATES:
        return []
    delivery = delivery_from_item(new)
    at = delivery.steps[-1].at if delivery.steps else delivery.created_at  # without steps it was created in this state
    return [Transition(change["SequenceNumber"], delivery, at)]


def _sequence_number(record: object) -> str:
    change = record.get("dynamodb") if isinstance(record, dict) else None
    return str(change.get("SequenceNumber", "")) if isinstance(change, dict) else ""
