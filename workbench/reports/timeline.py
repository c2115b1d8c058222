"""Simulates when a burst of uploads would be sent, and to whom: the bot's own decisions, applied without a ledger.

The sweep sends what is due up to some minutes later. Budgets and other people's uploads are not simulated.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from chalicelib.domain.bundle import Window
from chalicelib.domain.event import Event, Kind
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.policy import bundle_window
from chalicelib.policy.bundle_window import BundlePolicy
from chalicelib.policy.send_gate import deferral_for
from chalicelib.rendering.filters import in_zone
from chalicelib.rules.recipients import notices_for_rule

SETTLE_DELAY = timedelta(minutes=1)  # the bot's own, from the end of a window to its summary
IMMEDIATELY, END_OF_WINDOW, REST_OF_WINDOW = "immediately", "end of the window", "rest of the window"


class PlannedMessage(msgspec.Struct, frozen=True, order=True):
    """One message of the timeline."""

    at: datetime
    person: str
    channel: str
    files: int
    why: str  # "immediately", "quiet hours", "daily 08:00", …


class _Notification(msgspec.Struct, frozen=True):
    """What a rule would send before quiet hours and digests defer it."""

    at: datetime
    event: Event
    files: int
    why: str


def timeline(settings: Settings, rule: Rule, events: Sequence[Event]) -> list[PlannedMessage]:
    """Return the messages that a rule would send for uploads in order of time; all of them belong to one bundle."""
    planned: list[PlannedMessage] = []
    deferred: dict[tuple[datetime, str, str], PlannedMessage] = {}
    for notification in _notifications(rule, events):
        for notice in notices_for_rule(notification.event, rule):
            person, at, why = notice.recipient.person, notification.at, notification.why
            while deferral := deferral_for(replace(notice, deferred=why != notification.why), settings.zone(person), at):
                at, why = deferral.until + SETTLE_DELAY, deferral.why
            message = PlannedMessage(at, person.name, notice.recipient.channel.value, notification.files, why)
            if why == notification.why:
                planned.append(message)
            else:  # everything deferred for one recipient until the same time is one message
                key = (at, message.person, message.channel)
                so_far = deferred.get(key)
                deferred[key] = replace(so_far, files=so_far.files + message.files) if so_far else message
    return sorted([*planned, *deferred.values()])


def timeline_lines(settings: Settings, messages: Sequence[PlannedMessage]) -> list[str]:
    """Format one line per person and message: "23 Nov 2026, 10:00 CET: asha by email and sms, immediately"."""
    groups: dict[tuple[str, int, str, datetime | None], list[PlannedMessage]] = defaultdict(list)
    for message in messages:
        at = None if message.why == IMMEDIATELY else message.at
        groups[message.person, message.files, message.why, at].append(message)
    return [_line(settings, group) for group in groups.values()]


def _line(settings: Settings, messages: Sequence[PlannedMessage]) -> str:
    first, last = messages[0], messages[-1]
    zone = settings.zone(settings.people[first.person])
    channels = list(dict.fromkeys(message.channel for message in messages))
    per_channel = len(messages) // len(channels)
    parts = [f"{in_zone(first.at, zone)}: {first.person} by {' and '.join(channels)}"]
    if per_channel > 1:
        parts.append(f"{per_channel:,} messages" + (f" for {first.files:,} files each" if first.files > 1 else ""))
    elif first.files > 1:
        parts.append(f"one message for {first.files:,} files")
    parts.append(first.why)
    if per_channel > 1:
        parts.append(f"the last at {in_zone(last.at, zone).rpartition(', ')[2]}")
    return ", ".join(parts)


def _notifications(rule: Rule, events: Sequence[Event]) -> Iterator[_Notification]:
    if rule.complete:
        yield _when_complete(rule, events)
    elif rule.then is None:
        yield from (_Notification(event.at, event, 1, IMMEDIATELY) for event in events)
    else:
        yield from _by_window(rule, rule.then, events)


def _by_window(rule: Rule, then: timedelta, events: Sequence[Event]) -> Iterator[_Notification]:
    window: Window | None = None
    policy = BundlePolicy(then, rule.first, SETTLE_DELAY)
    files_due: dict[datetime, int] = {}
    for event in events:
        placement = bundle_window.place(window, event, event.at, policy)
        window = placement.window
        if placement.immediate:
            yield _Notification(event.at, event, 1, IMMEDIATELY)
        else:
            files_due[window.due] = files_due.get(window.due, 0) + 1
    bundle = replace(events[0], kind=Kind.BUNDLE, urgent=False)
    for due, files in files_due.items():
        yield _Notification(due, bundle, files, REST_OF_WINDOW if files > 1 else END_OF_WINDOW)


def _when_complete(rule: Rule, events: Sequence[Event]) -> _Notification:
    completion, first, last = rule.complete, events[0], events[-1]
    if completion is None:
        raise ValueError(rule.name)
    bundle, files = replace(first, kind=Kind.BUNDLE), len(events)
    marker = next((event for event in events if event.upload and completion.is_marker(event.upload)), None)
    if marker:
        return _Notification(marker.at + SETTLE_DELAY, bundle, max(files - 1, 1), f"{completion.marker} arrived")
    if completion.files and files >= completion.files:
        at = events[completion.files - 1].at + SETTLE_DELAY
        return _Notification(at, bundle, files, f"all {completion.files} files arrived")
    if completion.quiet:
        return _Notification(last.at + completion.quiet + SETTLE_DELAY, bundle, files, "no more files arrived")
    missing = f"no {completion.marker}" if completion.marker else f"{files} of {completion.files} files"
    return _Notification(first.at + completion.within + SETTLE_DELAY, bundle, files, f"incomplete: {missing} by then")
