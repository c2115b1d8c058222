"""Sample incidents: a shop that is down, a feed that is late, and a hostile response."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.event import Event, Kind, identity_of, severity_of
from chalicelib.domain.payloads import IncidentChange, IncidentUpdate, Level

_AT = datetime(2026, 3, 2, 9, 20, tzinfo=UTC)
_DUE = datetime(2026, 3, 2, 0, 30, tzinfo=UTC)  # 06:00 IST
_LASTS = timedelta(minutes=43)
_DOWN = IncidentUpdate(
    monitor="shop",
    id="3fa2c1",
    change=IncidentChange.OPENED,
    level=Level.ERROR,
    says="returned 503, not 2xx",
    title="returned 503, not 2xx",
    opened_at=_AT - timedelta(minutes=10),
    value="503, 0.12 s",
    what="https://shop.example.com/health returns 2xx",
    remind_s=4 * 3600,
    worst=Level.ERROR,
)
_LATE = replace(
    _DOWN,
    monitor="nightly-etl",
    id="81b0d7",
    level=Level.WARNING,
    says="etl/2026-03-02/part-*.parquet has not arrived; it was due at 06:00 IST, 5 minutes ago",
    title="etl/2026-03-02/part-*.parquet has not arrived",
    opened_at=_DUE,
    value="",
    what="etl/{date:%Y-%m-%d}/part-*.parquet in acme-drops, weekdays by 06:00 Asia/Kolkata",
    remind_s=0,
    worst=Level.WARNING,
    first=Level.WARNING,
)
_HOSTILE = 'the body has no "ok"; it starts with "\u202e<img src=x onerror=alert(1)> evil.com {{ 7 * 7 }}\r\nBcc: eve@example.net'


def sample_incidents() -> dict[str, Event]:
    """Return one event per kind of change, by name."""
    resolved = replace(
        _DOWN,
        change=IncidentChange.RESOLVED,
        level=Level.OK,
        before=Level.ERROR,
        says="returned 200 in 0.12 s",
        until=_DOWN.opened_at + _LASTS,
    )
    arrived = replace(
        _LATE,
        change=IncidentChange.RESOLVED,
        level=Level.OK,
        before=Level.WARNING,
        says="etl/2026-03-02/ arrived 43 minutes late (24 files, 1.2 GB)",
        until=_DUE + _LASTS,
    )
    return {
        "incident": _event(_DOWN),
        "incident-warning": _event(_LATE),
        "incident-reminder": _event(replace(_DOWN, change=IncidentChange.REMINDER, before=Level.ERROR)),
        "incident-flapping": _event(replace(_DOWN, change=IncidentChange.FLAPPING, changes=4, remind_s=0)),
        "incident-settled": _event(replace(resolved, change=IncidentChange.SETTLED, remind_s=0)),
        "incident-resolved": _event(replace(resolved, remind_s=0)),
        "incident-arrived": _event(arrived),
        "incident-unknown": _event(replace(_LATE, level=Level.UNKNOWN, says="cannot be read: AWS returned AccessDenied")),
        "incident-hostile": _event(replace(_DOWN, monitor="<b>shop</b>\r\nBcc: eve@example.net", says=_HOSTILE, title=_HOSTILE)),
    }


def _event(news: IncidentUpdate) -> Event:
    identity = identity_of("sample", news.monitor, news.change)
    severity = severity_of(news.level)
    return Event(Kind.INCIDENT, identity, _AT, severity=severity, urgent=news.worst is Level.ERROR, thread=news.id, news=news)
