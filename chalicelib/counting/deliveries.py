"""Counts deliveries from the ledger's stream: messages and files for budgets, digests and [analytics]. Records exhausted budgets.

store/counts/counters.py counts each record once, even if it is delivered again, late or out of order. Cost in write units of the
counters' table: an e-mail 4 when counted alone and about 2 in a batch (a mark, and the person's hour); an SMS 6 and 2; with
[analytics] and every dimension, an e-mail about one upload 38 and 5. With [console], each file and each outcome also counts in
the hourly rows: 6 more alone (the file's mark, the hour and the month), 2 in a batch. A sent message without a budget, without
[analytics] and without [console] is not counted and costs nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..delivery.deliver import ONCE_A_DAY, ONCE_AN_HOUR, Deliverer, TimeLeft
from ..domain.budget import ExhaustedBudget, Limit
from ..domain.delivery import Reason, State
from ..domain.settings import COUNTER_RETENTION
from ..platform import aws, log
from ..platform.aws import ClientFactory
from ..policy.budget import Verdict, describe, evaluate, limits_by_scope, period_of, scopes
from ..policy.counts import Count, CountRecord, counts_for_budget, counts_for_failure, counts_of_delivery, counts_of_files
from ..store.counts.counters import Counters, Hour
from ..store.ledger import LEDGER_CONFIG
from .hourly_counts import counts_of_outcome, counts_of_uploads
from .ledger_stream import Transition, from_stream
from .metrics import metric_lines

if TYPE_CHECKING:
    from ..domain.settings import Analytics


class DeliveryCounter:
    """Counts the transitions of deliveries, each once, and compares the counts with the budgets."""

    def __init__(self, deliverer: Deliverer, environ: Mapping[str, str], clients: ClientFactory | None = None) -> None:
        clients = clients or aws.client_factory()
        self._deliverer = deliverer
        self._limits = limits_by_scope(deliverer.settings)
        self._analytics: Analytics | None = deliverer.settings.analytics
        keep = self._analytics.keep if self._analytics else COUNTER_RETENTION
        self.counters = Counters(clients("dynamodb", config=LEDGER_CONFIG), environ["DROPNOTE_COUNTERS"], keep)
        self._stage = environ.get("DROPNOTE_STAGE", "")
        self._notified: set[tuple[Verdict, ExhaustedBudget]] = set()

    def take(self, payload: object, time_left: TimeLeft) -> dict[str, list[dict[str, str]]]:
        """Count a batch of records. Returns Lambda's response for ReportBatchItemFailures: the records to deliver again.

        A record that cannot be read is logged and not retried: it would block all records after it.
        """
        transitions, unreadable = from_stream(payload)
        for bad in unreadable:
            log.warning("record-not-read", record=bad.record, detail=bad.why)
        count_records = [(transition.record, counts) for transition in transitions for counts in self._count_records(transition)]
        failed_marks = self.counters.count([counts for _, counts in count_records], self._deliverer.clock())
        failed = {record for record, counts in count_records if counts.mark in failed_marks}
        for scope, of_scope in self._transitions_by_scope(transitions).items():
            failed |= self._check_budgets(scope, of_scope, time_left)
        if self._deliverer.settings.metrics:
            # Lambda delivers again from the first failed record on: those before it are complete
            settled = takewhile(lambda transition: transition.record not in failed, transitions)
            for line in metric_lines(settled, self._deliverer.settings.metrics, self._stage):
                log.info("metrics", **line)
        if transitions:
            log.info("counted", records=len(transitions), missed=len(failed) or None)
        numbers = dict.fromkeys(transition.record for transition in transitions if transition.record in failed)
        return {"batchItemFailures": [{"itemIdentifier": number} for number in numbers]}

    def _count_records(self, transition: Transition) -> list[CountRecord]:
        """What a transition counts for budgets, [analytics] and the console: the message, and the files it reports."""
        delivery, analytics, settings = transition.delivery, self._analytics, self._deliverer.settings
        counts: list[Count] = [*counts_for_failure(delivery)]
        for scope in filter(self._limits.get, scopes(delivery.person, delivery.rule)):
            counts += counts_for_budget(delivery, scope)
        rule, files, uploads = settings.rule(delivery.rule), None, None
        if analytics is not None:
            counts += counts_of_delivery(delivery, analytics.by)
            files = counts_of_files(delivery, rule, analytics.by)
        hourly: Mapping[str, int] = {}
        if settings.console is not None:
            person = settings.people.get(delivery.person)
            hourly = counts_of_outcome(delivery, transition.at, person.sms if person else "")
            uploads = counts_of_uploads(delivery, rule, transition.at)
        message = CountRecord(transition.mark, transition.counts_at, tuple(counts), hourly)
        return [record for record in (message, files, uploads) if record]

    def _transitions_by_scope(self, transitions: Iterable[Transition]) -> dict[str, list[Transition]]:
        """The messages that were sent or did not fit into a budget, by the scopes they count for."""
        by_scope: dict[str, list[Transition]] = defaultdict(list)
        for transition in transitions:
            delivery = transition.delivery
            if delivery.state is State.SENT or delivery.reason is Reason.OVER_BUDGET:
                for scope in filter(self._limits.get, scopes(delivery.person, delivery.rule)):
                    by_scope[scope].append(transition)
        return by_scope

    def _check_budgets(self, scope: str, transitions: Sequence[Transition], time_left: TimeLeft) -> set[str]:
        """Compare a scope's counts with its budgets. Returns the records, for another try, if AWS did not respond."""
        try:
            self._record_exhausted(scope, transitions, time_left)
        except (ClientError, BotoCoreError) as error:
            log.warning("not-judged", scope=scope, detail=str(error))
            return {transition.record for transition in transitions}
        return set()

    def _record_exhausted(self, scope: str, transitions: Sequence[Transition], time_left: TimeLeft) -> None:
        """Record the limits reached in the current hour or day. Notify the owner of these, and of limits nearly reached.

        A message may not fit although the limit is not reached: a text of two segments if one is left.
        """
        now = self._deliverer.clock()
        hours = self.counters.hours(scope, *period_of("day", now))
        for limit in self._limits[scope]:
            used = usage_of(limit, hours, now)
            verdict, budget = evaluate(limit, used), ExhaustedBudget(scope, limit, *period_of(limit.per, now))
            if verdict == "over" and self._deliverer.control.now().exhausted.get(budget.key) != budget:
                self._deliverer.control.record_exhausted(budget)
                log.warning("budget-used-up", scope=scope, limit=str(limit), used=used, until=budget.until)
            if any(_stopped_by(budget, transition) for transition in transitions):
                verdict = "over"
            if verdict != "ok" and (verdict, budget) not in self._notified:
                once = ONCE_AN_HOUR if limit.per == "hour" else ONCE_A_DAY
                is_webhook = scope.removeprefix("person ") in self._deliverer.settings.webhooks
                text = describe(budget, used, verdict, is_webhook=is_webhook)
                self._deliverer.notify_owner(f"budget {verdict} {budget.key}", text, time_left, once=once)
                self._notified.add((verdict, budget))


def _stopped_by(budget: ExhaustedBudget, transition: Transition) -> bool:
    delivery = transition.delivery
    in_period = budget.since <= transition.at < budget.until
    return in_period and delivery.reason is Reason.OVER_BUDGET and delivery.detail == str(budget)


def usage_of(limit: Limit, hours: Mapping[datetime, Hour], now: datetime) -> int:
    """How much of a limit is used in the current hour or day."""
    start, end = period_of(limit.per, now)
    current = [hour for moment, hour in hours.items() if start <= moment < end]
    return sum(hour.segments if limit.unit == "segments" else hour.messages for hour in current)
