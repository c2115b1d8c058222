"""Adds counts exactly once: each transaction stores the marks of its records and adds their counts, all or nothing.

A transaction that meets a stored mark is repeated without that record. So a record that comes again (late, in another batch, or
while it is being counted elsewhere) counts once while its mark is stored: two days, and a stream keeps a record for one.

Cost: 2 write units per mark and per item that a transaction changes. 80 records of one hour and one counter cost 2.1 each, a
single record costs 6 (mark, hour and day). A transaction that meets marks is paid again. An item above 1 KB costs 2 per KB; only
those of hourly.py have several counts. Limit: an item accepts 1,000 write units per second, which is 500 transactions of up to 98
records.
Source: Amazon DynamoDB developer guide, "Amazon DynamoDB Transactions: How it works"; API reference, "TransactWriteItems" (100
actions, no two on one item; CancellationReasons in the order of the actions; botocore gives each call a ClientRequestToken).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from msgspec import Struct

from ...platform import log
from ...platform.clock import to_ms
from ..rows.versions import VERSION

MARK_RETENTION = timedelta(days=2)
_MAX_ACTIONS = 100  # per transaction
_MAX_ATTEMPTS = 6
_PAUSE_S = 0.05  # doubled after each attempt
_MARK_EXISTS, _REJECTED = "ConditionalCheckFailed", "ValidationError"

Number = int | Decimal


class CounterKey(NamedTuple):
    """An attribute of a counter's item. An update sets the item's ttl."""

    pk: str
    sk: str
    ttl: int
    attribute: str = "n"


Amounts = dict[CounterKey, Number]


class Chunk(Struct, frozen=True):
    """The counts of a record, or the part of them that fits into one transaction. Each part has its own mark."""

    mark: str
    record_mark: str
    amounts: tuple[tuple[CounterKey, Number], ...]


def group_chunks(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """Group chunks in order, as many together as a transaction accepts."""
    group: list[Chunk] = []
    group_keys: set[tuple[str, str]] = set()
    for chunk in chunks:
        keys = {(key.pk, key.sk) for key, _ in chunk.amounts}
        if group and len(group) + 1 + len(group_keys | keys) > _MAX_ACTIONS:
            yield group
            group, group_keys = [], set()
        group.append(chunk)
        group_keys |= keys
    if group:
        yield group


class CounterWriter:
    """Writes to the counters' table. `client` is a DynamoDB client."""

    def __init__(self, client: Any, table: str, pause: Callable[[float], None], chance: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._pause = pause
        self._chance = chance

    def write(self, chunks: list[Chunk], now: datetime) -> set[str]:
        """Add chunks that are not counted yet, in one transaction; returns the marks of records that must be sent again."""
        for attempt in range(_MAX_ATTEMPTS):
            codes = self._transact(chunks, now)
            if not codes:
                return set()
            if _REJECTED in codes:
                return self._write_halves(chunks, now)
            uncounted = [chunk for chunk, code in zip(chunks, codes, strict=False) if code != _MARK_EXISTS]
            if not uncounted:
                return set()
            if len(uncounted) == len(chunks):  # others are writing the same items
                self._pause((0.5 + self._chance() / 2) * _PAUSE_S * 2**attempt)
            chunks = uncounted
        log.warning("not-counted", records=len(chunks), detail="the counters are busy")
        return {chunk.record_mark for chunk in chunks}

    def _transact(self, chunks: list[Chunk], now: datetime) -> list[str]:
        """Store marks and add counts, all or nothing; returns [], or each action's reason ("None": not the cause)."""
        try:
            self._client.transact_write_items(TransactItems=self._actions(chunks, now))
        except ClientError as error:
            response: Any = error.response
            if response["Error"]["Code"] == "ValidationException":
                return [_REJECTED]
            codes = [reason.get("Code", "None") for reason in response.get("CancellationReasons", ())]
            if not codes:
                raise
            return codes
        return []

    def _write_halves(self, chunks: list[Chunk], now: datetime) -> set[str]:
        """Leave out what DynamoDB always rejects, such as a sum beyond its range or a value too long for a key."""
        if len(chunks) == 1:
            log.warning("not-counted", detail="DynamoDB rejects it", mark=chunks[0].record_mark)
            return set()
        half = len(chunks) // 2
        return self.write(chunks[:half], now) | self.write(chunks[half:], now)

    def _actions(self, chunks: Iterable[Chunk], now: datetime) -> list[dict[str, Any]]:
        """The marks first, in the order of the chunks: the reasons of a cancelled transaction have the order of its actions."""
        sums: dict[tuple[str, str, int], dict[str, Number]] = {}  # by item and attribute
        for chunk in chunks:
            for (pk, sk, ttl, attribute), amount in chunk.amounts:
                item = sums.setdefault((pk, sk, ttl), {})
                item[attribute] = item.get(attribute, 0) + amount
        mark_ttl = str(to_ms(now + MARK_RETENTION) // 1000)
        return [
            *(self._put_mark(chunk.mark, mark_ttl) for chunk in chunks),
            *(self._add(*key, amounts) for key, amounts in sums.items()),
        ]

    def _put_mark(self, mark: str, ttl: str) -> dict[str, Any]:
        item = {"pk": {"S": f"mark#{mark}"}, "sk": {"S": "mark"}, "ttl": {"N": ttl}}
        return {"Put": {"TableName": self._table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}

    def _add(self, pk: str, sk: str, ttl: int, amounts: dict[str, Number]) -> dict[str, Any]:
        names = {f"#{number}": attribute for number, attribute in enumerate(amounts)}
        values = {f":{number}": {"N": str(amount)} for number, amount in enumerate(amounts.values())}
        additions = ", ".join(f"#{number} :{number}" for number in range(len(amounts)))
        return {
            "Update": {
                "TableName": self._table,
                "Key": {"pk": {"S": pk}, "sk": {"S": sk}},
                "UpdateExpression": f"SET #ttl = :ttl, v = :v ADD {additions}",
                "ExpressionAttributeNames": {"#ttl": "ttl", **names},
                "ExpressionAttributeValues": {":ttl": {"N": str(ttl)}, ":v": VERSION["v"], **values},
            }
        }
