"""Reads the ledger's rows by time, through its two indexes.

Index `due` (shard and due_at) has only rows that wait for a time; a finished row leaves it. Its shards that are part of a queue
are read by queues.py. Index `day` (day and shard, and
created_at) has every row, for the log. Both contain keys only, so the rows are read in batches.
Rows that a later version wrote are left out, and logged.
Source: Amazon DynamoDB developer guide, "Take advantage of sparse indexes".
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from ..domain.bundle import Bundle
from ..domain.delivery import Delivery
from ..platform.clock import to_ms
from .rows import Parked, bundle_from_item, day_keys, delivery_from_item, index_shards, parked_from_item
from .rows.versions import Item, readable, reads_row

_KEY_ATTRIBUTES = ("pk", "sk")
_BATCH = 100  # the maximum number of items in a BatchGetItem

_DECODERS: dict[str, Callable[[Item], Delivery | Bundle | Parked]] = {
    "delivery": delivery_from_item,
    "bundle": bundle_from_item,
    "parked": parked_from_item,
}


def _due_from_item(item: Item) -> Delivery | Bundle:
    return bundle_from_item(item) if item["sk"]["S"] == "bundle" else delivery_from_item(item)


@reads_row  # another kind of row is a later version's
def _row_from_item(item: Item) -> Delivery | Bundle | Parked:
    return _DECODERS[item["sk"]["S"]](item)


class LedgerIndex:
    """The indexes of one table. `client` is a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def due(self, now: datetime) -> Iterator[Delivery | Bundle]:
        """Yield due bundles and claimed deliveries, and waiting deliveries of earlier versions, oldest first."""
        shards = [self._query("due", str(shard), "due_at", now) for shard in range(index_shards())]
        items = self.rows(merge(*shards, key=lambda entry: int(entry["due_at"]["N"])))
        for row in readable(items, _due_from_item):
            if row.due_at and row.due_at <= now:  # the index may lag behind the row
                yield row

    def newest(self, since: datetime, until: datetime) -> Iterator[Delivery | Bundle | Parked]:
        """Yield the deliveries, bundles and parked payloads created in a period, newest first."""
        yield from readable(self.rows(self._created(since, until)), _row_from_item)

    def with_body(self, body_hash: str, since: datetime, until: datetime) -> Iterator[Delivery]:
        """Yield the deliveries created in a period whose message had this body."""
        yield from readable(self.rows(self._created(since, until, body_hash)), delivery_from_item)

    def _created(self, since: datetime, until: datetime, body_hash: str = "") -> Iterator[Item]:
        """Yield the entries of index `day` for a period, newest first; optionally only those with a hash."""
        day = until
        while day.date() >= since.date():
            shards = [self._query("day", shard, "created_at", until, since, body_hash) for shard in day_keys(day)]
            yield from merge(*shards, key=lambda entry: int(entry["created_at"]["N"]), reverse=True)
            day -= timedelta(days=1)

    def _query(
        self, index: str, shard: str, sort: str, until: datetime, since: datetime | None = None, body_hash: str = ""
    ) -> Iterator[Item]:
        """Yield the entries of one shard: oldest first up to a time, or newest first within a period."""
        condition, names = "#shard = :shard AND #sort <= :until", {"#shard": index, "#sort": sort}
        values = {":shard": {"S": shard}, ":until": {"N": str(to_ms(until))}}
        options: dict[str, Any] = {"PaginationConfig": {"PageSize": _BATCH}}
        if since is not None:
            condition, values[":since"] = "#shard = :shard AND #sort BETWEEN :since AND :until", {"N": str(to_ms(since))}
        if body_hash:  # a page is counted before the filter: use few large pages
            options, values[":hash"] = {"FilterExpression": "body_hash = :hash"}, {"S": body_hash}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=since is None,
            **options,
        )
        for page in pages:
            yield from page["Items"]

    def rows(self, entries: Iterable[Item]) -> Iterator[Item]:
        """Yield the complete rows of index entries, in order; rows deleted meanwhile are left out."""
        entries = iter(entries)
        while keys := [{name: entry[name] for name in _KEY_ATTRIBUTES} for entry in islice(entries, _BATCH)]:
            rows = {item["pk"]["S"]: item for item in self._batch_get(keys)}
            yield from (rows[key["pk"]["S"]] for key in keys if key["pk"]["S"] in rows)

    def _batch_get(self, keys: Iterable[Item]) -> Iterator[Item]:
        request: Any = {self._table: {"Keys": list(keys), "ConsistentRead": True}}
        while request:
            response = self._client.batch_get_item(RequestItems=request)
            yield from response["Responses"].get(self._table, [])
            request = response.get("UnprocessedKeys")
