"""Records of the ledger's stream, as Lambda hands them to a function."""

from datetime import datetime, timedelta
from itertools import count, pairwise
from typing import Any

from chalicelib.domain.delivery import Delivery, Receipt
from chalicelib.domain.event import identity_of
from chalicelib.domain.people import Channel
from chalicelib.policy import outcome
from chalicelib.store.rows import item_of_delivery
from tests.support.builders import NOON, an_upload

Record = dict[str, Any]
_numbers = count(1)


def fresh_name() -> str:
    """A name that no other test has."""
    return f"fresh{next(_numbers)}"


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
    """A delivery that a provider has accepted."""
    return outcome.sent(delivery, Receipt("r"), at or delivery.created_at)


def failed(delivery: Delivery, at: datetime | None = None) -> Delivery:
    """A delivery that was given up."""
    return outcome.undecidable(delivery, at or delivery.created_at, "why not")


def record(old: Delivery | None, new: Delivery) -> Record:
    """As Lambda is told of one write; numbers rise."""
    told: Record = {"NewImage": item_of_delivery(new), "SequenceNumber": f"{next(_numbers):021}"}
    if old:
        told["OldImage"] = item_of_delivery(old)
    name = "MODIFY" if old else "INSERT"
    return {"eventID": "1", "eventName": name, "eventSource": "aws:dynamodb", "awsRegion": "us-east-1", "dynamodb": told}


def story(*states: Delivery) -> list[Record]:
    """Every write of one delivery."""
    return [record(None, states[0]), *(record(old, new) for old, new in pairwise(states))]


def batch(*records: Record) -> dict[str, list[Record]]:
    """As Lambda is told of several."""
    return {"Records": list(records)}


def some_sent(many: int, at: datetime = NOON, **more: Any) -> list[Record]:
    """So many messages, each of a name of its own."""
    made = [a_delivery(fresh_name(), at, **more) for _ in range(many)]
    return [record(each, sent(each)) for each in made]
