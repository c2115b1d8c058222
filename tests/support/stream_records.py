"""Records of a table's stream as Lambda receives them (AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB")."""

from typing import Any

from boto3.dynamodb.types import TypeSerializer

from chalicelib.domain.event import Event
from chalicelib.domain.payloads import Item
from chalicelib.sources.dynamodb_stream import parse_records

STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-03-02T12:00:00.000"
PAID = {"id": "17", "status": "paid", "total": 120}
REFUSED = {**PAID, "status": "refused"}
SERIALIZER = TypeSerializer()


def typed(image: dict[str, Any]) -> dict[str, Any]:
    """An item as DynamoDB writes it, each value with its type."""
    return {name: SERIALIZER.serialize(value) for name, value in image.items()}


def record(
    new: dict[str, Any] | None, old: dict[str, Any] | None = None, number: int = 1, at: float = 1772452800.0
) -> dict[str, Any]:
    """A record of the table `orders`: an insert, an update or a removal, depending on the images."""
    name = "MODIFY" if new and old else "INSERT" if new else "REMOVE"
    images = {which: typed(image) for which, image in (("NewImage", new), ("OldImage", old)) if image}
    return {
        "eventID": f"{number:032x}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": at + number,
            "Keys": typed({"id": (new or old or {})["id"]}),
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": 59,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **images,
        },
        "eventSourceARN": STREAM,
    }


def event_of(stream_record: dict[str, Any]) -> Event:
    """The event that a record becomes."""
    ((_, batch),) = parse_records({"Records": [stream_record]})
    (event,) = batch.events
    return event


def item_of(stream_record: dict[str, Any]) -> Item:
    """The changed item of a record."""
    item = event_of(stream_record).item
    assert item
    return item
