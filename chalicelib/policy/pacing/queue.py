"""The queues of deliveries that wait to be sent or looked up: one per lane, urgency and rule, so that none delays another."""

from datetime import datetime

from msgspec import Struct

from ...domain.delivery import Delivery, State
from ...domain.event import Event, Kind, Severity, identity_of

WAITING_STATES = frozenset({State.HELD, State.RETRY, State.UNKNOWN})  # these are in queues; claimed rows are not


class Queue(Struct, frozen=True):
    """A queue as registered in the ledger. `shards`: the highest number of shards that its rows were written with."""

    id: str  # 8 hex digits
    lane: str  # a channel, or one webhook
    urgent: bool
    rule: str
    shards: int
    used_at: datetime


def is_urgent(event: Event) -> bool:
    """Whether an event's messages are sent before others: urgent and critical ones, and problems of the bot itself."""
    return event.urgent or event.severity is Severity.CRITICAL or event.kind is Kind.TROUBLE


def queue_id(delivery: Delivery) -> str:
    """Return the id of a delivery's queue: part of the partition keys of index `due`."""
    urgency = "urgent" if is_urgent(delivery.event) else ""
    return identity_of("queue", delivery.lane, urgency, delivery.rule)[:8]


def queue_of(delivery: Delivery, shards: int) -> Queue | None:
    """Return the queue that a delivery is in, to be registered; None if it is in none."""
    if delivery.state not in WAITING_STATES or delivery.due_at is None:
        return None
    written_at = delivery.steps[-1].at if delivery.steps else delivery.created_at
    return Queue(queue_id(delivery), delivery.lane, is_urgent(delivery.event), delivery.rule, shards, written_at)
