"""How a monitor stands, in words: its level and its incident, what it said and measured last, and what it remembers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, ValidationError, convert

from chalicelib.domain.monitor import Monitor, MonitorState
from chalicelib.platform.sanitize import sanitize
from chalicelib.rendering.filters import filesize

Lines = list[tuple[str, str]]


def of_standing(monitor: Monitor, standing: MonitorState | None) -> Lines:
    """How a monitor stands: labels and what they say; nothing where nobody has looked at it yet."""
    if standing is None or standing.result is None:
        return []
    incident, result = standing.incident, standing.result
    since = f" since {_local(standing.since)}" if standing.since else ""
    looked = f" ({_local(standing.checked_at)})" if standing.checked_at else ""
    lines = [
        ("stands", f"{standing.level}{', flaps' if standing.flapping else ''}{since}"),
        ("said last", sanitize(result.says) + looked),
        ("measured", sanitize(result.value)),
        ("on its way", _on_its_way(monitor, standing)),
        ("remembers", remembered(result.memory)),
    ]
    if incident:
        known = f", known to {incident.acked_by}" if incident.acked_by else ""
        lines.append(("incident", f"{incident.id} since {_local(incident.opened_at)}{known}"))
    return [(name, says) for name, says in lines if says]


def _on_its_way(monitor: Monitor, standing: MonitorState) -> str:
    """How far a change has come; "" where there is none."""
    if not standing.streak:
        return ""
    worse = standing.streak_level.rank > standing.level.rank
    needed = monitor.alert_policy.failures if worse else monitor.alert_policy.recoveries
    return f"{standing.streak} of the {needed} looks in a row that make it {standing.streak_level}"


class _Memory(Struct, frozen=True):
    """Of what a kind's last judgement left, what says something to people."""

    arrived: datetime | None = None  # the due moment whose things came last
    arrived_at: datetime | None = None
    missed: int = 0
    sizes: tuple[float, ...] = ()  # in bytes
    seen: datetime | None = None  # data until then


def remembered(memory: Mapping[str, Any]) -> str:
    """What a monitor remembers, in words; "" where that is nothing."""
    try:
        known = convert(memory, _Memory)
    except ValidationError:  # of a version that remembered otherwise
        return ""
    sizes = ", ".join(filesize(int(size)) for size in known.sizes)
    told = (
        f"what was due {_local(known.arrived)} came {_local(known.arrived_at)}" if known.arrived and known.arrived_at else "",
        f"{known.missed} in a row did not come in time" if known.missed else "",
        f"the last size{'s' if len(known.sizes) > 1 else ''}: {sizes}" if sizes else "",
        f"data until {_local(known.seen)}" if known.seen else "",
    )
    return "; ".join(filter(None, told))


def _local(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"
