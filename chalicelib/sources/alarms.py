"""Alarms of CloudWatch as the bus tells them: what one says of itself is a result, as a monitor's look gives one.

Format: Amazon CloudWatch user guide, "Alarm events and EventBridge". CloudWatch delivers each change of a state at least once and
in any order: `since` is the state's own time, so that what is older than what is known can be told from what is news.
"""

from datetime import UTC, datetime

from ..domain.event import Event
from ..domain.monitor import CheckResult
from ..domain.payloads import Level
from .services import last_datapoint, reason_of_alarm

_LEVELS = {"ALARM": Level.ERROR, "INSUFFICIENT_DATA": Level.UNKNOWN, "OK": Level.OK}


def alarm_result(event: Event) -> tuple[str, CheckResult] | None:
    """The alarm's ARN (its name, where the event has no ARN) and what it says; None for what is no alarm's change of state."""
    bus = event.bus
    if bus is None or not bus.is_alarm:
        return None
    state = bus.detail.get("state")
    level = _LEVELS.get(str(state.get("value", ""))) if isinstance(state, dict) else None
    if level is None or not isinstance(state, dict):
        return None
    name = next((arn for arn in bus.resources if ":alarm:" in arn), bus.subject)
    says = reason_of_alarm(bus.detail) or f"is {state['value']}"
    return name, CheckResult(level, says, last_datapoint(bus.detail), since=_time(state.get("timestamp")) or event.at)


def _time(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
