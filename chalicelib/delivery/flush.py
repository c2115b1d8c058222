"""Sends due bundles as one message each. Repeating a flush sends nothing twice: its message has the bundle's identity."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ..domain.bundle import Bundle, CompletionRule
from ..domain.delivery import Delivery, Reason
from ..domain.event import Kind, Upload
from ..domain.message import Notice
from ..domain.payloads import Share
from ..domain.people import Channel, Recipient
from ..domain.rule import Rule
from ..platform import log
from ..policy import bundle_window
from ..policy.completeness import MAX_MANIFEST_BYTES, Progress, check_completion, manifest_names, next_check_at
from ..policy.quiet_hours import next_time
from ..policy.summary import DigestBuilder, SummaryBuilder
from ..rendering.context import item_line
from ..rules.recipients import direct_notice, message_notice, notices_for_rule, rule_notice, template_of_message
from ..store.bundles import Bundles
from ..store.members import Member, position_of
from .defer import recipient_bundle
from .deliver import Deliverer, TimeLeft

RESERVE = timedelta(seconds=25)  # to send the message, or to record how far the counting got
TIME_CHECK_INTERVAL = 1_000  # members counted between two checks of the remaining time


class FlushInputs(Struct, frozen=True):
    """What a flush reads outside the ledger: a person's failures in a period, by hour, and the content of an object."""

    failures: Callable[[str, datetime, datetime], Mapping[datetime, int]]
    content: Callable[[Upload], bytes]


NO_INPUTS = FlushInputs(lambda *_: {}, lambda _: b"")


class Flusher:
    """Sends due bundles, and checks whether batches of files are complete."""

    def __init__(self, deliverer: Deliverer, bundles: Bundles, inputs: FlushInputs = NO_INPUTS) -> None:
        self._deliverer = deliverer
        self._bundles = bundles
        self._inputs = inputs
        self._ensured_digests: set[str] = set()  # ids of bundles

    def ensure_digests(self) -> None:
        """Create the next digest of everyone with `all_quiet`: it is sent even if nothing happened."""
        now, settings = self._deliverer.clock(), self._deliverer.settings
        for person in settings.people.values():
            if person.all_quiet and person.digest:
                until = next_time(person.digest, settings.zone(person), now)
                bundle = recipient_bundle(
                    person.name, person.digest_channel, until, str(person.digest), now, self._deliverer.settle_delay
                )
                if bundle.id not in self._ensured_digests:
                    self._bundles.ensure(bundle)
                    self._ensured_digests.add(bundle.id)

    def flush(self, bundle: Bundle, time_left: TimeLeft) -> list[Delivery]:
        """Send a due bundle, or make it due again later: a batch may be incomplete, or the time may run out while counting."""
        if bundle.person:
            return self._flush_recipient(bundle, time_left)
        rule = self._deliverer.settings.rule(bundle.rule)
        if rule is None:
            return self._mark_sent(bundle, 0)
        completion = None
        if rule.complete:
            progress = self._progress(bundle, rule.complete)
            completion = check_completion(rule.complete, progress, bundle.created_at, self._deliverer.clock())
            if not bundle.sealed:
                return self._seal_or_recheck(bundle, rule.complete, progress, completion.why if completion else "")
        builder = self._summarize(bundle, rule, time_left)
        if builder is None:
            return []
        if not builder.events and not completion:
            return self._mark_sent(bundle, 0)
        event = bundle_window.event_of_bundle(bundle, builder, completion, self._deliverer.clock())
        if event.kind is Kind.BUNDLE and not completion and not bundle.silence and self._is_first(bundle):
            event = replace(event, explains=True)
        deliveries = [delivery for notice in notices_for_rule(event, rule) for delivery in self._send(notice, bundle, time_left)]
        return deliveries + self._mark_sent(bundle, builder.events)

    def _is_first(self, bundle: Bundle) -> bool:
        """Whether a bundle is the first one of this installation, so its message says why it is a summary. May be repeated."""
        control = self._deliverer.control
        if not control.now().first_bundle:
            control.record_first_bundle(bundle.id)
        return control.now().first_bundle == bundle.id

    def _summarize(self, bundle: Bundle, rule: Rule, time_left: TimeLeft) -> SummaryBuilder | None:
        """Summarize a bundle's members; None if the time runs out, and then the next sweep continues."""
        builder = SummaryBuilder()
        if bundle.so_far:
            builder.merge(bundle.so_far)
        for number, member in enumerate(self._bundles.members(bundle, bundle.counted_to), start=1):
            if not member.sent_immediately and not self._is_marker(rule, member):
                builder.add(member.event, item_line(member.event, rule))
            if number % TIME_CHECK_INTERVAL == 0 and time_left() < RESERVE:
                self._bundles.update(bundle, replace(bundle, so_far=builder.summary(), counted_to=position_of(member)))
                return None
        return builder

    def _progress(self, bundle: Bundle, completion_rule: CompletionRule) -> Progress:
        """Count the files of a batch, and read its manifest if it has one."""
        files, newest = 0, bundle.created_at
        marker: Upload | None = None
        for member in self._bundles.members(bundle):
            upload = member.event.upload
            if upload and completion_rule.is_marker(upload):
                marker = upload
            else:
                files += 1
            newest = max(newest, member.received_at or newest)
        listed = manifest_names(self._inputs.content(marker)) if marker and 0 < (marker.size or 0) <= MAX_MANIFEST_BYTES else ()
        keys = {member.event.upload.key for member in self._bundles.members(bundle) if member.event.upload} if listed else ()
        return Progress(bundle.by, files, newest, marker.key if marker else "", listed, keys)

    def _seal_or_recheck(self, bundle: Bundle, completion_rule: CompletionRule, progress: Progress, why: str) -> list[Delivery]:
        """Seal a batch that ended, to be sent when pending writes are done; check an open one again later."""
        now = self._deliverer.clock()
        if not why:
            due_at = next_check_at(completion_rule, progress, bundle.created_at, now)
            self._bundles.update(bundle, replace(bundle, due_at=due_at))
            return []
        lane = bundle_window.lane_of(bundle.series, bool(bundle.silence))
        window = self._bundles.window(lane)
        is_open = window is not None and bundle_window.bundle_id(lane, window.start) == bundle.id and now < window.until
        if window and is_open and not self._bundles.replace_window(lane, window, replace(window, until=now)):
            return []  # another writer replaced it: the next sweep checks again
        self._bundles.update(bundle, replace(bundle, sealed=why, due_at=now + self._deliverer.settle_delay))
        return []

    def _is_marker(self, rule: Rule, member: Member) -> bool:
        return bool(rule.complete and member.event.upload and rule.complete.is_marker(member.event.upload))

    def _flush_recipient(self, bundle: Bundle, time_left: TimeLeft) -> list[Delivery]:
        settings = self._deliverer.settings
        person = settings.people.get(bundle.person)
        if person is None or not Recipient(Channel(bundle.channel), person).address:
            return self._mark_sent(bundle, 0)
        builder = DigestBuilder()
        for member in self._bundles.members(bundle):
            builder.add(member.rule, member.event, item_line(member.event, settings.rule(member.rule)))
        if not builder.events and not (person.all_quiet and bundle.why == str(person.digest)):
            return self._mark_sent(bundle, 0)
        notice = self._notice(bundle, builder, Recipient(Channel(bundle.channel), person))
        return self._send(notice, bundle, time_left) + self._mark_sent(bundle, builder.events)

    def _notice(self, bundle: Bundle, builder: DigestBuilder, recipient: Recipient) -> Notice:
        """Create the notice of a digest; a single event reads like any other message."""
        rule_name, event = builder.only or ("", None)
        rule = self._deliverer.settings.rule(rule_name)
        if event and (rule or event.kind is Kind.MESSAGE):
            single = replace(event, identity=bundle.id, urgent=event.urgent or bool(bundle.sealed))
            if rule:
                notice = rule_notice(single, rule, recipient)
            else:
                notice = message_notice(single, template_of_message(rule_name), recipient)
            return replace(notice, deferred=True)
        now = self._deliverer.clock()
        failures = self._inputs.failures(recipient.person.name, bundle.created_at, now)
        failed = tuple(Share(f"{hour:%Y-%m-%dT%H}", count) for hour, count in sorted(failures.items()))
        digest = bundle_window.event_of_digest(bundle, builder.parts(), failed, now)
        return direct_notice(replace(digest, urgent=bool(bundle.sealed)), recipient)  # requested digests are not deferred again

    def _send(self, notice: Notice, bundle: Bundle, time_left: TimeLeft) -> list[Delivery]:
        if bundle.silence:
            return self._deliverer.drop(notice, Reason.SILENCED, bundle.silence)
        return self._deliverer.deliver(notice, time_left)

    def _mark_sent(self, bundle: Bundle, files: int) -> list[Delivery]:
        """Record that a bundle was sent, or that there was nothing to send. Returns []."""
        log.info("bundle", bundle=bundle.id, rule=bundle.rule or None, person=bundle.person or None, files=files)
        self._bundles.update(bundle, replace(bundle, due_at=None, files=files, sent_at=self._deliverer.clock()))
        return []
