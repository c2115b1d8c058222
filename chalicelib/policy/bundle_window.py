"""Bundle windows: the first upload of a burst is sent immediately, those within the next window as one summary, and so on.

    10:00:00     10:00:01 … 10:08:59    10:10:00                10:20:00                  a window without uploads:
    sent now     into window 1          window 1, one summary   window 2, one summary     the next upload is sent now

The clock is that of the Lambda that receives an event, not the event's own time: uploads that an outage delayed by an hour
come as one summary, not as six. A window stops accepting uploads a moment (`settle_delay`) before its summary is sent, so that
writes in progress finish before the window is read.
"""

from datetime import datetime, timedelta

from msgspec.structs import replace

from ..domain.bundle import Bundle, Window
from ..domain.event import Event, Kind, Severity, identity_of
from ..domain.payloads import Completion, Digest, Part, Share
from .summary import SummaryBuilder


def series_of(rule: str, by: str) -> str:
    """Return the series of bundles that an upload of a rule belongs to."""
    return identity_of("series", rule, by)


def lane_of(series: str, silenced: bool) -> str:
    """Return the lane whose windows accept an upload: a silenced rule has separate windows, which are not sent."""
    return identity_of("silenced", series) if silenced else series


def bundle_id(lane: str, start: datetime) -> str:
    """Return the id of a window's bundle."""
    return identity_of("bundle", lane, start.isoformat())


def window_for(
    current: Window | None, has_uploads: bool, event: Event, now: datetime, then: timedelta, settle_delay: timedelta
) -> Window:
    """Return the window that an event arriving now belongs to. `has_uploads`: whether the current window has anything to send.

    The event that starts a burst is the window's lead: it is sent immediately and not again in the summary.
    """
    if current is not None and now < current.until:
        return current
    if current is not None and (now < current.due or (has_uploads and now < current.until + then)):
        return replace(current, start=current.until, until=current.until + then, due=current.due + then)
    return Window(
        burst_start=now, start=now, until=now + then - settle_delay, due=now + then, lead=event, severity=event.severity
    )


def is_lead(window: Window, event: Event) -> bool:
    """Whether this event started the window's burst."""
    return window.lead is not None and window.lead.identity == event.identity


def breaks_through(window: Window, event: Event) -> bool:
    """Whether an event is sent immediately instead of in the summary: it is more severe than everything sent so far."""
    return event.urgent or event.severity.rank > window.severity.rank


def thread_of(series: str, window: Window) -> str:
    """Return the conversation of a window's mails: one per burst and day, because a burst may last for days."""
    return identity_of("thread", series, window.burst_start.isoformat(), window.start.date().isoformat())


def event_of_bundle(bundle: Bundle, builder: SummaryBuilder, whole: Completion | None, now: datetime) -> Event:
    """Return the event that sends a rule's bundle. A single upload reads like any other, but has the bundle's identity."""
    window = bundle.window
    thread = thread_of(bundle.series, window) if window else ""
    lead = window.lead.upload if window and window.lead else None
    if builder.files == 1 and builder.last and builder.last.upload and not whole:
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
