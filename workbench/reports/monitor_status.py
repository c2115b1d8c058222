"""Describes the state of monitors: as rows of a table or of JSON, and as lines of text."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from msgspec import Struct, ValidationError, convert, field

from chalicelib.domain.monitor import Monitor, MonitorState
from chalicelib.domain.settings import Settings
from chalicelib.monitors.alarms import open_alarms
from chalicelib.platform.sanitize import sanitize
from chalicelib.rendering.filters import filesize
from chalicelib.store.incidents import Incidents

from ..account import Account
from .ledger_log import local_time

MAX_UPCOMING = 5  # due times shown
NOT_CHECKED = "not checked yet"
Lines = list[tuple[str, str]]  # label and text


def incident_store(account: Account) -> Incidents:
    """Return the monitor states of a stage."""
    return Incidents(account.client("dynamodb"), account.variables["DROPNOTE_LEDGER"])


def monitor_rows(settings: Settings, states: Mapping[str, MonitorState], now: datetime) -> Iterator[dict[str, Any]]:
    """Yield a row for every monitor and open alarm, problems first."""

    def order(monitor: Monitor) -> int:
        state = states.get(monitor.name)
        return -state.level.rank if state else 0

    for monitor in sorted([*settings.monitors, *open_alarms(settings, states)], key=order):
        yield monitor_row(monitor, states.get(monitor.name), now)


def monitor_row(monitor: Monitor, state: MonitorState | None, now: datetime) -> dict[str, Any]:
    """Return a monitor and its state as a row; times are in this machine's zone."""
    result, incident = (state.result, state.incident) if state else (None, None)
    return {
        "monitor": (state.display_name if state else "") or monitor.name,
        "table": monitor.table,
        "kind": monitor.kind,
        "what": monitor.check.description,
        "state": state.level.value if state and state.checked_at else NOT_CHECKED,
        "since": local_time(state.since) if state and state.since else "",
        "says": sanitize(result.message) if result else "",
        "value": sanitize(result.value) if result else "",
        "checked": local_time(state.checked_at) if state and state.checked_at else "",
        "looks_next": local_time(state.next_check_at) if state and state.next_check_at else "",
        "expected": [local_time(at) for at in islice(monitor.check.upcoming(now), MAX_UPCOMING)],
        "incident": incident.id if incident else "",
        "acked_by": incident.acked_by if incident else "",
        "flapping": bool(state and state.flapping),
    }


def state_lines(monitor: Monitor, state: MonitorState | None) -> Lines:
    """Describe the state of a monitor; nothing if it was never checked."""
    if state is None or state.result is None:
        return []
    incident, result = state.incident, state.result
    since = f" since {_to_minute(state.since)}" if state.since else ""
    checked = f" (checked {_to_minute(state.checked_at)})" if state.checked_at else ""
    lines = [
        ("state", f"{state.level}{', flapping' if state.flapping else ''}{since}"),
        ("result", sanitize(result.message) + checked),
        ("measured", sanitize(result.value)),
        ("changing", _streak(monitor, state)),
        ("memory", describe_memory(result.memory)),
    ]
    if incident:
        acknowledged = f", acknowledged by {incident.acked_by}" if incident.acked_by else ""
        lines.append(("incident", f"{incident.id} since {_to_minute(incident.opened_at)}{acknowledged}"))
    return [(label, text) for label, text in lines if text]


def _streak(monitor: Monitor, state: MonitorState) -> str:
    """Describe a change of state that needs more checks; "" if there is none."""
    if not state.streak:
        return ""
    worse = state.streak_level.rank > state.level.rank
    needed = monitor.alert_policy.failures if worse else monitor.alert_policy.recoveries
    return f"to {state.streak_level}, after {state.streak} of {needed} consecutive checks"


class _Memory(Struct, frozen=True):
    """The parts of CheckResult.memory, of any kind, that people understand."""

    arrived_due: datetime | None = field(default=None, name="arrived")  # the latest due time whose data arrived
    arrived_at: datetime | None = None
    missed: int = 0
    sizes: tuple[float, ...] = ()  # in bytes
    data_until: datetime | None = field(default=None, name="seen")


def describe_memory(memory: Mapping[str, Any]) -> str:
    """Describe what a monitor remembers of earlier checks; "" if that is nothing."""
    try:
        known = convert(memory, _Memory)
    except ValidationError:  # of a version with another format
        return ""
    arrival = ""
    if known.arrived_due and known.arrived_at:
        arrival = f"data due {_to_minute(known.arrived_due)} arrived {_to_minute(known.arrived_at)}"
    sizes = ", ".join(filesize(int(size)) for size in known.sizes)
    parts = (
        arrival,
        f"{known.missed} missed in a row" if known.missed else "",
        f"latest size{'s' if len(known.sizes) > 1 else ''}: {sizes}" if sizes else "",
        f"data until {_to_minute(known.data_until)}" if known.data_until else "",
    )
    return "; ".join(filter(None, parts))


def _to_minute(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"
