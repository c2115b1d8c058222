"""Events of the bus: what Amazon EventBridge delivers, of AWS's services and of anybody's own.

Format: Amazon EventBridge user guide, "Events in Amazon EventBridge" (the fields that every event has); an event that is
delivered again has the same id. A source that begins with "aws." is a service's: nobody else can put such events.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from ..domain.event import Batch, Event, Kind, Severity, Unknown, identity_of
from ..domain.payloads import BusEvent
from .service_phrases import About, Description, cut
from .services import described

MOST_FACTS = 8
LONGEST_FACT = 200  # letters
MOST_DETAIL = 4096  # bytes of JSON that a delivery keeps of an event's detail

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_CONSOLES = (("cn-", "console.amazonaws.cn"), ("us-gov-", "console.amazonaws-us-gov.com"))
_SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError)


def from_bus(payload: object) -> Batch:
    """Convert one event of EventBridge; what is not one is unknown, and never raises.

    Its detail is whole, so that patterns can be matched against it; see `lighter`.
    """
    if not isinstance(payload, Mapping):
        return Batch(unknown=(Unknown("bus", f"it is a {type(payload).__name__}, not an object", payload),))
    try:
        return Batch(events=(_event(payload),))
    except _SHAPE_ERRORS as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        return Batch(unknown=(Unknown("bus", why, payload),))


def payload_of(event: Event) -> dict[str, Any]:
    """An event of the bus as EventBridge delivered it, as far as it is kept: what a pattern is matched against."""
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


def trimmed(event: Event) -> Event:
    """The event as a delivery keeps it: of a long detail the fields that come first, as far as there is room."""
    if event.bus is None or _length(event.bus.detail) <= MOST_DETAIL:
        return event
    kept: dict[str, Any] = {}
    room = MOST_DETAIL - 2
    for name, value in event.bus.detail.items():
        needed = _length({name: value})
        if needed <= room:
            kept[name] = value
            room -= needed
    return replace(event, bus=replace(event.bus, detail=kept, cut=True))


def _event(payload: Mapping[str, Any]) -> Event:
    id_, source, type_ = (_text(payload[name]) for name in ("id", "source", "detail-type"))
    if not (id_ and source and type_):
        raise ValueError("its id, source or detail-type is empty")
    detail, resources = payload["detail"], payload.get("resources", [])
    if not isinstance(detail, Mapping) or not all(isinstance(name, str) for name in detail):
        raise TypeError(f"its detail is a {type(detail).__name__}, not an object")
    _text(json.dumps(detail, ensure_ascii=False))
    if not isinstance(resources, list):
        raise TypeError(f"its resources are a {type(resources).__name__}, not a list")
    about = About(type_, detail, [_text(each) for each in resources], _text(payload.get("region", "")), _account(payload))
    told = (described(about) if source.startswith("aws.") else None) or _plain(source, about)
    bus = BusEvent(
        source,
        type_,
        told.subject,
        told.says,
        account=about.account,
        facts=_bounded(told.facts),
        link=_link(told.page, about.region),
        id=id_,
        resources=tuple(about.resources),
        detail=detail,
    )
    severity = Severity.WARNING if told.bad else Severity.INFO
    return Event(Kind.BUS, identity_of("bus", id_), _time(payload["time"]), about.region, severity=severity, bus=bus)


def _plain(source: str, event: About) -> Description:
    """An event that nobody here knows: what it is about, its kind, and the plain fields of its detail."""
    subject = event.resources[0].replace("/", ":").rpartition(":")[2] if event.resources else ""
    return Description(cut(subject or source), event.type, dict(_plain_fields(event.detail)))


def _plain_fields(detail: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Fields that have one value, or a list of such; those of objects one step deeper by their path."""
    for name, value in detail.items():
        if isinstance(value, Mapping):
            if not path:
                yield from _plain_fields(value, f"{name}.")
        elif isinstance(value, list):
            yield f"{path}{name}", ", ".join(shown for each in value if (shown := _shown(each)))
        else:
            yield f"{path}{name}", _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else ""


def _bounded(facts: Mapping[str, str]) -> dict[str, str]:
    found = ((cut(name, 60), cut(value, LONGEST_FACT)) for name, value in facts.items())
    return dict([(name, value) for name, value in found if value][:MOST_FACTS])


def _link(page: str, region: str) -> str:
    """A page of the AWS console. Health has none by region outside of AWS's own partition, and its page is the same there."""
    if not page or not _REGION.fullmatch(region):
        return ""
    host = next((host for prefix, host in _CONSOLES if region.startswith(prefix)), "console.aws.amazon.com")
    return f"https://{region}.{host}/{page}"


def _length(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _account(payload: Mapping[str, Any]) -> str:
    return _text(payload.get("account", ""))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is not text")
    value.encode()  # what is not UTF-8 cannot be kept, looked up or shown
    return value


def _time(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
