"""Counting: what was sent, and of what, read from the ledger's stream after it went; what to do when a budget is used up.

A record is marked and counted as counters.py says: one that comes again, late or in another order counts once. What it costs in
the counters' table: a mail 4 write units where it comes alone and some 2 among many (its mark, and its person's hour), a text 6
and 2; with [analytics] and every dimension a mail of one upload 38 and 5. What counts for nothing costs none: it went well, and
there is no budget and no [analytics].
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ..delivery.deliver import ONCE_A_DAY, ONCE_AN_HOUR, Deliverer, TimeLeft
from ..domain.budget import ExhaustedBudget, Limit
from ..domain.delivery import State
from ..domain.settings import COUNTER_RETENTION
from ..platform import aws, log
from ..platform.aws import Clients
from ..policy.budget import Verdict, describe, evaluate, limits_of, period_of, scopes
from ..policy.counts import Count, Counted, counts_of_delivery, failure, files_told, spent
from ..store.counters import Counters, Hour
from ..store.ledger import LEDGER_CONFIG
from .ledger_stream import Transition, from_stream

if TYPE_CHECKING:
    from ..domain.settings import Analytics


class DeliveryCounter:
    """Counts what the stream tells, and holds it against the budgets. What it is told again is not counted again."""

    def __init__(self, deliverer: Deliverer, environ: Mapping[str, str], clients: Clients | None = None) -> None:
        clients = clients or aws.clients()
        self._deliverer = deliverer
        self._limits = limits_of(deliverer.settings)
        self._analytics: Analytics | None = deliverer.settings.analytics
        keep = self._analytics.keep if self._analytics else COUNTER_RETENTION
        self.counters = Counters(clients("dynamodb", config=LEDGER_CONFIG), environ["DROPNOTE_COUNTERS"], keep)
        self._told: set[tuple[Verdict, ExhaustedBudget]] = set()

    def take(self, payload: object, time_left: TimeLeft) -> dict[str, list[dict[str, str]]]:
        """Count a batch of records, and tell AWS which of them are to come again.

        The answer is Lambda's for ReportBatchItemFailures. A record that cannot be read is logged and never comes again: one
        that did would hold up all that come after it.
        """
        became, unread = from_stream(payload)
        for each in unread:
            log.warning("record-not-read", record=each.record, detail=each.why)
        counted = [(each.record, what) for each in became for what in self._counted(each)]
        marks = self.counters.count([what for _, what in counted], self._deliverer.clock())
        missed = {record for record, what in counted if what.mark in marks}
        for scope, some in self._budgeted(became).items():
            missed |= self._judged(scope, some, time_left)
        if became:
            log.info("counted", records=len(became), missed=len(missed) or None)
        names = dict.fromkeys(each.record for each in became if each.record in missed)
        return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}

    def _counted(self, became: Transition) -> list[Counted]:
        """What a record counts: the message for each scope that has a budget and for the analytics, and the files it tells of."""
        delivery, analytics = became.delivery, self._analytics
        counts: list[Count] = [*failure(delivery)]
        for scope in filter(self._limits.get, scopes(delivery.person, delivery.rule)):
            counts += spent(delivery, scope)
        if analytics is None:
            return [Counted(became.mark, became.at, tuple(counts))]
        counts += counts_of_delivery(delivery, analytics.by)
        files = files_told(delivery, self._deliverer.settings.rule(delivery.rule), analytics.by)
        return [Counted(became.mark, became.at, tuple(counts)), *([files] if files else [])]

    def _budgeted(self, became: Iterable[Transition]) -> dict[str, list[str]]:
        """The records of what was sent, by the scopes that have a budget."""
        found: dict[str, list[str]] = defaultdict(list)
        for each in became:
            if each.delivery.state is State.SENT:
                for scope in filter(self._limits.get, scopes(each.delivery.person, each.delivery.rule)):
                    found[scope].append(each.record)
        return found

    def _judged(self, scope: str, records: Iterable[str], time_left: TimeLeft) -> set[str]:
        """Judge a scope; where AWS does not answer its records come again."""
        try:
            self._judge(scope, time_left)
        except (ClientError, BotoCoreError) as error:
            log.warning("not-judged", scope=scope, detail=str(error))
            return set(records)
        return set()

    def _judge(self, scope: str, time_left: TimeLeft) -> None:
        """Hold what a scope has used of this hour and this day against its limits. What is over by now stops nothing."""
        now = self._deliverer.clock()
        hours = self.counters.hours(scope, *period_of("day", now))
        for limit in self._limits[scope]:
            used = usage_of(limit, hours, now)
            verdict, tripped = evaluate(limit, used), ExhaustedBudget(scope, limit, *period_of(limit.per, now))
            if verdict == "over" and self._deliverer.control.now().tripped.get(tripped.key) != tripped:
                self._deliverer.control.record_exhausted(tripped)
                log.warning("budget-used-up", scope=scope, limit=str(limit), used=used, until=tripped.until)
            if verdict != "ok" and (verdict, tripped) not in self._told:
                once = ONCE_AN_HOUR if limit.per == "hour" else ONCE_A_DAY
                sentence = describe(tripped, used, verdict)
                self._deliverer.notify_owner(f"budget {verdict} {tripped.key}", sentence, time_left, once=once)
                self._told.add((verdict, tripped))


def usage_of(limit: Limit, hours: Mapping[datetime, Hour], now: datetime) -> int:
    """How much is used of a limit in the hour or day that it is now."""
    begin, end = period_of(limit.per, now)
    found = [each for hour, each in hours.items() if begin <= hour < end]
    return sum(each.segments if limit.what == "segments" else each.messages for each in found)
