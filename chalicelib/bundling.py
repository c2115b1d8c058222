"""Bundling, in running order: an upload finds its window, is kept as a member, and the sweep tells of them as one.

Every step is one conditional write and may be done again: what dies in between is taken up by AWS's next try or the next sweep.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from . import log
from .audience import Notice, by_rule, of_kind, of_rule
from .bundles import Bundles, Member, hour_of
from .collecting import reader_bundle
from .deliver import Deliverer, TimeLeft
from .delivery import Delivery
from .events import Event, Part, Share, Upload, late_identity
from .message import Channel
from .policy import bundle as policy
from .policy.bundle import Bundle, Window
from .policy.complete import Complete, Seen, look_again, whole
from .policy.hours import next_time
from .policy.silence import silenced
from .policy.tally import Tally
from .settings import Recipient, Rule

MOST_KNOWN = 1_000  # windows that a container remembers: each saves half a read unit an upload
_TRIES = 20  # to find a window, while others move it on
_FIRST_LOOK = timedelta(minutes=1)  # at a delivery of many files

Tell = Callable[[Notice], list[Delivery]]
Failures = Callable[[str, datetime, datetime], Mapping[datetime, int]]  # of a person and a time, by the hour


class Contended(RuntimeError):
    """Others moved the window on, time and again; AWS sends the event again."""


class Bundler:
    """Bundles the uploads of the rules that ask for it, and tells of bundles when they are due."""

    def __init__(self, deliverer: Deliverer, bundles: Bundles, failures: Failures = lambda *_: {}) -> None:
        self._deliverer = deliverer
        self._bundles = bundles
        self._failures = failures
        self._windows: dict[str, Window] = {}
        self._ensured: dict[str, frozenset[str]] = {}  # bundles that are in the table, and the hours they have members of

    def take(self, event: Event, rule: Rule, tell: Tell) -> list[Delivery]:
        """Tell of an upload at once, or keep it for its bundle. An upload that came before changes nothing.

        Raises:
            Contended: no window could be found.
        """
        upload = event.upload
        if upload is None:
            return []
        silence = silenced(self._deliverer.control.now().silences, rule.name, self._deliverer.clock())
        series = policy.series_of(rule.name, rule.by.of(upload))
        lane = policy.lane_of(series, silence is not None)
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

    def flush(self, bundle: Bundle, time_left: TimeLeft) -> list[Delivery]:
        """Tell of a bundle that is due, or look at it again later. Done twice, it says nothing twice."""
        if bundle.person:
            return self._flush_reader(bundle, time_left)
        rule = self._deliverer.settings.rule(bundle.rule)
        if rule is None:
            return self._done(bundle, 0)
        ended = None
        if rule.complete:
            seen = self._seen(bundle, rule.complete)
            ended = whole(rule.complete, seen, bundle.created_at, self._deliverer.clock())
            if not bundle.sealed:
                return self._sealed(bundle, rule.complete, seen, ended.why if ended else "")
        tally = Tally()
        for member in self._bundles.members(bundle):
            if not member.told and not self._is_marker(rule, member):
                tally.add(member.event)
        if not tally.files and not ended:
            return self._done(bundle, 0)
        event = policy.told_as(bundle, tally, ended, self._deliverer.clock())
        told = [each for notice in by_rule(event, rule) for each in self._tell(notice, bundle, time_left)]
        return told + self._done(bundle, tally.files)

    def expect_digests(self) -> None:
        """Make the next digest of everybody who wants one though there is nothing to tell."""
        now, settings = self._deliverer.clock(), self._deliverer.settings
        for person in settings.people.values():
            if person.all_quiet and person.digest:
                until = next_time(person.digest, settings.zone(person), now)
                bundle = reader_bundle(person.name, Channel.EMAIL, until, str(person.digest), now, self._deliverer.settle)
                self._ensure(bundle)

    # an upload finds its window

    def _remembered(self, lane: str, event: Event) -> tuple[Window, bool] | None:
        """The window this container knows, and whether the event is told at once; None where the table must be asked."""
        window = self._windows.get(lane)
        if window is None or self._deliverer.clock() >= window.until:
            return None
        leads = policy.leads(window, event)
        return (window, leads) if leads or not policy.breaks_through(window, event) else None

    def _moved_on(self, lane: str, event: Event, rule: Rule) -> tuple[Window, bool] | None:
        """The lane's window as it is or becomes now, and whether the event is told at once; None where another was quicker."""
        now, current = self._deliverer.clock(), self._bundles.window(lane)
        if rule.then:
            busy = current is not None and now >= current.until and self._bundles.get(policy.bundle_id(lane, current.start))
            window = policy.place(current, bool(busy), event, now, rule.then, self._deliverer.settle)
        elif current is not None and now < current.until:
            window = current
        else:
            within = rule.complete.within if rule.complete else _FIRST_LOOK
            window = Window(spell=now, start=now, until=now + within, due=now + _FIRST_LOOK, severity=event.severity)
        leads = policy.leads(window, event)
        if rises := not leads and policy.breaks_through(window, event):
            window = replace(window, severity=event.severity)
        if window != current and not self._bundles.move_on(lane, current, window):
            return None
        if rule.then:  # a window of known length; others end when they are whole
            if len(self._windows) >= MOST_KNOWN:
                self._windows.clear()
            self._windows[lane] = window
        return window, leads or rises

    def _kept(
        self, series: str, lane: str, window: Window, at_once: bool, event: Event, rule: Rule, silence: str
    ) -> Member | None:
        """The event as a member; None where the window has ended meanwhile."""
        clock, by = self._deliverer.clock, rule.by.of(event.upload) if event.upload else ""
        bundle = Bundle(
            id=policy.bundle_id(lane, window.start),
            series=series,
            created_at=window.start,
            due_at=window.due,
            window=window,
            rule=rule.name,
            by=by,
            silence=silence,
            hours=frozenset({hour_of(event)}),
        )
        if not at_once:
            self._ensure(bundle)
            if clock() >= window.until:
                self._windows.pop(lane, None)
                return None
        leads = policy.leads(window, event)
        event = replace(event, thread=policy.thread_of(series, window), urgent=event.urgent or (at_once and not leads))
        kept = self._bundles.add(series, Member(event.identity, bundle.id, event, told=at_once, came_at=clock()))
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

    def _tell_if_at_once(self, member: Member, rule: Rule, tell: Tell) -> list[Delivery]:
        if not member.told:
            return []
        return [each for notice in by_rule(member.event, rule) for each in tell(notice)]

    def _came_late(self, event: Event, upload: Upload, series: str) -> bool:
        """Did a backfill find it before its event came? Asked only for events of before the backfill."""
        until = self._deliverer.control.now().looked_until.get(upload.bucket)
        if until is None or event.at > until:
            return False
        late = replace(event, identity=late_identity(upload))
        return late.identity != event.identity and self._bundles.member(series, late.identity, hour_of(late)) is not None

    # the sweep tells of a bundle

    def _seen(self, bundle: Bundle, wanted: Complete) -> Seen:
        files, newest, marker = 0, bundle.created_at, ""
        for member in self._bundles.members(bundle):
            upload = member.event.upload
            if upload and wanted.is_marker(upload):
                marker = upload.key
            else:
                files += 1
            newest = max(newest, member.came_at or newest)
        return Seen(bundle.by, files, newest, marker)

    def _sealed(self, bundle: Bundle, wanted: Complete, seen: Seen, why: str) -> list[Delivery]:
        """Let a whole delivery take nothing more, and tell of it when what is being written is there; or look again later."""
        now = self._deliverer.clock()
        if not why:
            self._bundles.change(bundle, replace(bundle, due_at=look_again(wanted, seen, bundle.created_at, now)))
            return []
        lane = policy.lane_of(bundle.series, bool(bundle.silence))
        window = self._bundles.window(lane)
        current = window is not None and policy.bundle_id(lane, window.start) == bundle.id and now < window.until
        if window and current and not self._bundles.move_on(lane, window, replace(window, until=now)):
            return []  # somebody changed it: the next sweep looks again
        self._bundles.change(bundle, replace(bundle, sealed=why, due_at=now + self._deliverer.settle))
        return []

    def _is_marker(self, rule: Rule, member: Member) -> bool:
        return bool(rule.complete and member.event.upload and rule.complete.is_marker(member.event.upload))

    def _flush_reader(self, bundle: Bundle, time_left: TimeLeft) -> list[Delivery]:
        settings = self._deliverer.settings
        person = settings.people.get(bundle.person)
        if person is None or not Recipient(Channel(bundle.channel), person).address:
            return self._done(bundle, 0)
        recipient = Recipient(Channel(bundle.channel), person)
        tallies: dict[str, Tally] = {}
        only: Member | None = None
        for count, member in enumerate(self._bundles.members(bundle)):
            only = member if count == 0 else None
            tallies.setdefault(member.rule, Tally()).add(member.event)
        files = sum(tally.files for tally in tallies.values())
        if not tallies and not (person.all_quiet and bundle.why == str(person.digest)):
            return self._done(bundle, 0)
        rule = settings.rule(only.rule) if only else None
        if only and rule:  # one reads like any other message
            event = replace(only.event, identity=bundle.id)
            notice = replace(of_rule(event, rule, recipient), waited=True)
        else:
            parts = sorted((Part(name, tally.summary()) for name, tally in tallies.items()), key=lambda part: -part.summary.files)
            now = self._deliverer.clock()
            failures = self._failures(person.name, bundle.created_at, now)
            failed = tuple(Share(f"{hour:%Y-%m-%dT%H}", count) for hour, count in sorted(failures.items()))
            notice = of_kind(policy.digest_of(bundle, tuple(parts), failed, now), recipient)
        return self._tell(notice, bundle, time_left) + self._done(bundle, files)

    def _tell(self, notice: Notice, bundle: Bundle, time_left: TimeLeft) -> list[Delivery]:
        if bundle.silence:
            return self._deliverer.drop_silenced(notice, bundle.silence)
        return self._deliverer.deliver(notice, time_left)

    def _done(self, bundle: Bundle, files: int) -> list[Delivery]:
        log.info("bundle", bundle=bundle.id, rule=bundle.rule or None, person=bundle.person or None, files=files)
        self._bundles.change(bundle, replace(bundle, due_at=None, files=files, told_at=self._deliverer.clock()))
        return []
