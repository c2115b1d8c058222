"""Bundles: the first upload of a quiet spell is told at once, what follows within the window as one, and so on while it lasts.

    10:00:00     10:00:01 … 10:08:59    10:10:00              10:20:00                 a window passes without any: quiet
    told now     into window 1          window 1 as one       window 2 as one          the next one is told now

By the clock of who takes an event, not by the event's own: what an outage held up for an hour comes as one, not as six. A
window stops taking a moment (`settle`) before it is told: what is being written by then is there when it is read.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from ..domain.bundle import Bundle, Window
from ..domain.event import Event, Kind, Severity, identity_of
from ..domain.payloads import Completion, Digest, Part, Share
from .summary import Tally


def series_of(rule: str, by: str) -> str:
    """The series that an upload of a rule belongs to."""
    return identity_of("series", rule, by)


def lane_of(series: str, silenced: bool) -> str:
    """Whose windows take it: while the rule is silenced a series has others, and what they take is not told."""
    return identity_of("silenced", series) if silenced else series


def bundle_id(lane: str, start: datetime) -> str:
    """The id of the bundle of one window."""
    return identity_of("bundle", lane, start.isoformat())


def window_for(current: Window | None, busy: bool, event: Event, now: datetime, then: timedelta, settle: timedelta) -> Window:
    """The window that an event belongs to which comes now. `busy` is whether the current one has anything to tell.

    The event that opens a spell is the window's lead: it is told at once and not once more.
    """
    if current is not None and now < current.until:
        return current
    if current is not None and (now < current.due or (busy and now < current.until + then)):
        return replace(current, start=current.until, until=current.until + then, due=current.due + then)
    return Window(spell=now, start=now, until=now + then - settle, due=now + then, lead=event, severity=event.severity)


def is_lead(window: Window, event: Event) -> bool:
    """Whether it is this event that the window's spell began with."""
    return window.lead is not None and window.lead.identity == event.identity


def breaks_through(window: Window, event: Event) -> bool:
    """Whether an event is told at once though a bundle would take it: it matters more than what was told so far."""
    return event.urgent or event.severity.rank > window.severity.rank


def thread_of(series: str, window: Window) -> str:
    """The conversation that the mails of a window belong to: its spell's, and a new one each day, as a spell may last."""
    return identity_of("thread", series, window.spell.isoformat(), window.start.date().isoformat())


def event_of_bundle(bundle: Bundle, tally: Tally, whole: Completion | None, now: datetime) -> Event:
    """The event that a rule's bundle is told as; one upload alone reads like any other, but has the bundle's identity."""
    window = bundle.window
    thread = thread_of(bundle.series, window) if window else ""
    lead = window.lead.upload if window and window.lead else None
    if tally.files == 1 and tally.last and tally.last.upload and not whole:
        return replace(tally.last, identity=bundle.id, thread=thread)
    summary = tally.summary()
    severity = tally.severity
    if whole and not whole.complete and severity is Severity.INFO:
        severity = Severity.WARNING
    return Event(
        Kind.BUNDLE,
        bundle.id,
        summary.last_at or now,
        severity=severity,
        thread=thread,
        summary=summary,
        lead=lead,
        whole=whole,
        detail=bundle.by,
    )


def event_of_digest(bundle: Bundle, parts: tuple[Part, ...], failed: tuple[Share, ...], now: datetime) -> Event:
    """The event that a reader's bundle is told as."""
    times = [at for part in parts for at in (part.summary.first_at, part.summary.last_at) if at]
    since = min(times, default=bundle.created_at)
    digest = Digest(since, max(times, default=now), bundle.why, parts, failed)
    return Event(Kind.DIGEST, bundle.id, now, digest=digest)
