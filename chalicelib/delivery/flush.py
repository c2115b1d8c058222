"""Flushing: the sweep tells of bundles that are due. Done twice it says nothing twice: a message has the bundle's identity."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle, CompletionRule
from ..domain.delivery import Delivery
from ..domain.event import Kind, Upload
from ..domain.message import Notice
from ..domain.payloads import Share
from ..domain.people import Channel, Recipient
from ..domain.rule import Rule
from ..platform import log
from ..policy import bundle_window
from ..policy.completeness import MAX_MANIFEST_BYTES, Progress, completion, manifest_names, next_check_at
from ..policy.quiet_hours import next_time
from ..policy.summary import Tallies, Tally
from ..rules.recipients import direct_notice, message_notice, notices_for_rule, rule_notice, template_of_message
from ..store.bundles import Bundles, Member, position_of
from .defer import recipient_bundle
from .deliver import Deliverer, TimeLeft

RESERVE = timedelta(seconds=25)  # to tell what was counted, or to note how far it was
LOOK_UP = 1_000  # members between two looks at the time left


class FlushInputs(Struct, frozen=True):
    """What a flush asks of others than the ledger: what failed (of a person and a time, by the hour), and an object's content."""

    failures: Callable[[str, datetime, datetime], Mapping[datetime, int]]
    content: Callable[[Upload], bytes]


NO_INPUTS = FlushInputs(lambda *_: {}, lambda _: b"")


class Flusher:
    """Tells of bundles when they are due, and looks whether deliveries of many files are whole."""

    def __init__(self, deliverer: Deliverer, bundles: Bundles, outside: FlushInputs = NO_INPUTS) -> None:
        self._deliverer = deliverer
        self._bundles = bundles
        self._outside = outside
        self._expected: set[str] = set()  # bundles of digests that are in the table

    def expect_digests(self) -> None:
        """Make the next digest of everybody who wants one though there is nothing to tell."""
        now, settings = self._deliverer.clock(), self._deliverer.settings
        for person in settings.people.values():
            if person.all_quiet and person.digest:
                until = next_time(person.digest, settings.zone(person), now)
                bundle = recipient_bundle(person.name, Channel.EMAIL, until, str(person.digest), now, self._deliverer.settle)
                if bundle.id not in self._expected:
                    self._bundles.ensure(bundle)
                    self._expected.add(bundle.id)

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
            ended = completion(rule.complete, seen, bundle.created_at, self._deliverer.clock())
            if not bundle.sealed:
                return self._sealed(bundle, rule.complete, seen, ended.why if ended else "")
        tally = self._counted(bundle, rule, time_left)
        if tally is None:
            return []
        if not tally.files and not ended:
            return self._done(bundle, 0)
        event = bundle_window.event_of_bundle(bundle, tally, ended, self._deliverer.clock())
        told = [each for notice in notices_for_rule(event, rule) for each in self._tell(notice, bundle, time_left)]
        return told + self._done(bundle, tally.files)

    def _counted(self, bundle: Bundle, rule: Rule, time_left: TimeLeft) -> Tally | None:
        """What a bundle tells of; None where there are so many that the next sweep has to go on counting."""
        tally = Tally()
        if bundle.so_far:
            tally.merge(bundle.so_far)
        for number, member in enumerate(self._bundles.members(bundle, bundle.counted_to), start=1):
            if not member.told and not self._is_marker(rule, member):
                tally.add(member.event)
            if number % LOOK_UP == 0 and time_left() < RESERVE:
                self._bundles.change(bundle, replace(bundle, so_far=tally.summary(), counted_to=position_of(member)))
                return None
        return tally

    def _seen(self, bundle: Bundle, wanted: CompletionRule) -> Progress:
        files, newest = 0, bundle.created_at
        marker: Upload | None = None
        for member in self._bundles.members(bundle):
            upload = member.event.upload
            if upload and wanted.is_marker(upload):
                marker = upload
            else:
                files += 1
            newest = max(newest, member.came_at or newest)
        listed = manifest_names(self._outside.content(marker)) if marker and 0 < (marker.size or 0) <= MAX_MANIFEST_BYTES else ()
        there = {member.event.upload.key for member in self._bundles.members(bundle) if member.event.upload} if listed else ()
        return Progress(bundle.by, files, newest, marker.key if marker else "", listed, there)

    def _sealed(self, bundle: Bundle, wanted: CompletionRule, seen: Progress, why: str) -> list[Delivery]:
        """Let a whole delivery take nothing more, and tell of it when what is being written is there; or look again later."""
        now = self._deliverer.clock()
        if not why:
            self._bundles.change(bundle, replace(bundle, due_at=next_check_at(wanted, seen, bundle.created_at, now)))
            return []
        lane = bundle_window.lane_of(bundle.series, bool(bundle.silence))
        window = self._bundles.window(lane)
        current = window is not None and bundle_window.bundle_id(lane, window.start) == bundle.id and now < window.until
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
        tallies = Tallies()
        for member in self._bundles.members(bundle):
            tallies.add(member.rule, member.event)
        if not tallies.events and not (person.all_quiet and bundle.why == str(person.digest)):
            return self._done(bundle, 0)
        notice = self._notice(bundle, tallies, Recipient(Channel(bundle.channel), person))
        return self._tell(notice, bundle, time_left) + self._done(bundle, tallies.events)

    def _notice(self, bundle: Bundle, tallies: Tallies, recipient: Recipient) -> Notice:
        """A digest; one event alone reads like any other message."""
        rule_name, event = tallies.only or ("", None)
        rule = self._deliverer.settings.rule(rule_name)
        if event and (rule or event.kind is Kind.MESSAGE):
            alone = replace(event, identity=bundle.id, urgent=event.urgent or bool(bundle.sealed))
            notice = (
                rule_notice(alone, rule, recipient) if rule else message_notice(alone, template_of_message(rule_name), recipient)
            )
            return replace(notice, waited=True)
        now = self._deliverer.clock()
        failures = self._outside.failures(recipient.person.name, bundle.created_at, now)
        failed = tuple(Share(f"{hour:%Y-%m-%dT%H}", count) for hour, count in sorted(failures.items()))
        digest = bundle_window.event_of_digest(bundle, tallies.parts(), failed, now)
        return direct_notice(replace(digest, urgent=bool(bundle.sealed)), recipient)  # somebody asked for it: it waits no more

    def _tell(self, notice: Notice, bundle: Bundle, time_left: TimeLeft) -> list[Delivery]:
        if bundle.silence:
            return self._deliverer.drop_silenced(notice, bundle.silence)
        return self._deliverer.deliver(notice, time_left)

    def _done(self, bundle: Bundle, files: int) -> list[Delivery]:
        log.info("bundle", bundle=bundle.id, rule=bundle.rule or None, person=bundle.person or None, files=files)
        self._bundles.change(bundle, replace(bundle, due_at=None, files=files, told_at=self._deliverer.clock()))
        return []
