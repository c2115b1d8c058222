"""The ledger: one row a delivery in DynamoDB. Every arrow between states is one conditional write, made here.

Index `due` (shard × due_at) has what waits for a moment and nothing else: a finished row leaves it. Index `day` (day and
shard × created_at) has every row, for the log. Both hold keys only. A put costs 3 write units, a mark 2.
Source: Amazon DynamoDB developer guide, "Condition expressions" and "Take advantage of sparse indexes".
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import nlargest, nsmallest
from typing import Any

from botocore.exceptions import ClientError

from .clock import to_ms
from .delivery import ARROWS, Delivery
from .rows import (
    SHARDS,
    Item,
    Parked,
    day_keys,
    delivery_of_item,
    item_of_delivery,
    item_of_parked,
    key_of,
    parked_of_item,
)

_KEY_ATTRIBUTES = ("pk", "sk")
_BATCH = 100  # items a BatchGetItem may ask for


class Ledger:
    """Rows of one table. `client` is a boto3 DynamoDB client; its errors pass through: the caller's event comes again."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def insert(self, delivery: Delivery) -> bool:
        """Write a delivery that nobody has written before; False when it is there already.

        botocore repeats a call whose answer was lost, and then finds its own row: the claim token tells it from another's.
        """
        try:
            self._client.put_item(
                TableName=self._table,
                Item=item_of_delivery(delivery),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            there = _row_in_the_way(error)
            return there.claim == delivery.claim and there.state == delivery.state
        return True

    def move(self, old: Delivery, new: Delivery) -> bool:
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

    def due(self, now: datetime, limit: int) -> list[Delivery]:
        """At most `limit` deliveries whose moment has come, oldest first."""
        waiting = (found for shard in range(SHARDS) for found in self._keys("due", str(shard), "due_at", limit, until=now))
        oldest = nsmallest(limit, waiting, key=lambda item: int(item["due_at"]["N"]))
        rows = [delivery_of_item(item) for item in self._items(oldest)]
        return sorted((row for row in rows if row.due_at and row.due_at <= now), key=lambda row: row.due_at or now)

    def newest(self, limit: int, now: datetime, days: int = 7) -> list[Delivery | Parked]:
        """The newest deliveries and parked payloads of the last `days` days, newest first."""
        found: list[Item] = []
        for back in range(days):
            for shard in day_keys(now - timedelta(days=back)):
                found += self._keys("day", shard, "created_at", limit, newest_first=True)
            if len(found) >= limit:
                break
        chosen = nlargest(limit, found, key=lambda item: int(item["created_at"]["N"]))
        rows = [parked_of_item(item) if item["sk"]["S"] == "parked" else delivery_of_item(item) for item in self._items(chosen)]
        return sorted(rows, key=lambda row: row.created_at, reverse=True)

    def park(self, parked: Parked) -> bool:
        """Keep a payload that was not understood; False when it was parked before."""
        try:
            self._client.put_item(
                TableName=self._table, Item=item_of_parked(parked), ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if not _is_condition(error):
                raise
            return False
        return True

    def _keys(
        self,
        index: str,
        shard: str,
        sort: str,
        limit: int,
        *,
        until: datetime | None = None,
        newest_first: bool = False,
    ) -> list[Item]:
        """Up to `limit` entries of one shard of an index, in the order of its sort key."""
        condition, values = "#shard = :shard", {":shard": {"S": shard}}
        names = {"#shard": index}
        if until is not None:
            condition += " AND #sort <= :until"
            names["#sort"] = sort
            values[":until"] = {"N": str(to_ms(until))}
        answer = self._client.query(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
            ScanIndexForward=not newest_first,
            Limit=limit,
        )
        items: list[Item] = answer["Items"]
        return items

    def _items(self, found: list[Item]) -> Iterator[Item]:
        """The whole rows behind entries of an index; a row deleted meanwhile is left out."""
        keys = [{name: item[name] for name in _KEY_ATTRIBUTES} for item in found]
        for start in range(0, len(keys), _BATCH):
            yield from self._batch(keys[start : start + _BATCH])

    def _batch(self, keys: Iterable[Item]) -> Iterator[Item]:
        asked: Any = {self._table: {"Keys": list(keys), "ConsistentRead": True}}
        while asked:
            answer = self._client.batch_get_item(RequestItems=asked)
            yield from answer["Responses"].get(self._table, [])
            asked = answer.get("UnprocessedKeys")


def _is_condition(error: ClientError) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")


def _row_in_the_way(error: ClientError) -> Delivery:
    """The row that made a condition fail; any other error goes on its way."""
    if not _is_condition(error) or "Item" not in error.response:
        raise error
    there: Any = error.response
    return delivery_of_item(there["Item"])
