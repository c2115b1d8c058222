"""From records of the ledger's stream to what became of deliveries: accepted, come to nothing, dropped, or left to a digest.

Source: Amazon DynamoDB API reference, "Record" and "StreamRecord"; AWS Lambda developer guide, "Using AWS Lambda with Amazon
DynamoDB".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import MsgspecError, Struct

from ..domain.delivery import Delivery, State
from ..platform.clock import to_ms
from ..store.rows import delivery_of_item

# As the stream's filter in workbench/deployment/finish.py has them: Lambda calls us for these and no others.
COUNTED_STATES = frozenset({State.SENT, State.FAILED, State.EXPIRED, State.UNDELIVERED, State.DROPPED, State.BUNDLED})


class Transition(Struct, frozen=True):
    """A delivery that just came to its state. `record` is the record's number in its shard."""

    record: str
    delivery: Delivery
    at: datetime

    @property
    def mark(self) -> str:
        """The same for the same step of the same delivery, whatever record tells of it."""
        return f"{self.delivery.id}.{self.delivery.state}.{to_ms(self.at)}"


class UnreadableRecord(Struct, frozen=True):
    """A record of an unknown shape, and why."""

    record: str
    why: str


def from_stream(payload: object) -> tuple[list[Transition], list[UnreadableRecord]]:
    """What the records tell; those that tell of something else are left out."""
    records = payload.get("Records") if isinstance(payload, dict) else None
    if not isinstance(records, list):
        return [], [UnreadableRecord("", "there is no list of Records")]
    became, unread = [], []
    for record in records:
        try:
            became += _of_record(record)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, MsgspecError) as error:
            unread.append(UnreadableRecord(_number(record), repr(error)))
    return became, unread


def _of_record(record: Mapping[str, Any]) -> list[Transition]:
    """What one record tells, or nothing: a row was taken away by its age, is being sent, waits."""
    told = record["dynamodb"]
    new, old = told.get("NewImage"), told.get("OldImage", {})
    if new is None or new["sk"]["S"] != "delivery" or new["state"] == old.get("state"):
        return []
    if new["state"]["S"] not in COUNTED_STATES:
        return []
    delivery = delivery_of_item(new)
    at = delivery.steps[-1].at if delivery.steps else delivery.created_at  # it was born in this state
    return [Transition(told["SequenceNumber"], delivery, at)]


def _number(record: object) -> str:
    told = record.get("dynamodb") if isinstance(record, dict) else None
    return str(told.get("SequenceNumber", "")) if isinstance(told, dict) else ""
