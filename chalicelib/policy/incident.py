"""Incidents: apply a check result to a monitor's state, and decide which change to send. Each change is sent once.

    result      ok  fail fail fail      fail ...        ok   ok                 with failures = 3, recoveries = 2
    level       ok ............ error ................. ok
    sent                        opened     reminder     resolved after 43 minutes

`reported_level` is the level people were last notified of. A silence or flapping suppresses a change without updating it: the
change is sent later if it still applies, and never if it is over by then.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from ..domain.event import Event, Kind, identity_of, severity_of
from ..domain.monitor import AlertPolicy, CheckResult, Incident, MonitorState
from ..domain.payloads import IncidentChange, IncidentUpdate, Level

FLAPPING_CHANGES = 4  # this many changes within FLAPPING_WINDOW, or within FLAPPING_CHECKS checks if that takes longer
FLAPPING_WINDOW = timedelta(hours=1)
FLAPPING_CHECKS = 8
MAX_HISTORY = 50  # levels; a flapping monitor's row stays small


def step(
    state: MonitorState,
    result: CheckResult,
    alert_policy: AlertPolicy,
    now: datetime,
    description: str = "",
    *,
    silenced: bool = False,
) -> MonitorState:
    """Return the state after a result, with the event to send, if any, in `pending`.

    `description` is the check's. While silenced, nothing is sent; afterwards, what still applies.
    """
    after = replace(
        _apply_result(state, result, alert_policy, now),
        result=result,
        checked_at=now,
        next_check_at=result.next_check_at or now + alert_policy.every,
        version=state.version + 1,
    )
    after = _record_level(_update_flapping(after, alert_policy, now), now)
    change = None if silenced or after.pending else _change_to_send(after, alert_policy, now)  # one at a time
    if change and after.incident:
        after = _add_event(after, change, alert_policy, now, description)
    resolved = after.level is Level.OK and after.reported_level is Level.OK
    return replace(after, incident=None) if resolved and not (after.flapping or after.flapping_reported) else after


def acknowledge(state: MonitorState, by: str, now: datetime) -> MonitorState:
    """Stop the incident's reminders until it gets worse."""
    if state.incident is None:
        return state
    incident = replace(state.incident, acked_by=by, acked_at=now)
    return replace(state, incident=incident, version=state.version + 1)


def mark_delivered(state: MonitorState) -> MonitorState:
    """Clear the pending event: its deliveries are in the ledger."""
    return replace(state, pending=None, version=state.version + 1)


def _apply_result(state: MonitorState, result: CheckResult, alert_policy: AlertPolicy, now: datetime) -> MonitorState:
    """Extend or restart the streak; change the level once enough consecutive results agree."""
    level = state.level
    if result.level is level or (result.level is Level.UNKNOWN and level is not Level.OK):  # unknown is no evidence
        return replace(state, streak=0, since=state.since or now) if result.level is level else state
    worse = result.level.rank > level.rank
    continues = state.streak > 0 and (state.streak_level.rank > level.rank) is worse
    streak = state.streak + 1 if continues else 1
    streak_levels = (state.streak_level, result.level) if continues else (result.level,)
    agreed_level = (min if worse else max)(streak_levels, key=_rank)
    streak_since = state.streak_since if continues else (result.since or now)
    if streak < (alert_policy.failures if worse else alert_policy.recoveries):
        return replace(state, streak=streak, streak_level=agreed_level, streak_since=streak_since, since=state.since or now)
    return _change_level(replace(state, streak=0, streak_since=None), agreed_level, streak_since or now, result, now)


def _change_level(state: MonitorState, level: Level, since: datetime, result: CheckResult, now: datetime) -> MonitorState:
    """Set the level; open an incident, or record that it got worse, which ends its acknowledgement."""
    incident = state.incident
    if incident is None:
        id_ = identity_of("incident", state.name, since.isoformat(), str(state.version))[:6]
        incident = Incident(id_, since, result.message, level, level)
    elif level.rank > state.level.rank:
        incident = replace(incident, acked_by="", acked_at=None, worst=max(incident.worst, level, key=_rank))
    return replace(state, level=level, since=since, changes=(*state.changes, now), incident=incident)


def _record_level(state: MonitorState, now: datetime) -> MonitorState:
    """Keep the latest levels, for people who look at the console."""
    if state.history and state.history[-1][1] is state.level:
        return state
    return replace(state, history=(*state.history, (state.since or now, state.level))[-MAX_HISTORY:])


def _update_flapping(state: MonitorState, alert_policy: AlertPolicy, now: datetime) -> MonitorState:
    """Start flapping after many changes in the window; end it after half the window without a change."""
    window = max(FLAPPING_WINDOW, FLAPPING_CHECKS * alert_policy.every)
    changes = tuple(at for at in state.changes if now - at < window)
    if state.flapping and (not changes or now - changes[-1] >= window / 2):
        return replace(state, changes=(), flapping=False)
    return replace(state, changes=changes, flapping=state.flapping or len(changes) >= FLAPPING_CHANGES)


def _change_to_send(state: MonitorState, alert_policy: AlertPolicy, now: datetime) -> IncidentChange | None:
    """Compare the level with the reported one; if they are equal, a reminder may be due."""
    incident, level, reported = state.incident, state.level, state.reported_level
    if incident is None:
        return None
    if state.flapping:
        return None if state.flapping_reported else IncidentChange.FLAPPING
    if state.flapping_reported:
        return IncidentChange.SETTLED
    if level is not reported:
        if reported is Level.OK:
            return IncidentChange.OPENED
        if level is Level.OK:
            return IncidentChange.RESOLVED
        return IncidentChange.WORSENED if level.rank > reported.rank else IncidentChange.EASED
    if alert_policy.remind is None or level is Level.OK or incident.acked_at:
        return None
    return IncidentChange.REMINDER if now - (incident.reported_at or now) >= alert_policy.remind else None


def _add_event(
    state: MonitorState, change: IncidentChange, alert_policy: AlertPolicy, now: datetime, description: str
) -> MonitorState:
    """Create the event of a change as `pending`, and record what it reports."""
    incident, result = state.incident, state.result
    if incident is None or result is None:
        return state
    number = state.notices + 1
    identity = identity_of("incident", state.name, incident.id, str(number))
    root = incident.root or ("" if incident.reported_at else identity)  # an incident of an earlier version has none
    flapping = change is IncidentChange.FLAPPING
    ended = state.level is Level.OK and not flapping
    news = IncidentUpdate(
        monitor=state.display_name or state.name,
        id=incident.id,
        change=change,
        level=state.level,
        says=result.message,
        title=incident.title,
        opened_at=incident.opened_at,
        before=state.reported_level,
        value=result.value,
        what=description,
        until=state.since if ended else None,
        remind_s=int(alert_policy.remind.total_seconds()) if alert_policy.remind and not (ended or flapping) else 0,
        changes=len(state.changes),
        worst=incident.worst,
        first=incident.first,
        root=root,
    )
    event = Event(
        Kind.INCIDENT,
        identity,
        now,
        severity=severity_of(state.level),
        urgent=alert_policy.urgent and incident.worst is Level.ERROR,
        thread=identity_of("thread", state.name, incident.id),
        news=news,
    )
    return replace(
        state,
        reported_level=state.level,
        flapping_reported=flapping,
        notices=number,
        incident=replace(incident, reported_at=now, root=root),
        pending=event,
    )


def _rank(level: Level) -> int:
    return level.rank
