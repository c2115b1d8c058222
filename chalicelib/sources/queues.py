"""Unwraps the envelopes that queues, topics and Lambda's failure records put around uploads, bus events and item changes.

Formats: AWS Lambda developer guide, "Using Lambda with Amazon SQS" (event), "Adding a destination" (invocation record);
Amazon SNS developer guide, "Amazon SNS message and JSON formats".
"""

import json
from collections.abc import Mapping
from typing import Any

from ..domain.event import Batch, UnknownPayload
from . import s3

_MAX_DEPTH = 5  # envelopes in envelopes; our payloads have at most three


def unwrap(payload: object, depth: int = 0) -> Batch:
    """Convert a payload in any envelope. Never raises: an unknown shape is returned as unknown."""
    if depth > _MAX_DEPTH:
        return Batch(unknown=(UnknownPayload("envelope", f"more than {_MAX_DEPTH} envelopes", payload),))
    match payload:
        case str():
            return _open(payload, payload, depth)
        case {"requestContext": Mapping(), "requestPayload": inner}:  # Lambda's record of a failed invocation
            return unwrap(inner, depth + 1)
        case {"Type": "Notification", "Message": str(inner)}:  # a topic's message in a queue
            return _open(inner, payload, depth)
        case {"Records": list(records)} if records:
            return Batch.join(_from_record(record, depth) for record in records)
        case {"detail-type": type_, "source": source}:
            return s3.from_bus(payload) if (source, type_) == ("aws.s3", "Object Created") else _from_bus(payload)
        case {"eventSource": _} | {"EventSource": _}:  # a record that was parked alone
            return _from_record(payload, depth)
    return s3.from_notification(payload)


def parse_queue_records(payload: object) -> list[tuple[str, Batch]]:
    """Each record of an SQS event: its messageId, which names it in batchItemFailures, and its events."""
    match payload:
        case {"Records": list(records)}:
            return [(str(_field(record, "messageId")), _from_record(record, 0)) for record in records]
    return [("", Batch(unknown=(UnknownPayload("sqs", "missing 'Records'", payload),)))]


def _from_record(record: object, depth: int) -> Batch:
    match record:
        case {"eventSource": "aws:sqs", "body": str(body)}:
            return _open(body, record, depth)
        case {"EventSource": "aws:sns", "Sns": {"Message": str(message)}}:
            return _open(message, record, depth)
        case {"eventSource": "aws:dynamodb"}:
            return _from_stream_record(record)
    return s3.from_notification({"Records": [record]})


def _open(text: str, envelope: object, depth: int) -> Batch:
    try:
        inner = json.loads(text)
    except ValueError:
        return Batch(unknown=(UnknownPayload("envelope", "its text is not JSON", envelope),))
    return unwrap(inner, depth + 1)


def _from_bus(payload: object) -> Batch:
    from . import eventbridge  # few payloads need it

    return eventbridge.from_bus(payload)


def _from_stream_record(record: object) -> Batch:
    from . import dynamodb_stream

    return Batch.join(batch for _, batch in dynamodb_stream.parse_records({"Records": [record]}))


def _field(record: object, name: str) -> Any:
    return record.get(name, "") if isinstance(record, Mapping) else ""
