"""One row per hour and one per month (UTC): the numbers behind the console's dashboard.

    hourly   hour#2026-11-23T10   files, f#<folder>, d#<channel>#<outcome>#<reason>, l#<latency class>, s#<calling code>, v, ttl
    hourly   month#2026-11        the same without folders and latency classes

All attributes but v and ttl are numbers that counter_writes.py adds to, in the transaction with the marks of their records, so
each record counts once. A dashboard of a day is one Query of 25 small rows, a month's total one more. Write units count per
KB, so a row must stay small: an hour has at most MAX_FOLDERS folders of at most MAX_FOLDER_BYTES each; all others count as
"(other)". If several containers find new folders at the same time, it may be a few more.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from ...domain.settings import COUNTER_RETENTION
from ...platform.clock import to_ms
from ..rows.versions import Item, readable, reads_row
from .counter_writes import CounterKey

HOUR_RETENTION, MONTH_RETENTION = timedelta(days=100), COUNTER_RETENTION
MAX_FOLDERS, MAX_FOLDER_BYTES = 100, 64  # of an hour
OTHER_FOLDERS = "(other)"  # no folder's name: those begin with their bucket
FILES = "files"
_PARTITION, _HOUR, _MONTH = "hourly", "hour#%Y-%m-%dT%H", "month#%Y-%m"
_FOLDER, _DELIVERY, _LATENCY, _SEGMENTS = "f#", "d#", "l#", "s#"
_MAX_CACHED_HOURS = 50  # whose folders a container remembers

Counts = dict[str, int]  # by attribute of a row


class Outcome(Struct, frozen=True, order=True):
    """How a delivery ended. All three are words of the ledger: a later version may have more of them."""

    channel: str
    state: str
    reason: str


class HourlyRow(Struct, frozen=True):
    """The counts of an hour, or of a month."""

    at: datetime  # its start, UTC
    files: int = 0
    folders: Mapping[str, int] = {}  # files by "<bucket>/<folder>"; "<bucket>/" is its top level
    deliveries: Mapping[Outcome, int] = {}
    latencies: Mapping[int, int] = {}  # messages by latency class
    segments: Mapping[str, int] = {}  # of sent texts, by calling code ("91") or a longer prefix ("1876"); "" if unknown


def folder_count(name: str) -> str:
    """The attribute that counts a folder's files. Folders whose first MAX_FOLDER_BYTES are equal count as one."""
    return _FOLDER + name.encode()[:MAX_FOLDER_BYTES].decode(errors="ignore")


def outcome_count(outcome: Outcome) -> str:
    """The attribute that counts deliveries with this outcome."""
    return f"{_DELIVERY}{outcome.channel}#{outcome.state}#{outcome.reason}"


def latency_count(latency_class: int) -> str:
    """The attribute that counts messages of a latency class."""
    return f"{_LATENCY}{latency_class}"


def segments_count(calling_code: str) -> str:
    """The attribute that counts the segments sent to numbers with a calling code."""
    return _SEGMENTS + calling_code


class HourlyRows:
    """Reads the rows, and says which counts of them a record adds to. `client` is a DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table
        self._folders: dict[str, set[str]] = {}  # by hour: the folders counted separately
        self._queried: set[str] = set()

    def forget_queries(self) -> None:
        """Read an hour's folders again if a new one is found: call it once per batch."""
        self._queried.clear()
        if len(self._folders) > _MAX_CACHED_HOURS:
            self._folders.clear()

    def amounts(self, at: datetime, counts: Mapping[str, int]) -> Iterator[tuple[CounterKey, int]]:
        """What a record's counts add to the rows of its hour and month."""
        hour, month = _start_of_hour(at), _start_of_month(at)
        hour_key, month_key = f"{hour:{_HOUR}}", f"{month:{_MONTH}}"
        hour_ttl, month_ttl = (to_ms(start + keep) // 1000 for start, keep in ((hour, HOUR_RETENTION), (month, MONTH_RETENTION)))
        for name, amount in counts.items():
            attribute = self._folder_or_other(hour_key, name) if name.startswith(_FOLDER) else name
            yield CounterKey(_PARTITION, hour_key, hour_ttl, attribute), amount
            if not name.startswith((_FOLDER, _LATENCY)):
                yield CounterKey(_PARTITION, month_key, month_ttl, name), amount

    def hours(self, since: datetime, until: datetime) -> list[HourlyRow]:
        """The hours with any counts in order, including that of `since`, excluding those from `until` on.

        One Query, eventually consistent; botocore's errors propagate.
        """
        last = _start_of_hour(until - timedelta(microseconds=1))
        return self._query(f"{_start_of_hour(since):{_HOUR}}", f"{last:{_HOUR}}")

    def month(self, at: datetime) -> HourlyRow:
        """The counts of the month (UTC) that `at` is in. One Query, eventually consistent; botocore's errors propagate."""
        start = _start_of_month(at)
        key = f"{start:{_MONTH}}"
        return next(iter(self._query(key, key)), HourlyRow(start))

    def _query(self, first: str, last: str) -> list[HourlyRow]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={":pk": {"S": _PARTITION}, ":first": {"S": first}, ":last": {"S": last}},
        )
        return list(readable((item for page in pages for item in page["Items"]), _from_item))

    def _folder_or_other(self, hour_key: str, attribute: str) -> str:
        """The attribute, or that of "(other)" if the hour has MAX_FOLDERS other folders.

        The hour's row is read at most once per batch, and only for a folder that this container does not know.
        """
        if attribute == _FOLDER + OTHER_FOLDERS:
            return attribute
        known = self._folders.setdefault(hour_key, set())
        if attribute not in known and len(known) < MAX_FOLDERS and hour_key not in self._queried:
            known |= {_FOLDER + name for row in self._query(hour_key, hour_key) for name in row.folders if name != OTHER_FOLDERS}
            self._queried.add(hour_key)
        if attribute not in known and len(known) >= MAX_FOLDERS:
            return _FOLDER + OTHER_FOLDERS
        known.add(attribute)
        return attribute


@reads_row
def _from_item(item: Item) -> HourlyRow:
    sort_key = item["sk"]["S"]
    at = datetime.strptime(f"{sort_key}+0000", f"{_HOUR if sort_key.startswith('hour') else _MONTH}%z")
    counts = {name: int(typed["N"]) for name, typed in item.items() if "N" in typed}
    outcomes = {Outcome(*name.split("#")): n for name, n in _with_prefix(counts, _DELIVERY) if name.count("#") == 2}
    return HourlyRow(
        at=at,
        files=counts.get(FILES, 0),
        folders=dict(_with_prefix(counts, _FOLDER)),
        deliveries=outcomes,
        latencies={int(name): n for name, n in _with_prefix(counts, _LATENCY)},
        segments=dict(_with_prefix(counts, _SEGMENTS)),
    )


def _with_prefix(counts: Mapping[str, int], prefix: str) -> list[tuple[str, int]]:
    return [(name.removeprefix(prefix), n) for name, n in counts.items() if name.startswith(prefix)]


def _start_of_hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _start_of_month(moment: datetime) -> datetime:
    return _start_of_hour(moment).replace(day=1, hour=0)
