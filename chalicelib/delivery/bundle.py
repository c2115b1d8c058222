"""Bundles events, in running order: an event finds its window, and is sent immediately or stored as a member of its bundle.

Every step is one conditional write and can be repeated: if a process dies, AWS's next attempt or the next sweep continues.
"""

from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle, Window
from ..domain.event import Event, Upload, late_identity
from ..domain.rule import Rule
from ..platform import log
from ..policy import bundle_window
from ..policy.bundle_window import BundlePolicy, Placement
from ..policy.controls import active_silence
from ..store.bundles import Bundles, WindowChange
from ..store.members import Member, hour_of
from ..store.rows.versions import UnreadableRow, log_unreadable
from .deliver import Deliverer

MAX_CACHED_WINDOWS = 1_000  # per container: each saves a call per event
MAX_ITEM_LENGTH = 300  # characters of an item's JSON, before and after together
_MAX_ATTEMPTS = 20  # to change a window while others change it
_FIRST_CHECK = timedelta(minutes=1)  # of whether a batch is complete


class WindowContention(RuntimeError):
    """Other containers changed the window in every attempt. AWS sends the event again."""


class Lane(Struct, frozen=True):
    """The events that share a window: those of one rule and group. A silenced rule has a lane of its own."""

    id: str
    series: str
    rule: str
    by: str
    silence: str


class Bundler:
    """Bundles the events of rules with `then` or `complete`."""

    def __init__(self, deliverer: Deliverer, bundles: Bundles) -> None:
        self._deliverer = deliverer
        self._bundles = bundles
        self._windows: dict[str, Window] = {}
        self._ensured_hours: dict[str, frozenset[str]] = {}  # by bundle id: the hours that its stored row lists

    def place(self, event: Event, rule: Rule) -> Event | None:
        """Return the event if it is sent immediately, with its conversation; else add it to its bundle and return None.

        A redelivered event changes nothing, and the result is the same.

        Raises:
            WindowContention: the window could not be changed.
        """
        silence = active_silence(self._deliverer.control.now().silences, rule.name, self._deliverer.clock())
        by = rule.by.value_of(event.upload) if event.upload else ""
        series = bundle_window.series_of(rule.name, by)
        if event.upload and self._found_by_backfill(event, event.upload, series):
            return None
        lane = Lane(bundle_window.lane_of(series, silence is not None), series, rule.name, by, str(silence or ""))
        place = self._place_in_batch if rule.complete else self._place_in_window
        try:
            for _ in range(_MAX_ATTEMPTS):
                if member := place(lane, event, rule):
                    stored = member.event
                    if member.sent_immediately:
                        return replace(event, thread=stored.thread, urgent=stored.urgent)
                    log.info("joined", event=event.identity, rule=rule.name, bundle=member.bundle)
                    return None
        except UnreadableRow as error:  # a later version wrote the window: until it is back, each event is sent alone
            log_unreadable(error)
            return event
        raise WindowContention(f"the window of rule {rule.name} was changed {_MAX_ATTEMPTS} times")

    def _place_in_window(self, lane: Lane, event: Event, rule: Rule) -> Member | None:
        """Store the event as a member of the rule's window; None if another container changed the window meanwhile.

        A container remembers the window, so a burst costs one call per event.
        """
        now, then = self._deliverer.clock(), rule.then or timedelta(0)
        known = self._windows.get(lane.id)
        placement = bundle_window.place(known, event, now, BundlePolicy(then, rule.first, self._deliverer.settle_delay))
        member, bundle = self._member(lane, placement, _compact(event, rule)), _bundle_of(lane, placement.window, event)
        if placement.window == known:
            return self._add_to_known(lane, known, bundle, member)
        opens = None if placement.immediate else bundle
        if opens and (stored := self._bundles.member(lane.series, event.identity, hour_of(event))):
            return stored  # a read is cheaper than the transaction that would find it
        forgotten_at = bundle_window.forgotten_at(placement.window, then)
        change = WindowChange(lane.id, known, placement.window, forgotten_at, now, opens)
        admission = self._bundles.admit(change, lane.series, member)
        self._remember(lane.id, admission.window)
        if opens and admission.member is member:
            self._ensured_hours[bundle.id] = bundle.hours
        return admission.member

    def _add_to_known(self, lane: Lane, window: Window, bundle: Bundle, member: Member) -> Member | None:
        """Store a member of a remembered window, one call; None if the window has ended meanwhile."""
        if not member.sent_immediately:
            self._ensure_bundle(bundle)
            if self._deliverer.clock() >= window.until:
                return None
        return self._bundles.add_member(lane.series, member)

    def _member(self, lane: Lane, placement: Placement, event: Event) -> Member:
        if placement.immediate:  # a message sent alone needs the thread; the summary has it from its bundle
            thread = bundle_window.thread_of(lane.series, placement.window)
            event = replace(event, thread=thread, urgent=event.urgent or placement.urgent)
        id_ = bundle_window.bundle_id(lane.id, placement.window.start)
        return Member(event.identity, id_, event, sent_immediately=placement.immediate, received_at=self._deliverer.clock())

    def _remember(self, lane: str, window: Window | None) -> None:
        if len(self._windows) >= MAX_CACHED_WINDOWS:
            self._windows.clear()
        if window:
            self._windows[lane] = window
        else:
            self._windows.pop(lane, None)

    def _place_in_batch(self, lane: Lane, event: Event, rule: Rule) -> Member | None:
        """Store the event as a member of the rule's current batch; None if another container changed it meanwhile.

        A batch ends when it is complete, so it is not remembered.
        """
        if stored := self._bundles.member(lane.series, event.identity, hour_of(event)):  # must not begin another batch
            return stored
        now, complete = self._deliverer.clock(), rule.complete
        window = current = self._bundles.window(lane.id)
        if window is None or now >= window.until:
            until = now + (complete.within if complete else _FIRST_CHECK)
            window = Window(burst_start=now, start=now, until=until, due=now + _FIRST_CHECK, severity=event.severity)
        immediate = bundle_window.breaks_through(window, event)
        placement = Placement(bundle_window.raise_severity(window, event) if immediate else window, immediate, urgent=immediate)
        if placement.window != current and not self._bundles.replace_window(lane.id, current, placement.window):
            return None
        batch = _bundle_of(lane, placement.window, event)
        if not immediate:
            self._ensure_bundle(batch)
            if self._deliverer.clock() >= window.until:
                return None
        stored = self._bundles.add_member(lane.series, self._member(lane, placement, event))
        if complete and event.upload and complete.is_marker(event.upload):
            self._make_due(batch)
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

    def _found_by_backfill(self, event: Event, upload: Upload, series: str) -> bool:
        """Whether a backfill found this upload before its event arrived. Reads the table only for events before a backfill."""
        until = self._deliverer.control.now().backfilled_until.get(upload.bucket)
        if until is None or event.at > until:
            return False
        late = replace(event, identity=late_identity(upload))
        return late.identity != event.identity and self._bundles.member(series, late.identity, hour_of(late)) is not None


def _compact(event: Event, rule: Rule) -> Event:
    """The event as its row stores it: an item with what its line in the summary needs, so that the row costs one write unit."""
    if event.item is None or rule.item is None:
        return event
    from ..rules.item_conditions import line_of_item, title_fields  # uploads do not need it

    return replace(event, item=line_of_item(event.item, title_fields(rule.item.title), MAX_ITEM_LENGTH))


def _bundle_of(lane: Lane, window: Window, event: Event) -> Bundle:
    """The bundle of a lane's window, as it is known when an event arrives."""
    return Bundle(
        id=bundle_window.bundle_id(lane.id, window.start),
        series=lane.series,
        created_at=window.start,
        due_at=window.due,
        window=window,
        rule=lane.rule,
        by=lane.by,
        silence=lane.silence,
        hours=frozenset({hour_of(event)}),
    )
