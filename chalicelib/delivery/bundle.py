"""Bundles uploads, in running order: an upload finds its window, and is sent immediately or stored as a member of its bundle.

Every step is one conditional write and can be repeated: if a process dies, AWS's next attempt or the next sweep continues.
"""

from collections.abc import Callable
from datetime import timedelta

from msgspec.structs import replace

from ..domain.bundle import Bundle, Window
from ..domain.delivery import Delivery
from ..domain.event import Event, Upload, late_identity
from ..domain.message import Notice
from ..domain.rule import Rule
from ..policy import bundle_window
from ..policy.controls import active_silence
from ..rules.recipients import notices_for_rule
from ..store.bundles import Bundles, Member, hour_of
from .deliver import Deliverer

MAX_CACHED_WINDOWS = 1_000  # per container: each saves half a read unit per upload
_MAX_ATTEMPTS = 20  # to find a window while others replace it
_FIRST_CHECK = timedelta(minutes=1)  # of whether a batch is complete

Send = Callable[[Notice], list[Delivery]]


class WindowContention(RuntimeError):
    """Other containers replaced the window in every attempt. AWS sends the event again."""


class Bundler:
    """Bundles the uploads of rules with `then` or `complete`."""

    def __init__(self, deliverer: Deliverer, bundles: Bundles) -> None:
        self._deliverer = deliverer
        self._bundles = bundles
        self._windows: dict[str, Window] = {}
        self._ensured_hours: dict[str, frozenset[str]] = {}  # by bundle id: the hours that its stored row lists

    def take(self, event: Event, rule: Rule, send: Send) -> list[Delivery]:
        """Send an upload immediately or add it to its bundle. A redelivered upload changes nothing.

        Raises:
            WindowContention: no window could be found.
        """
        upload = event.upload
        if upload is None:
            return []
        silence = active_silence(self._deliverer.control.now().silences, rule.name, self._deliverer.clock())
        series = bundle_window.series_of(rule.name, rule.by.value_of(upload))
        lane = bundle_window.lane_of(series, silence is not None)
        if self._found_by_backfill(event, upload, series):
            return []
        for _ in range(_MAX_ATTEMPTS):
            placement = self._cached_window(lane, event)
            if placement is None:
                if stored := self._bundles.member(series, event.identity, hour_of(event)):  # must not open another window
                    return self._send_if_immediate(stored, rule, send)
                placement = self._current_window(lane, event, rule)
            if placement and (member := self._add_member(series, lane, *placement, event, rule, str(silence or ""))):
                return self._send_if_immediate(member, rule, send)
        raise WindowContention(f"the window of rule {rule.name} was replaced {_MAX_ATTEMPTS} times")

    def _cached_window(self, lane: str, event: Event) -> tuple[Window, bool] | None:
        """Return the window in memory and whether to send the event immediately; None if the table must be read."""
        window = self._windows.get(lane)
        if window is None or self._deliverer.clock() >= window.until:
            return None
        leads = bundle_window.is_lead(window, event)
        return (window, leads) if leads or not bundle_window.breaks_through(window, event) else None

    def _current_window(self, lane: str, event: Event, rule: Rule) -> tuple[Window, bool] | None:
        """Read or replace the lane's window; return it and whether to send the event immediately. None if another was faster."""
        now, current = self._deliverer.clock(), self._bundles.window(lane)
        if rule.then:
            has_uploads = (
                current is not None and now >= current.until and self._bundles.get(bundle_window.bundle_id(lane, current.start))
            )
            window = bundle_window.window_for(current, bool(has_uploads), event, now, rule.then, self._deliverer.settle_delay)
        elif current is not None and now < current.until:
            window = current
        else:
            within = rule.complete.within if rule.complete else _FIRST_CHECK
            window = Window(burst_start=now, start=now, until=now + within, due=now + _FIRST_CHECK, severity=event.severity)
        leads = bundle_window.is_lead(window, event)
        if is_more_severe := not leads and bundle_window.breaks_through(window, event):
            window = replace(window, severity=event.severity)
        if window != current and not self._bundles.replace_window(lane, current, window):
            return None
        if rule.then:  # other windows end when their batch is complete, so they are not cached
            if len(self._windows) >= MAX_CACHED_WINDOWS:
                self._windows.clear()
            self._windows[lane] = window
        return window, leads or is_more_severe

    def _add_member(
        self, series: str, lane: str, window: Window, immediate: bool, event: Event, rule: Rule, silence: str
    ) -> Member | None:
        """Store the event as a member; return the stored one, or None if the window has ended meanwhile."""
        clock, by = self._deliverer.clock, rule.by.value_of(event.upload) if event.upload else ""
        bundle = Bundle(
            id=bundle_window.bundle_id(lane, window.start),
            series=series,
            created_at=window.start,
            due_at=window.due,
            window=window,
            rule=rule.name,
            by=by,
            silence=silence,
            hours=frozenset({hour_of(event)}),
        )
        if not immediate:
            self._ensure_bundle(bundle)
            if clock() >= window.until:
                self._windows.pop(lane, None)
                return None
        leads = bundle_window.is_lead(window, event)
        if immediate:  # a message sent alone needs the thread; the summary has it from its bundle
            event = replace(event, thread=bundle_window.thread_of(series, window), urgent=event.urgent or not leads)
        member = Member(event.identity, bundle.id, event, sent_immediately=immediate, received_at=clock())
        stored = self._bundles.add_member(series, member)
        if rule.complete and event.upload and rule.complete.is_marker(event.upload):
            self._make_due(bundle)
        return stored

    def _ensure_bundle(self, bundle: Bundle) -> None:
        if bundle.id in self._ensured_hours and bundle.hours <= self._ensured_hours[bundle.id]:
            return
        if len(self._ensured_hours) >= MAX_CACHED_WINDOWS:
            self._ensured_hours.clear()
        self._ensured_hours[bundle.id] = self._bundles.ensure(bundle).hours

    def _make_due(self, bundle: Bundle) -> None:
        """The marker file has arrived: let the next sweep check whether the batch is complete."""
        stored = self._bundles.get(bundle.id)
        if stored and stored.due_at and not stored.sealed:
            self._bundles.update(stored, replace(stored, due_at=self._deliverer.clock()))

    def _send_if_immediate(self, member: Member, rule: Rule, send: Send) -> list[Delivery]:
        if not member.sent_immediately:
            return []
        return [delivery for notice in notices_for_rule(member.event, rule) for delivery in send(notice)]

    def _found_by_backfill(self, event: Event, upload: Upload, series: str) -> bool:
        """Whether a backfill found this upload before its event arrived. Reads the table only for events before a backfill."""
        until = self._deliverer.control.now().backfilled_until.get(upload.bucket)
        if until is None or event.at > until:
            return False
        late = replace(event, identity=late_identity(upload))
        return late.identity != event.identity and self._bundles.member(series, late.identity, hour_of(late)) is not None
