"""Incidents: what a monitor's results amount to, and which change of it is told: each once, however often it looks.

    result      ok  bad  bad  bad       bad ...         ok   ok                 with failures = 3, recoveries = 2
    level       ok ............ error ................. ok
    told                        opened     reminder      resolved after 43 minutes

`told` is what people were told last. Whatever keeps a change from being told (a silence, flapping) leaves it as it is, so that it
is told afterwards if it is still so, and never when it is over by then.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..events import Event, Kind, Severity, identity_of
from ..events.incident import Change, Level, News

FLAPS = 4  # changes within FLAPPING, or within eight looks where those take longer, are flapping
FLAPPING = timedelta(hours=1)
LOOKS = 8


class Result(Struct, frozen=True, omit_defaults=True):
    """What one look of a monitor gave."""

    level: Level
    says: str  # what is so; reads on after the monitor's name: "answered 503, not 200"
    value: str = ""  # what was measured, short: "503", "87 %"
    since: datetime | None = None  # since when it is so, where that is known better than by when it was looked at
    look_at: datetime | None = None  # when to look next; None: after the monitor's `every`
    memory: Mapping[str, Any] = field(default_factory=dict)  # what the next look is to know; JSON


class Knobs(Struct, frozen=True):
    """How patient a monitor is."""

    every: timedelta = timedelta(minutes=5)
    failures: int = 1  # results in a row that make it worse
    recoveries: int = 1  # and better
    remind: timedelta | None = None
    urgent: bool = True  # an error waits for nothing


class Incident(Struct, frozen=True, omit_defaults=True):
    """A monitor's open alarm."""

    id: str
    opened_at: datetime
    title: str
    first: Level  # as which it was opened
    worst: Level
    told_at: datetime | None = None  # when people last heard of it
    acked_by: str = ""
    acked_at: datetime | None = None


class Standing(Struct, frozen=True, omit_defaults=True):
    """How a monitor stands: a row of the ledger's table, changed only by `step`, `acknowledge` and `delivered`."""

    name: str
    shown: str = ""  # what people call it, where that is another name
    rule: str = ""  # which rule is told of it, where no monitor is: an alarm of the bus
    level: Level = Level.OK
    since: datetime | None = None  # since when it has this level
    told: Level = Level.OK  # what people were told last
    streak: int = 0  # results in a row that say otherwise
    streak_level: Level = Level.OK  # what all of them say at least (or at most, where it gets better)
    streak_since: datetime | None = None
    incident: Incident | None = None
    changes: tuple[datetime, ...] = ()  # of the level, of late
    flapping: bool = False
    flapping_told: bool = False
    result: Result | None = None  # the last one
    checked_at: datetime | None = None
    look_at: datetime | None = None
    notices: int = 0  # told so far: each has a number
    untold: Event | None = None  # is to be delivered; told again it says nothing twice
    version: int = 0

    @property
    def memory(self) -> Mapping[str, Any]:
        """What the last look left for the next."""
        return self.result.memory if self.result else {}


def step(standing: Standing, result: Result, knobs: Knobs, now: datetime, what: str = "", *, silenced: bool = False) -> Standing:
    """How a monitor stands after a result. What is to be told of it is in `untold`.

    `what` says what the monitor looks at. While it is silenced nothing is told; afterwards what is still so.
    """
    after = replace(
        _levelled(standing, result, knobs, now),
        result=result,
        checked_at=now,
        look_at=result.look_at or now + knobs.every,
        version=standing.version + 1,
    )
    after = _flapped(after, knobs, now)
    change = None if silenced or after.untold else _to_tell(after, knobs, now)  # one after the other
    if change and after.incident:
        after = _told(after, change, knobs, now, what)
    over = after.level is Level.OK and after.told is Level.OK and not (after.flapping or after.flapping_told)
    return replace(after, incident=None) if over else after


def acknowledge(standing: Standing, by: str, now: datetime) -> Standing:
    """Somebody knows: no reminder comes any more, until it gets worse."""
    if standing.incident is None:
        return standing
    incident = replace(standing.incident, acked_by=by, acked_at=now)
    return replace(standing, incident=incident, version=standing.version + 1)


def delivered(standing: Standing) -> Standing:
    """What was to be told is in the ledger."""
    return replace(standing, untold=None, version=standing.version + 1)


def _levelled(standing: Standing, result: Result, knobs: Knobs, now: datetime) -> Standing:
    """The level after a result: changed where enough of them in a row say so."""
    level = standing.level
    if result.level is level or (result.level is Level.UNKNOWN and level is not Level.OK):  # not to know is no evidence
        return replace(standing, streak=0, since=standing.since or now) if result.level is level else standing
    worse = result.level.rank > level.rank
    goes_on = standing.streak > 0 and (standing.streak_level.rank > level.rank) is worse
    both = (standing.streak_level, result.level) if goes_on else (result.level,)
    streak = standing.streak + 1 if goes_on else 1
    agreed = (min if worse else max)(both, key=lambda each: each.rank)
    since = standing.streak_since if goes_on else (result.since or now)
    if streak < (knobs.failures if worse else knobs.recoveries):
        return replace(standing, streak=streak, streak_level=agreed, streak_since=since, since=standing.since or now)
    return _changed(replace(standing, streak=0, streak_since=None), agreed, since or now, result, now)


def _changed(standing: Standing, level: Level, since: datetime, result: Result, now: datetime) -> Standing:
    incident = standing.incident
    if incident is None:
        id_ = identity_of("incident", standing.name, since.isoformat(), str(standing.version))[:6]
        incident = Incident(id_, since, result.says, level, level)
    elif level.rank > standing.level.rank:
        incident = replace(incident, acked_by="", acked_at=None, worst=max(incident.worst, level, key=lambda each: each.rank))
    return replace(standing, level=level, since=since, changes=(*standing.changes, now), incident=incident)


def _flapped(standing: Standing, knobs: Knobs, now: datetime) -> Standing:
    span = max(FLAPPING, LOOKS * knobs.every)
    changes = tuple(at for at in standing.changes if now - at < span)
    if standing.flapping and (not changes or now - changes[-1] >= span / 2):
        return replace(standing, changes=(), flapping=False)
    return replace(standing, changes=changes, flapping=standing.flapping or len(changes) >= FLAPS)


def _to_tell(standing: Standing, knobs: Knobs, now: datetime) -> Change | None:
    if standing.incident is None:
        return None
    if standing.flapping:
        return None if standing.flapping_told else Change.FLAPPING
    if standing.flapping_told:
        return Change.SETTLED
    level, told = standing.level, standing.told
    if level is not told:
        if told is Level.OK:
            return Change.OPENED
        if level is Level.OK:
            return Change.RESOLVED
        return Change.WORSENED if level.rank > told.rank else Change.EASED
    incident = standing.incident
    due = knobs.remind and level is not Level.OK and not incident.acked_at
    return Change.REMINDER if due and knobs.remind and now - (incident.told_at or now) >= knobs.remind else None


def _told(standing: Standing, change: Change, knobs: Knobs, now: datetime, what: str) -> Standing:
    incident, result = standing.incident, standing.result
    if incident is None or result is None:
        return standing
    number = standing.notices + 1
    ended = standing.level is Level.OK and change is not Change.FLAPPING
    news = News(
        monitor=standing.shown or standing.name,
        id=incident.id,
        change=change,
        level=standing.level,
        says=result.says,
        title=incident.title,
        opened_at=incident.opened_at,
        before=standing.told,
        value=result.value,
        what=what,
        until=standing.since if ended else None,
        remind_s=int(knobs.remind.total_seconds()) if knobs.remind and not ended and change is not Change.FLAPPING else 0,
        changes=len(standing.changes),
        worst=incident.worst,
        first=incident.first,
    )
    event = Event(
        Kind.INCIDENT,
        identity_of("incident", standing.name, incident.id, str(number)),
        now,
        severity=severity_of(standing.level),
        urgent=knobs.urgent and incident.worst is Level.ERROR,
        thread=identity_of("thread", standing.name, incident.id),
        news=news,
    )
    return replace(
        standing,
        told=standing.level,
        flapping_told=change is Change.FLAPPING,
        notices=number,
        incident=replace(incident, told_at=now),
        untold=event,
    )


def severity_of(level: Level) -> Severity:
    """How much a level matters."""
    if level is Level.ERROR:
        return Severity.CRITICAL
    return Severity.INFO if level is Level.OK else Severity.WARNING
