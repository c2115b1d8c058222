"""The ledger: one row a delivery in DynamoDB. Every arrow between states is one conditional write, made here.

Index `due` (shard × due_at) has what waits for a moment and nothing else: a finished row leaves it. Index `day` (day and
shard × created_at) has every row, for the log. Both hold keys only. A put costs 3 write units, a mark 2.
Source: Amazon DynamoDB developer guide, "Condition expressions" and "Take advantage of sparse indexes".
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from ..domain.bundle import Bundle
from ..domain.delivery import ARROWS, BIRTHS, Delivery
from ..platform.clock import to_ms
from .rows import (
    SHARDS,
    Item,
    Parked,
    bundle_of_item,
    day_keys,
    delivery_of_item,
    item_of_delivery,
    item_of_parked,
    item_of_receipt,
    key_of,
    parked_of_item,
)

# A put that hangs is given up in time for AWS to send the event again; botocore repeats what was refused for a moment.
LEDGER_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4})

_KEY_ATTRIBUTES = ("pk", "sk")
_BATCH = 100  # items a BatchGetItem may ask for
NEW = "attribute_not_exists(pk)"


class Ledger:
    """Rows of one table. `client` is a boto3 DynamoDB client; its errors pass through: the caller's event comes again."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def insert(self, delivery: Delivery) -> Delivery:
        """Write a delivery that nobody has written before; gives the one that is there now: this one or another's.

        botocore repeats a call whose answer was lost, and then finds its own row: the claim token tells it from another's.

        Raises:
            ValueError: a row may not begin in that state.
        """
        if delivery.state not in BIRTHS:
            raise ValueError(f"no delivery begins as {delivery.state}")
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item_of_delivery(delivery),
                ConditionExpression=NEW,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            return _row_in_the_way(error)
        return delivery

    def transition(self, old: Delivery, new: Delivery) -> bool:
        """Follow one arrow of the state table; False when the row is no longer as `old` says (somebody else moved it).

        Raises:
            ValueError: there is no such arrow.
        """
        if new.state not in ARROWS[old.state]:
            raise ValueError(f"no arrow leads from {old.state} to {new.state}")
        before, after = item_of_delivery(old), item_of_delivery(new)
        changed = {name: value for name, value in after.items() if before.get(name) != value}
        gone = [name for name in before if name not in after]
        changes = "SET " + ", ".join(f"#{name} = :{name}" for name in changed)
        if gone:
            changes += " REMOVE " + ", ".join(f"#{name}" for name in gone)
        try:
            self._client.update_item(
                TableName=self._table,
                Key=key_of("delivery", old.id),
                UpdateExpression=changes,
                ConditionExpression="#state = :old_state AND #claim = :old_claim",
                ExpressionAttributeNames={f"#{name}": name for name in {*changed, *gone, "state", "claim"}},
                ExpressionAttributeValues={
                    **{f":{name}": value for name, value in changed.items()},
                    ":old_state": {"S": old.state.value},
                    ":old_claim": {"S": old.claim},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            there = _row_in_the_way(error)
            return there.claim == new.claim and there.state == new.state
        return True

    def get(self, id_: str) -> Delivery | None:
        """The delivery of that id as it is now, or None."""
        answer = self._client.get_item(TableName=self._table, Key=key_of("delivery", id_), ConsistentRead=True)
        return delivery_of_item(answer["Item"]) if "Item" in answer else None

    def due(self, now: datetime) -> Iterator[Delivery | Bundle]:
        """The deliveries and bundles whose moment has come, oldest first, read as far as they are asked for."""
        shards = [self._keys("due", str(shard), "due_at", now) for shard in range(SHARDS)]
        for item in self._items(merge(*shards, key=lambda item: int(item["due_at"]["N"]))):
            row = bundle_of_item(item) if item["sk"]["S"] == "bundle" else delivery_of_item(item)
            if row.due_at and row.due_at <= now:  # the index may lag behind the row
                yield row

    def newest(self, since: datetime, until: datetime) -> Iterator[Delivery | Bundle | Parked]:
        """The deliveries, bundles and parked payloads made in that time, newest first, read as far as they are asked for."""
        for item in self._items(self._of_days(since, until)):
            yield _READERS[item["sk"]["S"]](item)

    def with_words(self, body_hash: str, since: datetime, until: datetime) -> Iterator[Delivery]:
        """The deliveries made in that time whose message had these very words."""
        for item in self._items(self._of_days(since, until, body_hash)):
            yield delivery_of_item(item)

    def adopt(self, receipt: str, id_: str, now: datetime) -> bool:
        """Note that a message in a provider's list is this delivery's; False when it is another's."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item_of_receipt(receipt, id_, now),
                ConditionExpression=f"{NEW} OR delivery = :id",
                ExpressionAttributeValues={":id": {"S": id_}},
            )
        except ClientError as error:
            return failed_condition(error)
        return True

    def park(self, parked: Parked) -> bool:
        """Keep a payload that was not understood; False when it was parked before."""
        try:
            self._client.put_item(TableName=self._table, Item=item_of_parked(parked), ConditionExpression=NEW)
        except ClientError as error:
            return failed_condition(error)
        return True

    def parked(self, id_: str) -> Parked | None:
        """The parked payload of that id, or None."""
        answer = self._client.get_item(TableName=self._table, Key=key_of("parked", id_), ConsistentRead=True)
        return parked_of_item(answer["Item"]) if "Item" in answer else None

    def redriven(self, parked: Parked) -> None:
        """Write down that a parked payload was understood after all."""
        self._client.put_item(TableName=self._table, Item=item_of_parked(parked))

    def _of_days(self, since: datetime, until: datetime, body_hash: str = "") -> Iterator[Item]:
        """The entries of index `day` for that time, newest first; with a hash only those that have it."""
        day = until
        while day.date() >= since.date():
            shards = [self._keys("day", shard, "created_at", until, since, body_hash) for shard in day_keys(day)]
            yield from merge(*shards, key=lambda item: int(item["created_at"]["N"]), reverse=True)
            day -= timedelta(days=1)

    def _keys(
        self, index: str, shard: str, sort: str, until: datetime, since: datetime | None = None, body_hash: str = ""
    ) -> Iterator[Item]:
        """The entries of one shard of an index, page by page: up to a moment oldest first, or of a time newest first."""
        condition, names = "#shard = :shard AND #sort <= :until", {"#shard": index, "#sort": sort}
        values = {":shard": {"S": shard}, ":until": {"N": str(to_ms(until))}}
        more: dict[str, Any] = {"PaginationConfig": {"PageSize": _BATCH}}
        if since is not None:
            condition, values[":since"] = "#shard = :shard AND #sort BETWEEN :since AND :until", {"N": str(to_ms(since))}
        if body_hash:  # a page is what was read, not what the filter lets through: few and large ones
            more, values[":hash"] = {"FilterExpression": "body_hash = :hash"}, {"S": body_hash}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=since is None,
            **more,
        )
        for page in pages:
            yield from page["Items"]

    def _items(self, found: Iterable[Item]) -> Iterator[Item]:
        """The whole rows behind entries of an index, in their order; a row deleted meanwhile is left out."""
        entries = iter(found)
        while keys := [{name: item[name] for name in _KEY_ATTRIBUTES} for item in islice(entries, _BATCH)]:
            rows = {item["pk"]["S"]: item for item in self._batch(keys)}
            yield from (rows[key["pk"]["S"]] for key in keys if key["pk"]["S"] in rows)

    def _batch(self, keys: Iterable[Item]) -> Iterator[Item]:
        asked: Any = {self._table: {"Keys": list(keys), "ConsistentRead": True}}
        while asked:
            answer = self._client.batch_get_item(RequestItems=asked)
            yield from answer["Responses"].get(self._table, [])
            asked = answer.get("UnprocessedKeys")


_READERS: dict[str, Callable[[Item], Delivery | Bundle | Parked]] = {
    "delivery": delivery_of_item,
    "bundle": bundle_of_item,
    "parked": parked_of_item,
}


def _is_condition(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")


def failed_condition(error: ClientError) -> bool:
    """False for a condition that did not hold; any other error goes on its way."""
    if not _is_condition(error):
        raise error
    return False


def item_in_the_way(error: ClientError) -> Item:
    """The item that made a condition fail; any other error goes on its way."""
    if not _is_condition(error) or "Item" not in error.response:
        raise error
    there: Any = error.response
    item: Item = there["Item"]
    return item


def _row_in_the_way(error: ClientError) -> Delivery:
    return delivery_of_item(item_in_the_way(error))
