"""Bundle windows: the first events of a burst are sent immediately, those within the next window as one summary, and so on.

    10:00:00 … 10:00:04    10:00:05 … 10:08:59    10:10:00                10:20:00                  a window without events:
    5 sent now             into window 1          window 1, one summary   window 2, one summary     the next event is sent now

A rule sends at most `first` messages immediately in any `then`; an event beyond that opens a window. The clock is that of the
Lambda that receives an event, not the event's own time: uploads that an outage delayed by an hour come as one summary, not as
six. A window stops accepting events a moment (`settle_delay`) before its summary is sent, so that pending writes finish before it
is read.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle, Window
from ..domain.event import Event, Kind, Severity, identity_of
from ..domain.payloads import Completion, Digest, Part, Share
from .summary import SummaryBuilder


class BundlePolicy(Struct, frozen=True):
    """When a rule sends its messages: the first ones immediately, then one summary per interval."""

    then: timedelta
    first: int
    settle_delay: timedelta


class Placement(Struct, frozen=True):
    """What happens to an event: the window after it, and whether it is sent immediately instead of in the window's summary."""

    window: Window
    immediate: bool
    urgent: bool = False  # it is more severe than everything sent so far: nothing may delay it


def series_of(rule: str, by: str) -> str:
    """Return the series of bundles that an upload of a rule belongs to."""
    return identity_of("series", rule, by)


def lane_of(series: str, silenced: bool) -> str:
    """Return the lane whose windows accept an upload: a silenced rule has separate windows, which are not sent."""
    return identity_of("silenced", series) if silenced else series


def bundle_id(lane: str, start: datetime) -> str:
    """Return the id of a window's bundle."""
    return identity_of("bundle", lane, start.isoformat())


def place(current: Window | None, event: Event, now: datetime, policy: BundlePolicy) -> Placement:
    """Decide what happens to an event that arrives now. `current` is the window so far, None before the first event."""
    if current is not None and current.is_open and now < current.until + policy.then:
        if breaks_through(current, event):
            return Placement(raise_severity(current, event), immediate=True, urgent=True)
        if now < current.until:
            return Placement(current, immediate=False)
        # an open window has at least the event that opened it, so the burst goes on
        window = replace(current, start=current.until, until=current.until + policy.then, due=current.due + policy.then)
        return Placement(window, immediate=False)
    recent = tuple(at for at in current.recent if now - at < policy.then) if current else ()
    window = current if current and recent else Window(now, now, now, now, lead=event if event.upload else None)
    if len(recent) < policy.first:
        window = replace(raise_severity(window, event), start=now, until=now, due=now, recent=(*recent, now))
        return Placement(window, immediate=True)
    if breaks_through(window, event):
        return Placement(raise_severity(window, event), immediate=True, urgent=True)
    # due `then` after the first of the recent messages, but not before pending writes are finished
    since = recent[0] if recent else now
    until = max(since + policy.then - policy.settle_delay, now + policy.settle_delay)
    return Placement(replace(window, start=now, until=until, due=until + policy.settle_delay, recent=()), immediate=False)


def forgotten_at(window: Window, then: timedelta) -> datetime:
    """Return the time from which a window no longer matters: `place` then decides as if there were none."""
    return (window.until if window.is_open else max(window.recent, default=window.start)) + then


def breaks_through(window: Window, event: Event) -> bool:
    """Whether an event is sent immediately instead of in the summary: it is more severe than everything sent so far."""
    return event.urgent or event.severity.rank > window.severity.rank


def raise_severity(window: Window, event: Event) -> Window:
    """Return the window after an event that is sent immediately: a later one must be more severe to be sent immediately too."""
    return replace(window, severity=event.severity) if event.severity.rank > window.severity.rank else window


def thread_of(series: str, window: Window) -> str:
    """Return the conversation of a window's mails: one per burst and day, because a burst may last for days."""
    return identity_of("thread", series, window.burst_start.isoformat(), window.start.date().isoformat())


def event_of_bundle(bundle: Bundle, builder: SummaryBuilder, whole: Completion | None, now: datetime) -> Event:
    """Return the event that sends a rule's bundle. A single event reads like any other, but has the bundle's identity."""
    window = bundle.window
    thread = thread_of(bundle.series, window) if window else ""
    lead = window.lead.upload if window and window.lead else None
    if builder.events == 1 and builder.last and builder.last.kind is not Kind.BUNDLE and not whole:
        return replace(builder.last, identity=bundle.id, thread=thread)
    summary = builder.summary()
    severity = builder.severity
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
    """Return the event that sends a recipient's bundle."""
    times = [at for part in parts for at in (part.summary.first_at, part.summary.last_at) if at]
    since = min(times, default=bundle.created_at)
    digest = Digest(since, max(times, default=now), bundle.why, parts, failed)
    return Event(Kind.DIGEST, bundle.id, now, digest=digest)
