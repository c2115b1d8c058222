"""Records of the ledger's stream, as Lambda passes them to a function."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count, pairwise
from random import Random
from typing import Any

from chalicelib.domain.delivery import Delivery, Receipt
from chalicelib.domain.event import identity_of
from chalicelib.domain.people import Channel
from chalicelib.policy import outcome
from chalicelib.store.rows import delivery_to_item
from tests.support.builders import NOON, an_upload

Record = dict[str, Any]
_numbers = count(1)


def unique_name() -> str:
    """A name that no other test uses."""
    return f"unique{next(_numbers)}"


def a_delivery(
    name: str, at: datetime = NOON, person: str = "asha", channel: Channel = Channel.EMAIL, segments: int = 0
) -> Delivery:
    """A delivery that is being sent."""
    return Delivery(
        id=identity_of(name),
        event=an_upload(f"in/{name}.pdf"),
        rule="uploads",
        person=person,
        channel=channel,
        created_at=at,
        expires_at=at + timedelta(hours=24),
        segments=segments,
    )


def sent(delivery: Delivery, at: datetime | None = None) -> Delivery:
    """The delivery after a provider accepted it."""
    return outcome.mark_sent(delivery, Receipt("r"), at or delivery.created_at)


def failed(delivery: Delivery, at: datetime | None = None) -> Delivery:
    """The delivery after it was abandoned."""
    return outcome.fail_without_channel(delivery, at or delivery.created_at, "why not")


def record(old: Delivery | None, new: Delivery) -> Record:
    """The stream record of one write; sequence numbers increase."""
    change: Record = {"NewImage": delivery_to_item(new), "SequenceNumber": f"{next(_numbers):021}"}
    if old:
        change["OldImage"] = delivery_to_item(old)
    name = "MODIFY" if old else "INSERT"
    return {"eventID": "1", "eventName": name, "eventSource": "aws:dynamodb", "awsRegion": "us-east-1", "dynamodb": change}


def story(*states: Delivery) -> list[Record]:
    """The records of every write of one delivery."""
    return [record(None, states[0]), *(record(old, new) for old, new in pairwise(states))]


def batch(*records: Record) -> dict[str, list[Record]]:
    """The payload of several records."""
    return {"Records": list(records)}


def sent_records(number: int, at: datetime = NOON, **changes: Any) -> list[Record]:
    """Records of messages that were sent, each with a unique name."""
    deliveries = [a_delivery(unique_name(), at, **changes) for _ in range(number)]
    return [record(delivery, sent(delivery)) for delivery in deliveries]


def shuffled_batches(records: list[Record], dice: Random) -> Iterator[list[Record]]:
    """The records in any order, in batches of any size; some batches are repeated, split or merged with others."""
    records = [*records, *dice.sample(records, dice.randint(0, len(records)))]
    dice.shuffle(records)
    while records:
        size = dice.randint(1, len(records))
        chunk, records = records[:size], records[size:]
        yield chunk
        if dice.random() < 0.3:
            yield dice.sample(chunk, dice.randint(1, len(chunk)))
