"""Reads recorded payloads from files, and tells from a payload's shape which source it is from and which function gets it.

Shapes as in chalicelib/sources; `sam local generate-event` writes the same. A scheduled event: Amazon EventBridge user guide,
"Scheduled events".
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from chalicelib.platform.function_names import function_name, queue_function, topic_function

KNOWN = "S3, EventBridge (uploads, alarms, other events, schedules), SNS, SQS and DynamoDB streams"
_MAX_DEPTH = 3  # of lists and envelopes


class PayloadError(ValueError):
    """A file has no payload that a function of the bot gets. One sentence."""


class Recorded(Struct, frozen=True):
    """One recorded payload, and where it comes from."""

    name: str  # the file, and which of several payloads in it
    payload: Any
    source: str  # "s3", "eventbridge", "sns", "sqs", "dynamodb", "schedule", "alarm" or "bus"
    address: str  # of the bucket, topic, queue, table or schedule; "" on the bus


def read_payloads(name: str, text: str) -> list[Recorded]:
    """Read a file: one payload, a list of them, several one after the other, or what `aws logs filter-log-events` prints.

    Raises:
        PayloadError: it is not JSON, is empty, or has a payload of unknown shape.
    """
    documents = list(_flatten(name, _documents(name, text)))
    if not documents:
        raise PayloadError(f"{name} is empty; record a payload as docs/answers.md shows")
    several = len(documents) > 1
    return [
        _recognize(f"{name}, payload {number}" if several else name, document)
        for number, document in enumerate(documents, start=1)
    ]


def function_of(recorded: Recorded, functions: Collection[str], environ: Mapping[str, str]) -> str:
    """The name of the function that gets a payload, among those that app.py binds.

    Raises:
        PayloadError: none does.
    """
    wanted = _functions(recorded, environ)
    found = next((name for name in wanted if name in functions), "")
    if not found:
        raise PayloadError(f"{recorded.name}: {_nobody(recorded)}")
    return found


def _functions(recorded: Recorded, environ: Mapping[str, str]) -> list[str]:
    address = recorded.address
    match recorded.source:
        case "s3":
            return [function_name("upload", address)]
        case "eventbridge":
            return ["upload_events"]
        case "sns":
            return [topic_function(address)]
        case "sqs":
            own = ["upload_queue"] if address.rpartition(":")[2] == environ.get("UPLOAD_QUEUE") else []
            return [*own, queue_function(address)]
        case "dynamodb":
            return ["count"] if address == environ.get("DROPNOTE_LEDGER") else [function_name("items", address)]
        case "schedule":
            return ["watch" if "watch" in address else "sweep"]
    return ["bus"]


def _nobody(recorded: Recorded) -> str:
    """Why no function gets a payload, and what would change that."""
    address = recorded.address
    return {
        "s3": f"S3 would not send this: no rule with a direct trigger is for the bucket {address!r}",
        "eventbridge": "EventBridge would not send this: no rule is for a bucket whose uploads it reports",
        "sns": f'no function is subscribed to the topic {address!r}; name it in [[buckets]], trigger = "topic"',
        "sqs": f'no function reads the queue {address!r}; name it in [[buckets]], trigger = "queue", or in UPLOAD_QUEUE',
        "dynamodb": f'no function reads the stream of the table {address!r}; write a rule, on = "item"',
    }.get(recorded.source, 'EventBridge would not send this: there is no rule with on = "bus"')


def _documents(name: str, text: str) -> Iterator[Any]:
    """The JSON documents of a file, one after the other."""
    decoder, position, text = json.JSONDecoder(), 0, text.lstrip("\ufeff")
    while position := _skip_blanks(text, position) + 1:
        try:
            document, position = decoder.raw_decode(text, position - 1)
        except json.JSONDecodeError as error:
            raise PayloadError(f"{name}:{error.lineno}: not JSON: {error.msg}") from None
        except RecursionError:
            raise PayloadError(f"{name}: not a payload: too deeply nested") from None
        yield document


def _skip_blanks(text: str, position: int) -> int:
    """The position of the next character that is not blank; -1 at the end."""
    rest = text[position:]
    return position + len(rest) - len(rest.lstrip()) if rest.strip() else -1


def _flatten(name: str, documents: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """Unpack lists, log events, Lambda's records of failed invocations, and records that were parked alone."""
    for document in documents:
        match document:
            case _ if depth > _MAX_DEPTH:
                yield document
            case list():
                yield from _flatten(name, document, depth + 1)
            case {"events": [{"message": str()}, *_] as events}:
                for event in events:
                    yield from _flatten(name, _documents(f"{name}, log event", str(event.get("message", ""))), depth + 1)
            case {"requestContext": {"requestId": _}, "requestPayload": inner}:
                yield from _flatten(name, [inner], depth + 1)
            case {"eventSource": _} | {"EventSource": _}:
                yield {"Records": [document]}
            case _:
                yield document


def _recognize(name: str, payload: Any) -> Recorded:
    try:
        source, address = _source(payload)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise PayloadError(f"{name}: looks like a payload of the bot, but lacks {error}") from None
    if not source:
        fields = ", ".join(map(repr, payload)) if isinstance(payload, dict) else type(payload).__name__
        raise PayloadError(f"{name}: unknown payload ({fields:.200}); known are those of {KNOWN}")
    return Recorded(name, payload, source, str(address))


def _source(payload: Any) -> tuple[str, str]:
    """The source and its address; ("", "") for an unknown shape."""
    match payload:
        case {"Event": "s3:TestEvent"}:
            return "s3", payload["Bucket"]
        case {"Records": [{"eventSource": "aws:s3"} as record, *_]}:
            return "s3", record["s3"]["bucket"]["name"]
        case {"Records": [{"EventSource": "aws:sns"} as record, *_]}:
            return "sns", record["Sns"]["TopicArn"]
        case {"Records": [{"eventSource": "aws:sqs"} as record, *_]}:
            return "sqs", record["eventSourceARN"]
        case {"Records": [{"eventSource": "aws:dynamodb"} as record, *_]}:
            return "dynamodb", record["eventSourceARN"].split("/")[1]
        case {"source": str(source), "detail-type": str(type_)}:
            return _source_on_bus(payload, source, type_)
    return "", ""


def _source_on_bus(payload: Mapping[str, Any], source: str, type_: str) -> tuple[str, str]:
    match source, type_:
        case "aws.events", "Scheduled Event":
            return "schedule", ", ".join(map(str, payload["resources"]))
        case "aws.s3", "Object Created":
            return "eventbridge", payload["detail"]["bucket"]["name"]
        case "aws.cloudwatch", "CloudWatch Alarm State Change":
            return "alarm", ""
    return "bus", ""
