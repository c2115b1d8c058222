"""Counting: how much was sent, read from the ledger's stream after it went, and what to do when a budget is used up.

One item for each scope and hour, in a table of its own: what was sent, and what came to nothing, as sets of deliveries' names.
To put a name into a set twice changes nothing, so a record that comes again, late or in another order counts once, and no
transaction is needed. A budget keeps the sets small; a full one (400 KB: some 20,000 messages in an hour) counts no further.
Source: Amazon DynamoDB developer guide, "Update expressions" (ADD to a set).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from . import aws, log
from .aws import Clients
from .clock import to_ms
from .deliver import A_DAY, AN_HOUR, Deliverer, TimeLeft
from .events.stream import Became, from_stream
from .ledger import LEDGER_CONFIG
from .policy.budget import Limit, Tripped, Verdict, in_words, judge, limits_of, scopes, span

KEPT = timedelta(days=100)
_HOUR = "%Y-%m-%dT%H"
_NAME = 12  # hex digits of a delivery's id: so many that no two of an hour share them


class Hour(Struct, frozen=True):
    """What one hour brought to a scope."""

    messages: int = 0
    segments: int = 0
    failures: int = 0


class Counters:
    """The counters' table. `client` is a DynamoDB client; its errors pass through."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, scope: str, hour: datetime, became: list[Became]) -> bool:
        """Count what became of deliveries in that hour; False where the hour takes no more."""
        sent = {f"{each.delivery.id[:_NAME]}:{each.delivery.segments}" for each in became if each.accepted}
        failed = {each.delivery.id[:_NAME] for each in became if not each.accepted}
        sets = {name: sorted(names) for name, names in (("sent", sent), ("failed", failed)) if names}
        try:
            self._client.update_item(
                TableName=self._table,
                Key={"pk": {"S": f"sent#{scope}"}, "sk": {"S": hour.strftime(_HOUR)}},
                UpdateExpression="SET #ttl = :ttl ADD " + ", ".join(f"#{name} :{name}" for name in sets),
                ExpressionAttributeNames={"#ttl": "ttl", **{f"#{name}": name for name in sets}},
                ExpressionAttributeValues={
                    ":ttl": {"N": str(to_ms(hour + KEPT) // 1000)},
                    **{f":{name}": {"SS": names} for name, names in sets.items()},
                },
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            log.warning("not-counted", scope=scope, hour=hour, detail=str(error))  # 400 KB, and it would be so for ever
            return False
        return True

    def hours(self, scope: str, since: datetime, until: datetime) -> dict[datetime, Hour]:
        """The hours of a scope that have anything, of those that begin from `since`'s own to before `until`."""
        first, last = span("hour", since)[0], span("hour", until - timedelta(microseconds=1))[0]
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": f"sent#{scope}"},
                ":first": {"S": first.strftime(_HOUR)},
                ":last": {"S": last.strftime(_HOUR)},
            },
            ConsistentRead=True,
        )
        items = (item for page in pages for item in page["Items"])
        return {datetime.strptime(item["sk"]["S"] + "+0000", f"{_HOUR}%z"): _hour_of(item) for item in items}

    def sent_of(self, person: str, since: datetime, until: datetime) -> dict[datetime, int]:
        """How many messages went to a person, by the hour; hours without any are left out."""
        found = self.hours(f"person {person}", since, until)
        return {hour: each.messages for hour, each in found.items() if each.messages}

    def failures_of(self, person: str, since: datetime, until: datetime) -> dict[datetime, int]:
        """How many messages to a person came to nothing, by the hour, though one was sent since; hours without are left out."""
        found = self.hours(f"person {person}", since, until)
        return {hour: each.failures for hour, each in found.items() if each.failures}


class Counting:
    """Counts what the stream tells, and holds it against the budgets. What it is told again is not counted again."""

    def __init__(self, deliverer: Deliverer, environ: Mapping[str, str], clients: Clients | None = None) -> None:
        clients = clients or aws.clients()
        self._deliverer = deliverer
        self._limits = limits_of(deliverer.settings)
        self.counters = Counters(clients("dynamodb", config=LEDGER_CONFIG), environ["DROPNOTE_COUNTERS"])
        self._told: set[tuple[Verdict, Tripped]] = set()

    def take(self, payload: object, time_left: TimeLeft) -> dict[str, list[dict[str, str]]]:
        """Count a batch of records, and tell AWS which of them are to come again.

        The answer is Lambda's for ReportBatchItemFailures. A record that cannot be read is logged and never comes again: one
        that did would hold up all that come after it.
        """
        became, unread = from_stream(payload)
        for each in unread:
            log.warning("record-not-read", record=each.record, detail=each.why)
        missed: set[str] = set()
        of_scopes: dict[str, list[Became]] = defaultdict(list)
        for (scope, hour), some in self._filed(became).items():
            of_scopes[scope] += some
            missed |= self._trying(some, partial(self.counters.add, scope, hour, some))
        for scope, some in of_scopes.items():
            if self._limits.get(scope):
                missed |= self._trying(some, partial(self._judge, scope, time_left))
        if became:
            log.info("counted", records=len(became), missed=len(missed) or None)
        names = dict.fromkeys(each.record for each in became if each.record in missed)
        return {"batchItemFailures": [{"itemIdentifier": name} for name in names]}

    def _filed(self, became: list[Became]) -> dict[tuple[str, datetime], list[Became]]:
        """By scope and hour. A rule, and all together, are counted where they have a budget; people always, for their digests."""
        filed = defaultdict(list)
        for each in became:
            person, *others = scopes(each.delivery.person, each.delivery.rule)
            for scope in (person, *filter(self._limits.get, others)):
                filed[scope, span("hour", each.at)[0]].append(each)
        return filed

    def _trying(self, became: list[Became], do: Callable[[], object]) -> set[str]:
        """Do something for records; those that AWS did not take come again."""
        try:
            do()
        except (ClientError, BotoCoreError) as error:
            log.warning("not-counted", detail=str(error))
            return {each.record for each in became}
        return set()

    def _judge(self, scope: str, time_left: TimeLeft) -> None:
        """Hold what a scope has used of this hour and this day against its limits. What is over by now stops nothing."""
        now = self._deliverer.clock()
        hours = self.counters.hours(scope, *span("day", now))
        for limit in self._limits[scope]:
            used = used_of(limit, hours, now)
            verdict, tripped = judge(limit, used), Tripped(scope, limit, *span(limit.per, now))
            if verdict == "over" and self._deliverer.control.now().tripped.get(tripped.key) != tripped:
                self._deliverer.control.trip(tripped)
                log.warning("budget-used-up", scope=scope, limit=str(limit), used=used, until=tripped.until)
            if verdict != "ok" and (verdict, tripped) not in self._told:
                once = AN_HOUR if limit.per == "hour" else A_DAY
                sentence = in_words(tripped, used, verdict)
                self._deliverer.tell_owner(f"budget {verdict} {tripped.key}", sentence, time_left, once=once)
                self._told.add((verdict, tripped))


def used_of(limit: Limit, hours: Mapping[datetime, Hour], now: datetime) -> int:
    """How much is used of a limit in the hour or day that it is now."""
    begin, end = span(limit.per, now)
    found = [each for hour, each in hours.items() if begin <= hour < end]
    return sum(each.segments if limit.what == "segments" else each.messages for each in found)


def _hour_of(item: Mapping[str, Any]) -> Hour:
    sent = item.get("sent", {}).get("SS", [])
    segments = sum(int(each.partition(":")[2]) for each in sent)
    return Hour(len(sent), segments, len(item.get("failed", {}).get("SS", [])))
