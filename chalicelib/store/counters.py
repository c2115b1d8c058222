"""Counters: how many of what, in each hour and on each day (UTC), exact however often a thing is told of.

    count#orders by status   hour#2026-11-23T10#paid   n, ttl     one Query reads the hours or the days of a counter
    count#orders by status   day#2026-11-23#paid       n, ttl
    mark#<mark>              mark                      ttl        this was counted

New things are marked and counted in one transaction; one that meets a mark is made again without what has it. So a thing that
comes again, late, together with others or while it is being counted elsewhere counts once, for as long as its mark is there:
two days, where a stream keeps a record for one.

Cost: 2 write units a mark, and 2 an item of a counter that a transaction touches: of one counter 80 things of an hour cost 2.1
each, and one alone 6 (its hour and its day). A transaction that meets marks costs as much once more. Limit: an item takes 1,000
write units a second, which is 500 transactions of up to 98 things. Values may be strangers' texts: of each counter and day 200
are told apart, and what comes after is "other"; where several containers find new ones at once it may be a few more.
Source: Amazon DynamoDB developer guide, "Amazon DynamoDB Transactions: How it works"; API reference, "TransactWriteItems" (100
actions, no two of one item; CancellationReasons in the order of the actions; botocore gives each call a ClientRequestToken).
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from ..domain.conditions import CountBy
from ..domain.event import Event, identity_of
from ..domain.settings import COUNTER_RETENTION
from ..platform import log
from ..platform.clock import to_ms
from ..policy.counts import OTHER, Counted, Per, counts_of

KEEP_HOURS = timedelta(days=100)
KEEP_MARKS = timedelta(days=2)
VALUES = 200
_ACTIONS = 100  # of a transaction
_PIECE = 40  # so many counts of one thing go into one transaction: two items each, and its mark
_TRIES = 6
_PAUSE_S = 0.05  # doubled at each try
_KNOWN = 500  # counters' days whose values a container remembers
_FORMATS: dict[Per, str] = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d"}
_LENGTHS: dict[Per, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_MARKED, _REFUSED = "ConditionalCheckFailed", "ValidationError"

Number = int | Decimal
Place = tuple[str, str, int]  # an item's pk, sk and ttl
Sums = dict[Place, Number]


class Cell(Struct, frozen=True):
    """How many an hour or a day brought of one value."""

    moment: datetime  # when the hour or the day begins, UTC
    value: str
    n: Number


class Hour(Struct, frozen=True):
    """What went in an hour to a person, by a rule or by all, and what came to nothing."""

    messages: int = 0
    segments: int = 0
    failures: int = 0


class _Piece(Struct, frozen=True):
    """A thing to count, or a part of one that is too large for a transaction. `of` is the mark that it was given with."""

    mark: str
    of: str
    adds: tuple[tuple[Place, Number], ...]


class Counters:
    """The counters' table. `client` is a DynamoDB client, `keep` how long days are kept; hours 100 days at the most."""

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
        self._keep: dict[Per, timedelta] = {"hour": min(keep, KEEP_HOURS), "day": keep}
        self._pause, self._chance = pause, chance
        self._known: dict[tuple[str, str], set[str]] = {}  # of a counter and a day: the values that are told apart
        self._asked: set[tuple[str, str]] = set()

    def count(self, records: Sequence[Counted], now: datetime) -> set[str]:
        """Count what was not counted before; gives the marks of what could not be written down, and is to come again.

        A record without counts is left alone. What DynamoDB would refuse for ever is logged and never counted. Raises nothing
        of AWS's: once nobody answers the rest is not tried.
        """
        unique = [record for record in {record.mark: record for record in records}.values() if record.counts]
        missed: set[str] = set()
        self._asked.clear()
        if len(self._known) > _KNOWN:
            self._known.clear()
        left = [_Piece(record.mark, record.mark, ()) for record in unique]
        try:
            left = [piece for record in unique for piece in self._pieces(record)]
            for pieces in _packed(left):
                missed |= self._written(pieces, now)
                left = left[len(pieces) :]
        except (BotoCoreError, ClientError) as error:
            log.warning("not-counted", records=len(left), detail=str(error))
            missed |= {piece.of for piece in left}
        return missed

    def read(self, name: str, per: Per, since: datetime, until: datetime) -> list[Cell]:
        """A counter's hours or days in order, from `since`'s own to before `until`: one Query. botocore's errors pass through."""
        first, after = _begin(per, since), _begin(per, until - timedelta(microseconds=1)) + _LENGTHS[per]
        values = {":pk": f"count#{name}", ":first": _sort_key(per, first), ":after": _sort_key(per, after)}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :after",
            ExpressionAttributeValues={key: {"S": value} for key, value in values.items()},
            ConsistentRead=True,
        )
        return [_cell(per, item) for page in pages for item in page["Items"]]

    def hours(self, scope: str, since: datetime, until: datetime) -> dict[datetime, Hour]:
        """The hours of a scope that have anything, of those that begin from `since`'s own to before `until`."""
        found: dict[datetime, dict[str, int]] = {}
        for cell in self.read(f"sent {scope}", "hour", since, until):
            found.setdefault(cell.moment, {})[cell.value] = int(cell.n)
        return {moment: Hour(**values) for moment, values in found.items()}

    def sent_of(self, person: str, since: datetime, until: datetime) -> dict[datetime, int]:
        """How many messages went to a person, by the hour; hours without any are left out."""
        found = self.hours(f"person {person}", since, until)
        return {hour: each.messages for hour, each in found.items() if each.messages}

    def failures_of(self, person: str, since: datetime, until: datetime) -> dict[datetime, int]:
        """How many messages to a person came to nothing, by the hour, though one was sent since; hours without are left out."""
        found = self.hours(f"person {person}", since, until)
        return {hour: each.failures for hour, each in found.items() if each.failures}

    def _pieces(self, record: Counted) -> Iterator[_Piece]:
        """A thing as what it adds to which items, in parts that fit into a transaction: cut before values are looked at, so that
        it is cut the same way when it comes again."""
        at = record.at.astimezone(UTC)
        for number, start in enumerate(range(0, len(record.counts), _PIECE)):
            adds: Sums = {}
            for count in record.counts[start : start + _PIECE]:
                value = self._told_apart(count.name, count.value, at) if "day" in count.per else count.value
                for per in count.per:
                    begin = _begin(per, at)
                    place = (f"count#{count.name}", _sort_key(per, begin, value), to_ms(begin + self._keep[per]) // 1000)
                    adds[place] = adds.get(place, 0) + count.amount
            yield _Piece(f"{record.mark}/{number}" if number else record.mark, record.mark, tuple(adds.items()))

    def _told_apart(self, name: str, value: str, at: datetime) -> str:
        """The value itself, or "other" where the day has enough of them. Of a day the table is asked once in each `count`, and
        only for a value that this container does not know."""
        if not value:
            return value
        day = (name, f"{at:{_FORMATS['day']}}")
        known = self._known.setdefault(day, set())
        if value not in known and len(known) < VALUES and day not in self._asked:
            known |= {cell.value for cell in self.read(name, "day", at, at + timedelta(microseconds=1))}
            self._asked.add(day)
        if value not in known and len(known) >= VALUES:
            return OTHER
        known.add(value)
        return value

    def _written(self, pieces: list[_Piece], now: datetime) -> set[str]:
        """Mark and count pieces that are not marked, in one transaction; gives the marks of those that were not taken."""
        for attempt in range(_TRIES):
            codes = self._transact(pieces, now)
            if not codes:
                return set()
            if _REFUSED in codes:
                return self._one_by_one(pieces, now)
            left = [piece for piece, code in zip(pieces, codes, strict=False) if code != _MARKED]
            if not left:
                return set()
            if len(left) == len(pieces):  # others write the same items now
                self._pause((0.5 + self._chance() / 2) * _PAUSE_S * 2**attempt)
            pieces = left
        log.warning("not-counted", records=len(pieces), detail="the counters are busy")
        return {piece.of for piece in pieces}

    def _transact(self, pieces: list[_Piece], now: datetime) -> list[str]:
        """Mark and count, all or nothing. [] where it was done; else why not, action by action ("None": not because of it)."""
        try:
            self._client.transact_write_items(TransactItems=self._actions(pieces, now))
        except ClientError as error:
            told: Any = error.response
            if told["Error"]["Code"] == "ValidationException":
                return [_REFUSED]
            codes = [reason.get("Code", "None") for reason in told.get("CancellationReasons", ())]
            if not codes:
                raise
            return codes
        return []

    def _one_by_one(self, pieces: list[_Piece], now: datetime) -> set[str]:
        """Leave out what DynamoDB would refuse for ever: a sum beyond its numbers, a name that is no key."""
        if len(pieces) == 1:
            log.warning("not-counted", detail="DynamoDB refuses it", mark=pieces[0].of)
            return set()
        half = len(pieces) // 2
        return self._written(pieces[:half], now) | self._written(pieces[half:], now)

    def _actions(self, pieces: Iterable[_Piece], now: datetime) -> list[dict[str, Any]]:
        """The marks first, in the order of the pieces: the reasons of a transaction that was cancelled are in this order."""
        sums: Sums = {}
        for piece in pieces:
            for place, amount in piece.adds:
                sums[place] = sums.get(place, 0) + amount
        forgotten = str(to_ms(now + KEEP_MARKS) // 1000)
        return [*(self._mark(piece.mark, forgotten) for piece in pieces), *(self._add(*each) for each in sums.items())]

    def _mark(self, mark: str, ttl: str) -> dict[str, Any]:
        item = {"pk": {"S": f"mark#{mark}"}, "sk": {"S": "mark"}, "ttl": {"N": ttl}}
        return {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}

    def _add(self, place: Place, amount: Number) -> dict[str, Any]:
        pk, sk, ttl = place
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
                "UpdateExpression": "SET #ttl = :ttl ADD n :n",
                "ExpressionAttributeNames": {"#ttl": "ttl"},
                "ExpressionAttributeValues": {":ttl": {"N": str(ttl)}, ":n": {"N": str(amount)}},
            }
        }


def count_items(counters: Counters, matches: Iterable[tuple[Event, str, CountBy]], now: datetime) -> set[str]:
    """Count changes of items, each once for each rule: the event, the rule's name and what it counts.

    Gives the identities of the events that could not be counted, and are to come again.
    """
    of_mark: dict[str, str] = {}
    counted = []
    for event, rule, count_by in matches:
        count = counts_of(event, count_by)
        mark = identity_of("count", event.identity, rule, str(count_by))
        if count:
            of_mark[mark] = event.identity
            counted.append(Counted(mark, event.at, (count,)))
    return {of_mark[mark] for mark in counters.count(counted, now)}


def _packed(pieces: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """In their order, as many together as a transaction takes."""
    packed: list[_Piece] = []
    touched: set[Place] = set()
    for piece in pieces:
        places = {place for place, _ in piece.adds}
        if packed and len(packed) + 1 + len(touched | places) > _ACTIONS:
            yield packed
            packed, touched = [], set()
        packed.append(piece)
        touched |= places
    if packed:
        yield packed


def _sort_key(per: Per, begin: datetime, value: str | None = None) -> str:
    key = f"{per}#{begin:{_FORMATS[per]}}"
    return key if value is None else f"{key}#{value}"


def _begin(per: Per, moment: datetime) -> datetime:
    hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if per == "hour" else hour.replace(hour=0)


def _cell(per: Per, item: Any) -> Cell:
    _, moment, value = item["sk"]["S"].split("#", 2)
    n = Decimal(item["n"]["N"])
    whole = n == n.to_integral_value()
    return Cell(datetime.strptime(f"{moment}+0000", f"{_FORMATS[per]}%z"), value, int(n) if whole else n)
