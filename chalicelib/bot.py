"""The bot: settings, rules and deliverer put together; what each binding of app.py calls."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from .delivery.bundle import Bundler, Send
from .delivery.deliver import ONCE_A_DAY, Deliverer, TimeLeft
from .delivery.flush import NO_INPUTS, Flusher, FlushInputs
from .delivery.sweep import Sweeper
from .domain.delivery import Delivery, DeliveryError, Reason
from .domain.event import Batch, Event, Kind, Unknown, Upload, identity_of
from .domain.message import Notice
from .domain.rule import Rule
from .domain.settings import Settings, watch_interval_minutes
from .health import rules as health_rules
from .health.heartbeat import beat
from .platform import log
from .platform.parallel import MAX_CONCURRENCY, map_isolated
from .platform.phrases import did_you_mean
from .platform.secrets import Secrets
from .rules.index import Match, RuleIndex
from .rules.recipients import notices_for_person, notices_for_rule
from .sources.queues import unwrap
from .store.dead_letters import DeadLetterQueue
from .store.rows import Parked

if TYPE_CHECKING:
    from .monitors.runner import Watch

DRAIN_RESERVE = timedelta(seconds=20)  # a dead event brings a send, and then there is the queue to tell
POISON = 5  # a dead event that failed so often would fail for ever

_TEST_KEY = "example/test-upload.txt"
_TEST_SIZE = 12_345


class UnknownTarget(ValueError):
    """A test was asked for somebody or something the settings do not have; the text says what they do have."""


class Bot:
    """One container's bot. A payload may come again, to every method: what was done is not done twice."""

    def __init__(
        self,
        settings: Settings,
        deliverer: Deliverer,
        dead_events: DeadLetterQueue | None = None,
        parameters: Secrets | None = None,
        at_once: int = MAX_CONCURRENCY,
        outside: FlushInputs = NO_INPUTS,
        make_watch: "Callable[[], Watch] | None" = None,
        beat: Callable[[str], None] = beat,
    ) -> None:
        self._settings = settings
        self.deliverer = deliverer
        self._rules = RuleIndex(settings.rules)
        self._bundler = Bundler(deliverer, deliverer.collector.bundles)
        self.flusher = Flusher(deliverer, deliverer.collector.bundles, outside)
        self._sweeper = Sweeper(deliverer, self.flusher, at_once)
        self._dead_events = dead_events
        self.parameters = parameters
        self._at_once = at_once
        self._make_watch = make_watch
        self._beat = beat

    @cached_property
    def watch(self) -> "Watch":
        """What looks at monitors, made when it is first needed: the way of an upload pays nothing for it.

        Raises:
            LookupError: this bot was made without one.
        """
        if self._make_watch is None:
            raise LookupError("this bot has no watch")
        return self._make_watch()

    def prepare(self) -> None:
        """Make ready what the first message will need. What is not to be had now is asked for again then, and told."""
        wanted = {(rule.template, recipient.channel) for rule in self._settings.rules for recipient in rule.recipients}
        for template, channel in wanted:
            self.deliverer.renderer.prepare(template, channel)
        for channel in {channel for _, channel in wanted}:
            with suppress(DeliveryError):
                self.deliverer.connected(channel)

    def take(self, batch: Batch, time_left: TimeLeft) -> list[Delivery]:
        """Announce every event of a batch and park what was not understood; gives the deliveries that this call made.

        Raises:
            ExceptionGroup: some record failed, the ledger being out of reach, say. The others are done; AWS sends the
                batch again, and then only what is missing is done.
        """
        for name in batch.ignored:
            log.info("ignored", what=name)
        _, not_parked = map_isolated(lambda unknown: self.park(unknown, time_left), batch.unknown, at_once=1)
        tell = partial(self.deliverer.deliver, time_left=time_left)
        told = [each_ for event in batch.events for each_ in self._to_tell(event, tell, time_left)]
        done, failures = map_isolated(lambda tell_it: tell_it(), told, self._at_once)
        if failures or not_parked:
            raise ExceptionGroup("some records could not be dealt with", [*not_parked, *failures])
        return done

    def wanted(self, event: Event) -> bool:
        """Whether any rule wants an event."""
        return bool(self.matches(event))

    def matches(self, event: Event) -> list[Match]:
        """The rules that want an event, in the order of the file."""
        return self._rules.match(event)

    def hold(self, event: Event, reason: Reason) -> list[Delivery]:
        """Leave an event to the sweep: its messages are due at once, or its bundle has it; [] for what came before."""
        return [done for tell in self._to_tell(event, partial(self.deliverer.hold, reason=reason), _a_minute) for done in tell()]

    def _to_tell(self, event: Event, tell: Send, time_left: TimeLeft) -> list[Callable[[], list[Delivery]]]:
        """What is to be done with an event, by the rules: each for itself."""
        matches = self._rules.match(event)
        if not matches:
            log.info("no-rule", event=event.identity, bucket=event.upload and event.upload.bucket)
        if event.bus and event.bus.is_alarm:
            return [partial(self.watch.heard, event, match.rule, time_left) for match in matches]
        bundled = [partial(self._bundler.take, match.event, match.rule, tell) for match in matches if match.rule.bundles]
        by_themselves = [
            notice for match in matches if not match.rule.bundles for notice in notices_for_rule(match.event, match.rule)
        ]
        return [*bundled, *(partial(tell, notice) for notice in by_themselves)]

    def park(self, unknown: Unknown, time_left: TimeLeft) -> list[Parked]:
        """Keep what was not understood, and tell the owner; [] when it was kept before."""
        parked = Parked.of(unknown, self.deliverer.clock())
        if not self.deliverer.ledger.park(parked):
            return []
        log.warning("parked", parked=parked.id, source=unknown.source, why=unknown.why)
        sentence = f"A payload from {unknown.source} was not understood and is kept as {parked.id}: {unknown.why}."
        self.deliverer.tell_owner(f"parked {unknown.source}", sentence, time_left)
        return [parked]

    def take_each(self, records: Sequence[tuple[str, Batch]], time_left: TimeLeft) -> dict[str, Any]:
        """Take the records of a queue, each for itself, and tell AWS which of them are to come again.

        The answer is Lambda's for ReportBatchItemFailures: a record that fails does not repeat the others.
        """
        failed = []
        for name, batch in records:
            try:
                self.take(batch, time_left)
            except ExceptionGroup as error:
                log.warning("record-failed", record=name, detail=str(error))
                failed.append({"itemIdentifier": name})
        return {"batchItemFailures": failed}

    def sweep(self, time_left: TimeLeft) -> list[Delivery]:
        """Take further what is due, then what Lambda had given up on, for as long as there is time. That it ended well is
        noted in the control item: the watch and the doctor look there.

        Raises:
            ExceptionGroup: some deliveries could not be taken further; they stay due.
        """
        try:
            done = self._sweeper.sweep(time_left)
        finally:  # a delivery that fails does not keep the queue waiting
            drained = self._drain(time_left)
        if self.deliverer.control.ended("swept", self.deliverer.clock()):
            self._look_at_the_watch(time_left)
        return done + drained

    def _look_at_the_watch(self, time_left: TimeLeft) -> None:
        """Who watches the watch: the sweep, and outside of AWS whoever waits for the heartbeat of both."""
        deliverer = self.deliverer
        every = timedelta(minutes=watch_interval_minutes(self._settings))
        found = health_rules.watch(deliverer.control.now().watched, deliverer.clock(), every, deliverer.renderer.stage)
        for trouble in found:
            deliverer.tell_owner("watch stopped", str(trouble), time_left, once=ONCE_A_DAY)
        if self._settings.bot.ping and not found:
            self._beat(self._settings.bot.ping)

    def _drain(self, time_left: TimeLeft) -> list[Delivery]:
        """Take dead events as if they had just come. One that fails here too, time and again, is parked: it is poison."""
        done: list[Delivery] = []
        queue = self._dead_events
        for dead in queue.take() if queue else ():
            if time_left() < DRAIN_RESERVE:
                break
            try:
                done += self.take(unwrap(dead.text), time_left)
            except ExceptionGroup as error:
                log.warning("dead-event-failed", times=dead.times, detail=str(error))
                if dead.times < POISON:
                    continue
                self.park(Unknown("dead-events", f"it failed {dead.times} times: {error.exceptions[0]!r}", dead.text), time_left)
            if queue:
                queue.done(dead)
        return done

    def test(self, target: str, request: str, time_left: TimeLeft) -> list[Delivery]:
        """Send a message marked [TEST] to a person, a group, or everybody a rule names, the way a real one goes.

        `request` is the id of the request: asked again under the same id, nothing more is sent.

        Raises:
            UnknownTarget: the settings have no such person, group or rule.
        """
        rule = next((rule for rule in self._settings.rules if rule.name == target), None)
        now = self.deliverer.clock()
        event = Event(
            Kind.TEST,
            identity_of("test", target, request),
            now,
            upload=Upload(rule.bucket, _TEST_KEY, _TEST_SIZE) if rule else None,
            detail=f"asked for with: test {target}",
        )
        notices = self._notices_of_test(event, rule, target)
        return [delivery for notice in notices for delivery in self.deliverer.deliver(notice, time_left)]

    def _notices_of_test(self, event: Event, rule: Rule | None, target: str) -> list[Notice]:
        if rule is not None:
            return notices_for_rule(event, rule)
        people = self._settings.people
        names = self._settings.groups.get(target, (target,) if target in people else ())
        if not names:
            known = [*people, *self._settings.groups, *(rule.name for rule in self._settings.rules)]
            raise UnknownTarget(f"the settings have no person, group or rule {target!r}; {did_you_mean(target, known)}")
        return [notice for name in names for notice in notices_for_person(event, people[name])]


def _a_minute() -> timedelta:
    return timedelta(minutes=1)
