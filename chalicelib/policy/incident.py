"""Incidents: what a monitor's results amount to, and which change of it is told: each once, however often it looks.

    result      ok  bad  bad  bad       bad ...         ok   ok                 with failures = 3, recoveries = 2
    level       ok ............ error ................. ok
    told                        opened     reminder      resolved after 43 minutes

`told` is what people were told last. Whatever keeps a change from being told (a silence, flapping) leaves it as it is, so that it
is told afterwards if it is still so, and never when it is over by then.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from ..domain.event import Event, Kind, identity_of, severity_of
from ..domain.monitor import AlertPolicy, CheckResult, Incident, MonitorState
from ..domain.payloads import IncidentChange, IncidentUpdate, Level

FLAPS = 4  # changes within FLAPPING, or within eight looks where those take longer, are flapping
FLAPPING = timedelta(hours=1)
CHECKS = 8


def step(
    standing: MonitorState,
    result: CheckResult,
    alert_policy: AlertPolicy,
    now: datetime,
    what: str = "",
    *,
    silenced: bool = False,
) -> MonitorState:
    """How a monitor stands after a result. What is to be told of it is in `untold`.

    `what` says what the monitor looks at. While it is silenced nothing is told; afterwards what is still so.
    """
    after = replace(
        _levelled(standing, result, alert_policy, now),
        result=result,
        checked_at=now,
        look_at=result.look_at or now + alert_policy.every,
        version=standing.version + 1,
    )
    after = _flapped(after, alert_policy, now)
    change = None if silenced or after.untold else _change_to_send(after, alert_policy, now)  # one after the other
    if change and after.incident:
        after = _announced(after, change, alert_policy, now, what)
    over = after.level is Level.OK and after.told is Level.OK and not (after.flapping or after.flapping_told)
    return replace(after, incident=None) if over else after


def acknowledge(standing: MonitorState, by: str, now: datetime) -> MonitorState:
    """Somebody knows: no reminder comes any more, until it gets worse."""
    if standing.incident is None:
        return standing
    incident = replace(standing.incident, acked_by=by, acked_at=now)
    return replace(standing, incident=incident, version=standing.version + 1)


def delivered(standing: MonitorState) -> MonitorState:
    """What was to be told is in the ledger."""
    return replace(standing, untold=None, version=standing.version + 1)


def _levelled(standing: MonitorState, result: CheckResult, alert_policy: AlertPolicy, now: datetime) -> MonitorState:
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
    if streak < (alert_policy.failures if worse else alert_policy.recoveries):
        return replace(standing, streak=streak, streak_level=agreed, streak_since=since, since=standing.since or now)
    return _changed(replace(standing, streak=0, streak_since=None), agreed, since or now, result, now)


def _changed(standing: MonitorState, level: Level, since: datetime, result: CheckResult, now: datetime) -> MonitorState:
    incident = standing.incident
    if incident is None:
        id_ = identity_of("incident", standing.name, since.isoformat(), str(standing.version))[:6]
        incident = Incident(id_, since, result.says, level, level)
    elif level.rank > standing.level.rank:
        incident = replace(incident, acked_by="", acked_at=None, worst=max(incident.worst, level, key=lambda each: each.rank))
    return replace(standing, level=level, since=since, changes=(*standing.changes, now), incident=incident)


def _flapped(standing: MonitorState, alert_policy: AlertPolicy, now: datetime) -> MonitorState:
    span = max(FLAPPING, CHECKS * alert_policy.every)
    changes = tuple(at for at in standing.changes if now - at < span)
    if standing.flapping and (not changes or now - changes[-1] >= span / 2):
        return replace(standing, changes=(), flapping=False)
    return replace(standing, changes=changes, flapping=standing.flapping or len(changes) >= FLAPS)


def _change_to_send(standing: MonitorState, alert_policy: AlertPolicy, now: datetime) -> IncidentChange | None:
    if standing.incident is None:
        return None
    if standing.flapping:
        return None if standing.flapping_told else IncidentChange.FLAPPING
    if standing.flapping_told:
        return IncidentChange.SETTLED
    level, told = standing.level, standing.told
    if level is not told:
        if told is Level.OK:
            return IncidentChange.OPENED
        if level is Level.OK:
            return IncidentChange.RESOLVED
        return IncidentChange.WORSENED if level.rank > told.rank else IncidentChange.EASED
    incident = standing.incident
    due = alert_policy.remind and level is not Level.OK and not incident.acked_at
    return (
        IncidentChange.REMINDER
        if due and alert_policy.remind and now - (incident.told_at or now) >= alert_policy.remind
        else None
    )


def _announced(
    standing: MonitorState, change: IncidentChange, alert_policy: AlertPolicy, now: datetime, what: str
) -> MonitorState:
    incident, result = standing.incident, standing.result
    if incident is None or result is None:
        return standing
    number = standing.notices + 1
    ended = standing.level is Level.OK and change is not IncidentChange.FLAPPING
    news = IncidentUpdate(
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
        remind_s=int(alert_policy.remind.total_seconds())
        if alert_policy.remind and not ended and change is not IncidentChange.FLAPPING
        else 0,
        changes=len(standing.changes),
        worst=incident.worst,
        first=incident.first,
    )
    event = Event(
        Kind.INCIDENT,
        identity_of("incident", standing.name, incident.id, str(number)),
        now,
        severity=severity_of(standing.level),
        urgent=alert_policy.urgent and incident.worst is Level.ERROR,
        thread=identity_of("thread", standing.name, incident.id),
        news=news,
    )
    return replace(
        standing,
        told=standing.level,
        flapping_told=change is IncidentChange.FLAPPING,
        notices=number,
        incident=replace(incident, told_at=now),
        untold=event,
    )
