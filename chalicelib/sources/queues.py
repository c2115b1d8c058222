"""Uploads, events of the bus and changes of items, in envelopes: the same payloads, as queues, topics and Lambda's
own failure records wrap them.

Formats: AWS Lambda developer guide, "Using Lambda with Amazon SQS" (event), "Adding a destination" (invocation record);
Amazon SNS developer guide, "Amazon SNS message and JSON formats".
"""

import json
from collections.abc import Mapping
from typing import Any

from ..domain.event import Batch, Unknown
from . import s3

_DEEPEST = 5  # envelopes in envelopes; a payload of ours has three at the most


def unwrap(payload: object, depth: int = 0) -> Batch:
    """Convert a payload in whatever envelope it comes; what is none of ours is unknown, and never raises."""
    if depth > _DEEPEST:
        return Batch(unknown=(Unknown("envelope", f"it has more than {_DEEPEST} envelopes", payload),))
    match payload:
        case str():
            return _opened(payload, payload, depth)
        case {"requestContext": Mapping(), "requestPayload": inner}:  # Lambda gave up on it
            return unwrap(inner, depth + 1)
        case {"Type": "Notification", "Message": str(inner)}:  # a topic's message in a queue
            return _opened(inner, payload, depth)
        case {"Records": list(records)} if records:
            return Batch.join(_record(record, depth) for record in records)
        case {"detail-type": type_, "source": source}:
            return s3.from_bus(payload) if (source, type_) == ("aws.s3", "Object Created") else _of_bus(payload)
        case {"eventSource": _} | {"EventSource": _}:  # a record that was parked by itself
            return _record(payload, depth)
    return s3.from_notification(payload)


def records_of_queue(payload: object) -> list[tuple[str, Batch]]:
    """Each record of an SQS event: its messageId, which names it in batchItemFailures, and what it brings."""
    match payload:
        case {"Records": list(records)}:
            return [(str(_field(record, "messageId")), _record(record, 0)) for record in records]
    return [("", Batch(unknown=(Unknown("sqs", "it has no Records", payload),)))]


def _record(record: object, depth: int) -> Batch:
    match record:
        case {"eventSource": "aws:sqs", "body": str(body)}:
            return _opened(body, record, depth)
        case {"EventSource": "aws:sns", "Sns": {"Message": str(message)}}:
            return _opened(message, record, depth)
        case {"eventSource": "aws:dynamodb"}:
            return _of_item(record)
    return s3.from_notification({"Records": [record]})


def _opened(text: str, envelope: object, depth: int) -> Batch:
    try:
        inner = json.loads(text)
    except ValueError:
        return Batch(unknown=(Unknown("envelope", "its text is not JSON", envelope),))
    return unwrap(inner, depth + 1)


def _of_bus(payload: object) -> Batch:
    from . import eventbridge  # few payloads need it

    return eventbridge.from_bus(payload)


def _of_item(record: object) -> Batch:
    from . import dynamodb_stream

    return Batch.join(batch for _, batch in dynamodb_stream.records_of({"Records": [record]}))


def _field(record: object, name: str) -> Any:
    return record.get(name, "") if isinstance(record, Mapping) else ""
