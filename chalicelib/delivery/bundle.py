"""Bundling, in running order: an upload finds its window, and is told at once or kept as a member of that window's bundle.

Every step is one conditional write and may be done again: what dies in between is taken up by AWS's next try or the next sweep.
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

MOST_KNOWN = 1_000  # windows that a container remembers: each saves half a read unit an upload
_TRIES = 20  # to find a window, while others move it on
_FIRST_LOOK = timedelta(minutes=1)  # at a delivery of many files

Send = Callable[[Notice], list[Delivery]]


class Contended(RuntimeError):
    """Others moved the window on, time and again; AWS sends the event again."""


class Bundler:
    """Bundles the uploads of the rules that ask for it."""

    def __init__(self, deliverer: Deliverer, bundles: Bundles) -> None:
        self._deliverer = deliverer
        self._bundles = bundles
        self._windows: dict[str, Window] = {}
        self._ensured: dict[str, frozenset[str]] = {}  # bundles that are in the table, and the hours they have members of

    def take(self, event: Event, rule: Rule, tell: Send) -> list[Delivery]:
        """Tell of an upload at once, or keep it for its bundle. An upload that came before changes nothing.

        Raises:
            Contended: no window could be found.
        """
        upload = event.upload
        if upload is None:
            return []
        silence = active_silence(self._deliverer.control.now().silences, rule.name, self._deliverer.clock())
        series = bundle_window.series_of(rule.name, rule.by.of(upload))
        lane = bundle_window.lane_of(series, silence is not None)
        if self._came_late(event, upload, series):
            return []
        for _ in range(_TRIES):
            found = self._remembered(lane, event)
            if found is None:
                if there := self._bundles.member(series, event.identity, hour_of(event)):  # it opens no window again
                    return self._tell_if_at_once(there, rule, tell)
                found = self._moved_on(lane, event, rule)
            if found and (kept := self._kept(series, lane, *found, event, rule, str(silence or ""))):
                return self._tell_if_at_once(kept, rule, tell)
        raise Contended(f"the window of rule {rule.name} was moved on {_TRIES} times")

    def _remembered(self, lane: str, event: Event) -> tuple[Window, bool] | None:
        """The window this container knows, and whether the event is told at once; None where the table must be asked."""
        window = self._windows.get(lane)
        if window is None or self._deliverer.clock() >= window.until:
            return None
        leads = bundle_window.is_lead(window, event)
        return (window, leads) if leads or not bundle_window.breaks_through(window, event) else None

    def _moved_on(self, lane: str, event: Event, rule: Rule) -> tuple[Window, bool] | None:
        """The lane's window as it is or becomes now, and whether the event is told at once; None where another was quicker."""
        now, current = self._deliverer.clock(), self._bundles.window(lane)
        if rule.then:
            busy = (
                current is not None and now >= current.until and self._bundles.get(bundle_window.bundle_id(lane, current.start))
            )
            window = bundle_window.window_for(current, bool(busy), event, now, rule.then, self._deliverer.settle)
        elif current is not None and now < current.until:
            window = current
        else:
            within = rule.complete.within if rule.complete else _FIRST_LOOK
            window = Window(spell=now, start=now, until=now + within, due=now + _FIRST_LOOK, severity=event.severity)
        leads = bundle_window.is_lead(window, event)
        if rises := not leads and bundle_window.breaks_through(window, event):
            window = replace(window, severity=event.severity)
        if window != current and not self._bundles.move_on(lane, current, window):
            return None
        if rule.then:  # a window of known length; others end when they are whole
            if len(self._windows) >= MOST_KNOWN:
                self._windows.clear()
            self._windows[lane] = window
        return window, leads or rises

    def _kept(
        self, series: str, lane: str, window: Window, max_concurrency: bool, event: Event, rule: Rule, silence: str
    ) -> Member | None:
        """The event as a member; None where the window has ended meanwhile."""
        clock, by = self._deliverer.clock, rule.by.of(event.upload) if event.upload else ""
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
        if not max_concurrency:
            self._ensure(bundle)
            if clock() >= window.until:
                self._windows.pop(lane, None)
                return None
        leads = bundle_window.is_lead(window, event)
        if max_concurrency:  # what is not told by itself is told by its bundle, which knows its thread
            event = replace(event, thread=bundle_window.thread_of(series, window), urgent=event.urgent or not leads)
        kept = self._bundles.add(series, Member(event.identity, bundle.id, event, told=max_concurrency, came_at=clock()))
        if rule.complete and event.upload and rule.complete.is_marker(event.upload):
            self._look_now(bundle)
        return kept

    def _ensure(self, bundle: Bundle) -> None:
        if bundle.id in self._ensured and bundle.hours <= self._ensured[bundle.id]:
            return
        if len(self._ensured) >= MOST_KNOWN:
            self._ensured.clear()
        self._ensured[bundle.id] = self._bundles.ensure(bundle).hours

    def _look_now(self, bundle: Bundle) -> None:
        """The file that comes last has come: the next sweep looks."""
        there = self._bundles.get(bundle.id)
        if there and there.due_at and not there.sealed:
            self._bundles.change(there, replace(there, due_at=self._deliverer.clock()))

    def _tell_if_at_once(self, member: Member, rule: Rule, tell: Send) -> list[Delivery]:
        if not member.told:
            return []
        return [each for notice in notices_for_rule(member.event, rule) for each in tell(notice)]

    def _came_late(self, event: Event, upload: Upload, series: str) -> bool:
        """Did a backfill find it before its event came? Asked only for events of before the backfill."""
        until = self._deliverer.control.now().backfilled_until.get(upload.bucket)
        if until is None or event.at > until:
            return False
        late = replace(event, identity=late_identity(upload))
        return late.identity != event.identity and self._bundles.member(series, late.identity, hour_of(late)) is not None
