"""Converts events that EventBridge delivers: those of AWS services and anybody's own.

Format: Amazon EventBridge user guide, "Events in Amazon EventBridge" (the fields that every event has); a redelivered event has
the same id. A source that starts with "aws." belongs to a service: nobody else can put such events.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from ..domain.event import Batch, Event, Kind, Severity, UnknownPayload, identity_of
from ..domain.payloads import BusEvent
from ..platform.regions import console_url
from .service_phrases import Description, EventFields, last_segment, truncate
from .services import describe_service_event

MAX_FACTS = 8
MAX_FACT_LENGTH = 200  # characters
MAX_FACT_NAME_LENGTH = 60
MAX_DETAIL_BYTES = 4096  # of the JSON of an event's detail that a delivery stores

_SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError)


def from_bus(payload: object) -> Batch:
    """Convert one event of EventBridge. Never raises: another shape is returned as unknown.

    Its detail is complete, so that patterns can be matched against it; `trim_detail` cuts it afterwards.
    """
    if not isinstance(payload, Mapping):
        return Batch(unknown=(UnknownPayload("bus", f"not an object but a {type(payload).__name__}", payload),))
    try:
        return Batch(events=(_event(payload),))
    except _SHAPE_ERRORS as error:
        why = f"missing {error}" if isinstance(error, KeyError) else str(error)
        return Batch(unknown=(UnknownPayload("bus", why, payload),))


def payload_of(event: Event) -> dict[str, Any]:
    """The event as EventBridge delivered it, as far as it is stored: patterns are matched against this."""
    bus = event.bus
    if bus is None:
        return {}
    return {
        "version": "0",
        "id": bus.id,
        "source": bus.source,
        "detail-type": bus.type,
        "account": bus.account,
        "time": event.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "region": event.region,
        "resources": list(bus.resources),
        "detail": bus.detail,
    }


def trim_detail(event: Event) -> Event:
    """The event as a delivery stores it: of a long detail only the first fields that fit."""
    if event.bus is None or _json_bytes(event.bus.detail) <= MAX_DETAIL_BYTES:
        return event
    detail: dict[str, Any] = {}
    room = MAX_DETAIL_BYTES - 2
    for name, value in event.bus.detail.items():
        needed = _json_bytes({name: value})
        if needed <= room:
            detail[name] = value
            room -= needed
    return replace(event, bus=replace(event.bus, detail=detail, cut=True))


def _event(payload: Mapping[str, Any]) -> Event:
    id_, source, type_ = (_text(payload[name]) for name in ("id", "source", "detail-type"))
    if not (id_ and source and type_):
        raise ValueError("id, source or detail-type is empty")
    detail, resources = payload["detail"], payload.get("resources", [])
    if not isinstance(detail, Mapping) or not all(isinstance(name, str) for name in detail):
        raise TypeError(f"detail is not an object but a {type(detail).__name__}")
    _text(json.dumps(detail, ensure_ascii=False))
    if not isinstance(resources, list):
        raise TypeError(f"resources is not a list but a {type(resources).__name__}")
    arns, region, account = [_text(arn) for arn in resources], _text(payload.get("region", "")), _text(payload.get("account", ""))
    fields = EventFields(type_, detail, arns, region, account)
    description = (describe_service_event(fields) if source.startswith("aws.") else None) or _describe_plainly(source, fields)
    bus = BusEvent(
        source,
        type_,
        description.subject,
        description.says,
        account=account,
        facts=_bounded(description.facts),
        link=console_url(description.page, region),
        id=id_,
        resources=tuple(arns),
        detail=detail,
    )
    severity = Severity.WARNING if description.is_problem else Severity.INFO
    return Event(Kind.BUS, identity_of("bus", id_), _time(payload["time"]), region, severity=severity, bus=bus)


def _describe_plainly(source: str, event: EventFields) -> Description:
    """An event without a describer: its resource, its type, and the plain fields of its detail."""
    subject = last_segment(event.resources[0]) if event.resources else ""
    return Description(truncate(subject or source), event.type, dict(_plain_fields(event.detail)))


def _plain_fields(detail: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The fields that are a single value or a list of them; those of nested objects by their path, one level deep."""
    for name, value in detail.items():
        if isinstance(value, Mapping):
            if not path:
                yield from _plain_fields(value, f"{name}.")
        elif isinstance(value, list):
            yield f"{path}{name}", ", ".join(text for element in value if (text := _plain_text(element)))
        else:
            yield f"{path}{name}", _plain_text(value)


def _plain_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""


def _bounded(facts: Mapping[str, str]) -> dict[str, str]:
    short = ((truncate(name, MAX_FACT_NAME_LENGTH), truncate(value, MAX_FACT_LENGTH)) for name, value in facts.items())
    return dict([(name, value) for name, value in short if value][:MAX_FACTS])


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is not text")
    value.encode()  # invalid UTF-8 cannot be stored, looked up or shown
    return value


def _time(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
