"""Counters per hour and per day (UTC): exact, however often an event is delivered.

    count#orders by status   hour#2026-11-23T10#paid   n, ttl     one Query reads a counter's hours or days
    count#orders by status   day#2026-11-23#paid       n, ttl
    mark#<mark>              mark                      ttl        this record was counted

counter_writes.py adds the counts of each record exactly once. Values may be text from strangers, so a counter has at most 200
values per day; all others count as "other". If several containers find new values at the same time, it may be a few more. The
rows of the console's dashboard (hourly.py) are in the same table.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from ...domain.budget import Period
from ...domain.conditions import CountBy
from ...domain.event import Event, identity_of
from ...domain.settings import COUNTER_RETENTION
from ...platform import log
from ...platform.clock import to_ms
from ...policy.counts import OTHER, CountRecord, count_of_item
from .counter_writes import Amounts, Chunk, CounterKey, CounterWriter, Number, group_chunks
from .hourly import HourlyRows

HOUR_RETENTION = timedelta(days=100)
MAX_VALUES = 200  # per counter and day
_CHUNK_SIZE = 40  # counts of one record per transaction: up to two items each, and a mark
_MAX_CACHED_DAYS = 500  # days of counters whose values a container remembers
_FORMATS: dict[Period, str] = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d"}
_LENGTHS: dict[Period, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


class Cell(Struct, frozen=True):
    """The count of one value in one hour or day."""

    moment: datetime  # start of the hour or day, UTC
    value: str
    n: Number


class Hour(Struct, frozen=True):
    """What was sent in an hour to a person, by a rule or by all rules, and how many messages failed."""

    messages: int = 0
    segments: int = 0
    failures: int = 0


class Counters:
    """The counters' table. `client` is a DynamoDB client, `keep` the retention of days; hours are kept 100 days at most."""

    def __init__(
        self,
        client: Any,
        table: str,
        keep: timedelta = COUNTER_RETENTION,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._table = table
        self._retention: dict[Period, timedelta] = {"hour": min(keep, HOUR_RETENTION), "day": keep}
        self._writer = CounterWriter(client, table, pause, chance)
        self._hourly = HourlyRows(client, table)
        self._known_values: dict[tuple[str, str], set[str]] = {}  # by counter and day: the values counted separately
        self._queried_days: set[tuple[str, str]] = set()

    def count(self, records: Sequence[CountRecord], now: datetime) -> set[str]:
        """Add the counts of records that are not counted yet; returns the marks of those that must be sent again.

        Records without counts are ignored. What DynamoDB would always reject is logged and never counted. Errors of AWS are not
        raised: if AWS does not respond, the remaining records are not tried.
        """
        by_mark = {record.mark: record for record in records}
        unique = [record for record in by_mark.values() if record.counts or record.hourly]
        missed: set[str] = set()
        self._queried_days.clear()
        self._hourly.forget_queries()
        if len(self._known_values) > _MAX_CACHED_DAYS:
            self._known_values.clear()
        remaining = [Chunk(record.mark, record.mark, ()) for record in unique]
        try:
            remaining = [chunk for record in unique for chunk in self._chunks(record)]
            for group in group_chunks(remaining):
                missed |= self._writer.write(group, now)
                remaining = remaining[len(group) :]
        except (BotoCoreError, ClientError) as error:
            log.warning("not-counted", records=len(remaining), detail=str(error))
            missed |= {chunk.record_mark for chunk in remaining}
        return missed

    def read(self, name: str, per: Period, since: datetime, until: datetime) -> list[Cell]:
        """Return a counter's hours or days in order, including those of `since`, excluding those from `until` on.

        One Query; botocore's errors propagate.
        """
        first, end = _begin(per, since), _begin(per, until - timedelta(microseconds=1)) + _LENGTHS[per]
        values = {":pk": f"count#{name}", ":first": _sort_key(per, first), ":end": _sort_key(per, end)}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :end",
            ExpressionAttributeValues={key: {"S": value} for key, value in values.items()},
            ConsistentRead=True,
        )
        return [_cell(per, item) for page in pages for item in page["Items"]]

    def hours(self, scope: str, since: datetime, until: datetime) -> dict[datetime, Hour]:
        """Return a budget scope's hours between two times; hours without any count are left out."""
        counts: dict[datetime, dict[str, int]] = {}
        for cell in self.read(f"sent {scope}", "hour", since, until):
            counts.setdefault(cell.moment, {})[cell.value] = int(cell.n)
        return {moment: Hour(**values) for moment, values in counts.items()}

    def sent_by_hour(self, person: str, since: datetime, until: datetime) -> dict[datetime, int]:
        """Return how many messages were sent to a person in each hour; hours without any are left out."""
        hours = self.hours(f"person {person}", since, until)
        return {moment: hour.messages for moment, hour in hours.items() if hour.messages}

    def failures_by_hour(self, person: str, since: datetime, until: datetime) -> dict[datetime, int]:
        """Return how many messages to a person failed in each hour, even if resent since; hours without any are left out."""
        hours = self.hours(f"person {person}", since, until)
        return {moment: hour.failures for moment, hour in hours.items() if hour.failures}

    def _chunks(self, record: CountRecord) -> Iterator[Chunk]:
        """Split a record's counts into chunks that fit into a transaction.

        Split before values are limited, so that a redelivered record is split the same way.
        """
        at = record.at.astimezone(UTC)
        for number, start in enumerate(range(0, len(record.counts) or 1, _CHUNK_SIZE)):
            amounts: Amounts = {}
            for hourly_key, amount in self._hourly.amounts(at, record.hourly) if record.hourly and not number else ():
                amounts[hourly_key] = amounts.get(hourly_key, 0) + amount
            for count in record.counts[start : start + _CHUNK_SIZE]:
                value = self._value_or_other(count.name, count.value, at) if "day" in count.per else count.value
                for per in count.per:
                    begin = _begin(per, at)
                    ttl = to_ms(begin + self._retention[per]) // 1000
                    key = CounterKey(f"count#{count.name}", _sort_key(per, begin, value), ttl)
                    amounts[key] = amounts.get(key, 0) + count.amount
            yield Chunk(f"{record.mark}/{number}" if number else record.mark, record.mark, tuple(amounts.items()))

    def _value_or_other(self, name: str, value: str, at: datetime) -> str:
        """Return the value, or "other" if the counter's day has MAX_VALUES other values.

        The table is queried at most once per day and `count`, and only for a value that this container does not know.
        """
        if not value:
            return value
        day = (name, f"{at:{_FORMATS['day']}}")
        known = self._known_values.setdefault(day, set())
        if value not in known and len(known) < MAX_VALUES and day not in self._queried_days:
            known |= {cell.value for cell in self.read(name, "day", at, at + timedelta(microseconds=1))}
            self._queried_days.add(day)
        if value not in known and len(known) >= MAX_VALUES:
            return OTHER
        known.add(value)
        return value


def count_items(counters: Counters, matches: Iterable[tuple[Event, str, CountBy]], now: datetime) -> set[str]:
    """Count item changes, each once per rule: the event, the rule's name and what the rule counts.

    Returns the identities of the events that could not be counted and must be sent again.
    """
    identities: dict[str, str] = {}  # by mark
    records = []
    for event, rule, count_by in matches:
        count = count_of_item(event, count_by)
        mark = identity_of("count", event.identity, rule, str(count_by))
        if count:
            identities[mark] = event.identity
            records.append(CountRecord(mark, event.at, (count,)))
    return {identities[mark] for mark in counters.count(records, now)}


def _sort_key(per: Period, begin: datetime, value: str | None = None) -> str:
    key = f"{per}#{begin:{_FORMATS[per]}}"
    return key if value is None else f"{key}#{value}"


def _begin(per: Period, moment: datetime) -> datetime:
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if per == "hour" else hour.replace(hour=0)


def _cell(per: Period, item: Any) -> Cell:
    _, moment, value = item["sk"]["S"].split("#", 2)
    n = Decimal(item["n"]["N"])
    is_whole = n == n.to_integral_value()
    return Cell(datetime.strptime(f"{moment}+0000", f"{_FORMATS[per]}%z"), value, int(n) if is_whole else n)
