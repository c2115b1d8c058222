"""Matches each event against the rules, then sends or bundles it, or leaves it to the sweep. Parks unreadable payloads."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

from ..domain.delivery import Delivery, Reason
from ..domain.event import Batch, Event, UnknownPayload
from ..domain.message import Notice
from ..domain.rule import Rule
from ..platform import log
from ..platform.parallel import MAX_CONCURRENCY, map_isolated
from ..rules.index import Match, RuleIndex
from ..rules.recipients import notices_for_rule
from ..store.rows import Parked
from .bundle import Bundler
from .deliver import Deliverer, TimeLeft

if TYPE_CHECKING:
    from ..domain.filters.upload import ReadFact

OnAlarm = Callable[[Event, Rule, TimeLeft], list[Delivery]]
Step = tuple[Callable[[], list[Delivery]], Mapping[str, str]]  # what to do for an event, and the ids for the log if it fails


class Intake:
    """Takes events of any source. A repeated event is harmless: nothing is sent twice.

    `on_alarm` handles CloudWatch alarms, which open and resolve incidents instead of being sent as they are. `read_fact` reads
    what rules ask about an uploaded object.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        deliverer: Deliverer,
        on_alarm: OnAlarm,
        concurrency: int = MAX_CONCURRENCY,
        read_fact: "ReadFact | None" = None,
    ) -> None:
        self.deliverer = deliverer
        self._rules = RuleIndex(rules)
        self._bundler = Bundler(deliverer, deliverer.deferrer.bundles)
        self._on_alarm = on_alarm
        self._concurrency = concurrency
        self._read_fact = read_fact
        reads = any(rule.filter and rule.filter.facts for rule in rules)
        self._match_concurrency = concurrency if reads else 1  # without requests to S3, threads would only cost time

    def take(self, batch: Batch, time_left: TimeLeft) -> list[Delivery]:
        """Handle every event of a batch and park unreadable payloads; returns the deliveries that this call created.

        Raises:
            ExceptionGroup: some records failed, for example because the ledger is unreachable. The others are complete; AWS
                sends the batch again, and then only the missing ones are handled.
        """
        for name in batch.ignored:
            log.info("ignored", what=name)
        _, not_parked = map_isolated(lambda unknown: self.park(unknown, time_left), batch.unknown, max_concurrency=1)
        matches, not_matched = map_isolated(lambda event: self._match(event, time_left), batch.events, self._match_concurrency)
        notices, not_placed = map_isolated(self._notices, matches, self._concurrency, attrgetter("log_ids"))
        steps: list[Step] = [
            (partial(self._on_alarm, match.event, match.rule, time_left), match.log_ids)
            for match in matches
            if _is_alarm(match.event)
        ]
        steps += [(partial(self.deliverer.deliver, notice, time_left), notice.log_ids) for notice in notices]
        deliveries, failures = map_isolated(lambda step: step[0](), steps, self._concurrency, itemgetter(1))
        if failed := [*not_parked, *not_matched, *not_placed, *failures]:
            raise ExceptionGroup("some records failed", failed)
        return deliveries

    def take_records(self, records: Sequence[tuple[str, Batch]], time_left: TimeLeft) -> dict[str, Any]:
        """Handle the records of a queue or stream separately and return to AWS the ones to redeliver.

        Returns Lambda's response for ReportBatchItemFailures, so one failed record does not repeat the others.
        """
        failed = []
        for name, batch in records:
            try:
                self.take(batch, time_left)
            except ExceptionGroup as error:
                log.warning("record-failed", record=name, detail=str(error))
                failed.append({"itemIdentifier": name})
        return {"batchItemFailures": failed}

    def matches(self, event: Event) -> list[Match]:
        """The rules that an event matches, in file order."""
        return self._rules.match(event, self._read_fact)

    def hold(self, event: Event, reason: Reason) -> list[Delivery]:
        """Leave an event to the sweep: its deliveries are due immediately, or it joins its bundle; [] for a known event."""
        matches = self._match(event, _a_minute)
        alarms = [delivery for match in matches if _is_alarm(event) for delivery in self._on_alarm(event, match.rule, _a_minute)]
        notices = [notice for match in matches for notice in self._notices(match)]
        return [*alarms, *(delivery for notice in notices for delivery in self.deliverer.hold(notice, reason))]

    def park(self, unknown: UnknownPayload, time_left: TimeLeft) -> list[Parked]:
        """Store an unreadable payload and notify the owner; [] when it is already stored."""
        parked = Parked.of(unknown, self.deliverer.clock())
        if not self.deliverer.ledger.park(parked):
            return []
        log.warning("parked", parked=parked.id, source=unknown.source, why=unknown.why)
        sentence = f"A payload from {unknown.source} could not be parsed and is parked as {parked.id}: {unknown.why}."
        self.deliverer.notify_owner(f"parked {unknown.source}", sentence, time_left)
        return [parked]

    def _match(self, event: Event, time_left: TimeLeft) -> list[Match]:
        matches = self.matches(event)
        for match in matches:
            if match.denied:
                log.warning("condition-not-checked", rule=match.rule.name, event=event.identity, why=match.denied)
                sentence = (
                    f"Rule {match.rule.name} matches without all of its conditions, which cannot be checked: {match.denied}."
                )
                self.deliverer.notify_owner(f"conditions {match.rule.name}", sentence, time_left)
        if not matches:
            log.info("no-rule", event=event.identity, bucket=event.upload and event.upload.bucket)
        return matches

    def _notices(self, match: Match) -> list[Notice]:
        """Return what a matching rule sends immediately; an event that joins a bundle is stored, and sends nothing now."""
        if _is_alarm(match.event):
            return []
        event = self._bundler.place(match.event, match.rule) if match.rule.bundles else match.event
        return notices_for_rule(event, match.rule) if event else []


def _is_alarm(event: Event) -> bool:
    return event.bus is not None and event.bus.is_alarm


def _a_minute() -> timedelta:
    return timedelta(minutes=1)
