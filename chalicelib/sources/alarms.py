"""CloudWatch alarms on the event bus: how one is described, and the result it reports, as if a monitor had checked it.

Format: Amazon CloudWatch user guide, "Alarm events and EventBridge". CloudWatch delivers each change of state at least once and
in any order: `since` is the state's own time, so that an outdated change can be recognized.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..domain.event import Event
from ..domain.payloads import Level
from .service_phrases import Description, EventFields, truncate, url_quote, with_reason

if TYPE_CHECKING:
    from ..domain.monitor import CheckResult

_LEVELS = {"ALARM": Level.ERROR, "INSUFFICIENT_DATA": Level.UNKNOWN, "OK": Level.OK}
_DATAPOINTS = re.compile(r" \[[^]]*\]")


def describe_alarm(event: EventFields) -> Description | None:
    """An alarm's change of state; None if the event is not as its page documents it."""
    name, state = event.text("alarmName"), event.text("state", "value")
    if not (name and state):
        return None
    facts = {
        "Previous state": event.text("previousState", "value"),
        "Measured": _last_datapoint(event.detail),
        "Description": event.text("configuration", "description"),
    }
    page = f"cloudwatch/home?region={event.region}#alarmsV2:alarm/{url_quote(name)}"
    says = with_reason(f"is in {state}", _reason(event.detail))
    return Description(name, says, facts, page, is_problem=state == "ALARM")


def alarm_result(event: Event) -> "tuple[str, CheckResult] | None":
    """The alarm's ARN (its name, if the event has no ARN) and its result; None if the event is not an alarm's change of state."""
    bus = event.bus
    if bus is None or not bus.is_alarm:
        return None
    state = bus.detail.get("state")
    level = _LEVELS.get(str(state.get("value", ""))) if isinstance(state, Mapping) else None
    if level is None or not isinstance(state, Mapping):
        return None
    from ..domain.monitor import CheckResult  # other events do not need it

    name = next((arn for arn in bus.resources if ":alarm:" in arn), bus.subject)
    message = _reason(bus.detail) or f"is in {state['value']}"
    return name, CheckResult(level, message, _last_datapoint(bus.detail), since=_time(state.get("timestamp")) or event.at)


def _reason(detail: Mapping[str, Any]) -> str:
    """AWS's reason for the state without its datapoints and the rule at its end, which people mistake for values."""
    state = detail.get("state")
    reason = state.get("reason") if isinstance(state, Mapping) else ""
    reason = reason if isinstance(reason, str) else ""
    return truncate(_DATAPOINTS.sub("", reason.partition(" (minimum ")[0]).rstrip("."))


def _last_datapoint(detail: Mapping[str, Any]) -> str:
    """The newest value that decided the state, short; "" for alarms that do not report it."""
    state = detail.get("state")
    raw = state.get("reasonData") if isinstance(state, Mapping) else None
    try:
        data = json.loads(raw) if isinstance(raw, str) else {}
    except ValueError:
        return ""
    points = data.get("recentDatapoints") if isinstance(data, Mapping) else None
    values = [point for point in points if isinstance(point, int | float)] if isinstance(points, list) else []
    return f"{values[-1]:.4g}" if values else ""


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
