"""When who would hear what of a burst of uploads, by a rule's knobs: the bot's own decisions, played through without a ledger.

Minutes may pass until the sweep tells what is due; budgets and what others upload are left out.
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
from chalicelib.policy.send_gate import deferral_for
from chalicelib.rendering.filters import in_zone
from chalicelib.rules.recipients import notices_for_rule

SETTLE = timedelta(minutes=1)
AT_ONCE, ALONE = "at once", "by itself"


class Said(msgspec.Struct, frozen=True, order=True):
    """One message of the timeline."""

    at: datetime
    person: str
    channel: str
    files: int
    why: str  # "at once", "summary", "daily 08:00", …


def timeline(settings: Settings, rule: Rule, events: Sequence[Event]) -> list[Said]:
    """What a rule would say of uploads that come at their own times, in order; they are all of one bundle."""
    said: list[Said] = []
    waiting: dict[tuple[datetime, str, str], Said] = {}
    for at, event, files, why in _of_rule(rule, events):
        for notice in notices_for_rule(event, rule):
            person, now, because = notice.recipient.person, at, why
            while wait := deferral_for(replace(notice, waited=because != why), settings.zone(person), now):
                now, because = wait.until + SETTLE, wait.why
            each = Said(now, person.name, notice.recipient.channel.value, files, because)
            if because == why:
                said.append(each)
            else:  # what waits for one reader until the same moment is one message
                there = waiting.setdefault((now, each.person, each.channel), replace(each, files=0))
                waiting[now, each.person, each.channel] = replace(there, files=there.files + files)
    return sorted([*said, *waiting.values()])


def in_words(settings: Settings, said: Sequence[Said]) -> list[str]:
    """A line for each reader and what comes together: "23 Nov 2026, 10:00 CET: asha by email and sms, at once"."""
    groups: dict[tuple[str, int, str, datetime | None], list[Said]] = defaultdict(list)
    for each in said:
        groups[each.person, each.files, each.why, None if each.why == AT_ONCE else each.at].append(each)
    return [_line(settings, some) for some in groups.values()]


def _line(settings: Settings, said: Sequence[Said]) -> str:
    first, last = said[0], said[-1]
    zone = settings.zone(settings.people[first.person])
    channels = list(dict.fromkeys(each.channel for each in said))
    many = len(said) // len(channels)
    what = f"one message of {first.files:,} files, {first.why}" if first.files > 1 else first.why
    if many > 1:
        what = f"{many:,} messages, each {what}, the last at {in_zone(last.at, zone).rpartition(', ')[2]}"
    return f"{in_zone(first.at, zone)}: {first.person} by {' and '.join(channels)}, {what}"


def _of_rule(rule: Rule, events: Sequence[Event]) -> Iterator[tuple[datetime, Event, int, str]]:
    """What a rule says by itself: when, of what, of how many files, and why then."""
    if rule.complete:
        yield _when_complete(rule, events)
    elif rule.then is None:
        yield from ((event.at, event, 1, AT_ONCE) for event in events)
    else:
        yield from _by_windows(rule.then, events)


def _by_windows(then: timedelta, events: Sequence[Event]) -> Iterator[tuple[datetime, Event, int, str]]:
    window: Window | None = None
    waiting: dict[datetime, int] = {}
    for event in events:
        busy = window is not None and bool(waiting.get(window.due))
        window = bundle_window.window_for(window, busy, event, event.at, then, SETTLE)
        if bundle_window.is_lead(window, event) or bundle_window.breaks_through(window, event):
            window = replace(window, severity=event.severity)
            yield event.at, event, 1, AT_ONCE
        else:
            waiting[window.due] = waiting.get(window.due, 0) + 1
    for due, files in waiting.items():
        yield (
            due,
            replace(events[0], kind=Kind.BUNDLE, urgent=False),
            files,
            "the rest of its window" if files > 1 else ALONE,
        )


def _when_complete(rule: Rule, events: Sequence[Event]) -> tuple[datetime, Event, int, str]:
    wanted, first, last = rule.complete, events[0], events[-1]
    event = replace(first, kind=Kind.BUNDLE)
    if wanted is None:
        raise ValueError(rule.name)
    marker = next((each for each in events if each.upload and wanted.is_marker(each.upload)), None)
    if marker:
        return marker.at + SETTLE, event, max(len(events) - 1, 1), f"{wanted.marker} came"
    if wanted.files and len(events) >= wanted.files:
        return events[wanted.files - 1].at + SETTLE, event, len(events), f"all {wanted.files} files came"
    if wanted.quiet:
        return last.at + wanted.quiet + SETTLE, event, len(events), "no more files came"
    missing = f"no {wanted.marker}" if wanted.marker else f"{len(events)} of {wanted.files} files"
    return first.at + wanted.within + SETTLE, event, len(events), f"{missing} until then"
