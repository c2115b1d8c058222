"""The queues of waiting deliveries: their registry, their due rows, and the leases that keep two sweeps off one shard.

A queue's rows are in index `due` under "<queue>/<shard>". Its row in the registry (pk "queues", sk the queue's id) is written
before its first delivery, so the sweep finds every queue with one Query. The leases (sk "lease/<shard>") are there too.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from ..domain.delivery import Delivery
from ..domain.people import Channel
from ..platform.clock import from_ms, to_ms
from ..policy.pacing.queue import WAITING_STATES, Queue, queue_of
from .ledger_index import LedgerIndex
from .rows import Item, delivery_from_item, index_shards, ttl_of
from .rows.versions import VERSION, readable

REGISTER_INTERVAL = timedelta(minutes=30)  # how often each container registers a queue that it uses
FORGET_AFTER = timedelta(hours=1)  # twice as long: nobody can still be writing to a queue that is forgotten
_PK = "queues"
# An earlier version stops at any other word in `channel`; with this one it reads the queue, and leaves rows of channels that it
# does not know alone. This version reads `lane`.
_EARLIER_LANES = (Channel.EMAIL, Channel.SMS)


class Lease(Struct, frozen=True):
    """The right to send the rows of one shard, of every queue, until a time. A temporary sweep gives way to the schedule's."""

    shard: int
    holder: str
    until: datetime
    is_temporary: bool = False


class Registry(Struct, frozen=True):
    """What one read of the registry returns."""

    queues: tuple[Queue, ...]
    leases: Mapping[int, Lease]


class Cursor(Struct, frozen=True):
    """How far a shard of a queue was read."""

    due_at: int  # milliseconds
    id: str


class Queues:
    """The queues of one table. `client` is a boto3 DynamoDB client."""

    def __init__(self, client: Any, table: str, index: LedgerIndex) -> None:
        self._client = client
        self._table = table
        self._index = index
        self._registered: dict[tuple[str, int], datetime] = {}
        self._lock = Lock()

    def register(self, delivery: Delivery) -> None:
        """Register the queue of a delivery that is about to be written, unless this container did so recently."""
        queue = queue_of(delivery, index_shards())
        if queue is None:
            return
        with self._lock:
            registered_at = self._registered.get((queue.id, queue.shards))
            if registered_at is not None and abs(queue.used_at - registered_at) < REGISTER_INTERVAL:
                return
            if not self._write(queue, "attribute_not_exists(pk) OR shards <= :shards"):
                self._write(queue, "shards > :shards", keep_shards=True)  # a newer version uses more of them
            self._registered[queue.id, queue.shards] = queue.used_at

    def read(self) -> Registry:
        """Return all queues and leases."""
        request: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": {":pk": {"S": _PK}},
            "ConsistentRead": True,
        }
        items: list[Item] = []
        while True:
            response = self._client.query(**request)
            items += response["Items"]
            if "LastEvaluatedKey" not in response:
                break
            request["ExclusiveStartKey"] = response["LastEvaluatedKey"]
        leases = [_lease_from_item(item) for item in items if "holder" in item]
        queues = tuple(_queue_from_item(item) for item in items if "rule" in item)
        return Registry(queues, {lease.shard: lease for lease in leases})

    def page(
        self, queue: str, shard: int, now: datetime, limit: int, after: Cursor | None = None
    ) -> tuple[list[Delivery], Cursor | None]:
        """Return at most `limit` due deliveries of a queue's shard after a cursor, oldest first, and the cursor after them."""
        start = {"ExclusiveStartKey": _start_key(queue, shard, after)} if after else {}
        response = self._client.query(
            TableName=self._table,
            IndexName="due",
            KeyConditionExpression="due = :due AND due_at <= :now",
            ExpressionAttributeValues={":due": {"S": f"{queue}/{shard}"}, ":now": {"N": str(to_ms(now))}},
            Limit=limit,
            **start,
        )
        entries = response["Items"]
        if not entries:
            return [], after
        rows = readable(self._index.rows(entries), delivery_from_item)
        due = [row for row in rows if row.state in WAITING_STATES and row.due_at and row.due_at <= now]  # the index may lag
        last = entries[-1]
        return due, Cursor(int(last["due_at"]["N"]), last["pk"]["S"].partition("#")[2])

    def forget(self, queue: Queue, now: datetime) -> bool:
        """Remove a queue from the registry if it has been unused for FORGET_AFTER and has no rows."""
        if now - queue.used_at < FORGET_AFTER or any(self._has_rows(queue.id, shard) for shard in range(queue.shards)):
            return False
        return self._conditional(
            self._client.delete_item,
            Key=_key(queue.id),
            ConditionExpression="used_at = :used_at",
            ExpressionAttributeValues={":used_at": {"N": str(to_ms(queue.used_at))}},
        )

    def acquire(self, lease: Lease, now: datetime) -> bool:
        """Take a shard's lease; False if another sweep has it. A sweep that is not temporary takes it from one that is."""
        condition = "attribute_not_exists(pk) OR #until <= :now OR holder = :holder OR #temporary = :takes_over"
        return self._conditional(
            self._client.put_item,
            Item={
                **_key(f"lease/{lease.shard}"),
                **VERSION,
                "holder": {"S": lease.holder},
                "until": {"N": str(to_ms(lease.until))},
                "temporary": {"BOOL": lease.is_temporary},
            },
            ConditionExpression=condition,
            ExpressionAttributeNames={"#until": "until", "#temporary": "temporary"},
            ExpressionAttributeValues={
                ":now": {"N": str(to_ms(now))},
                ":holder": {"S": lease.holder},
                ":takes_over": {"S": "nothing"} if lease.is_temporary else {"BOOL": True},
            },
        )

    def release(self, lease: Lease, now: datetime) -> None:
        """End a lease, unless another sweep has taken it."""
        self._conditional(
            self._client.update_item,
            Key=_key(f"lease/{lease.shard}"),
            UpdateExpression="SET #until = :now",
            ConditionExpression="holder = :holder",
            ExpressionAttributeNames={"#until": "until"},
            ExpressionAttributeValues={":now": {"N": str(to_ms(now))}, ":holder": {"S": lease.holder}},
        )

    def _write(self, queue: Queue, condition: str, *, keep_shards: bool = False) -> bool:
        """Write a queue's row. `ttl` is only a last resort: as long as the newest of its deliveries can exist."""
        channel = queue.lane if queue.lane in _EARLIER_LANES else Channel.EMAIL.value
        return self._conditional(
            self._client.update_item,
            Key=_key(queue.id),
            UpdateExpression="SET v = :v, channel = :channel, lane = :lane, urgent = :urgent, #rule = :rule, used_at = :used_at"
            ", #ttl = :ttl" + ("" if keep_shards else ", shards = :shards"),
            ConditionExpression=condition,
            ExpressionAttributeNames={"#rule": "rule", "#ttl": "ttl"},
            ExpressionAttributeValues={
                ":v": VERSION["v"],
                ":channel": {"S": channel},
                ":lane": {"S": queue.lane},
                ":urgent": {"BOOL": queue.urgent},
                ":rule": {"S": queue.rule},
                ":used_at": {"N": str(to_ms(queue.used_at))},
                ":ttl": {"N": str(ttl_of(queue.used_at))},
                ":shards": {"N": str(queue.shards)},
            },
        )

    def _has_rows(self, queue: str, shard: int) -> bool:
        response = self._client.query(
            TableName=self._table,
            IndexName="due",
            KeyConditionExpression="due = :due",
            ExpressionAttributeValues={":due": {"S": f"{queue}/{shard}"}},
            Limit=1,
        )
        return bool(response["Items"])

    def _conditional(self, call: Any, **request: Any) -> bool:
        """Make a conditional write; False if its condition failed."""
        try:
            call(TableName=self._table, **request)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _key(name: str) -> Item:
    return {"pk": {"S": _PK}, "sk": {"S": name}}


def _start_key(queue: str, shard: int, cursor: Cursor) -> Item:
    return {
        "pk": {"S": f"delivery#{cursor.id}"},
        "sk": {"S": "delivery"},
        "due": {"S": f"{queue}/{shard}"},
        "due_at": {"N": str(cursor.due_at)},
    }


def _queue_from_item(item: Item) -> Queue:
    return Queue(
        item["sk"]["S"],
        item.get("lane", item["channel"])["S"],
        item["urgent"]["BOOL"],
        item["rule"]["S"],
        int(item["shards"]["N"]),
        from_ms(int(item["used_at"]["N"])),
    )


def _lease_from_item(item: Item) -> Lease:
    shard = int(item["sk"]["S"].partition("/")[2])
    return Lease(shard, item["holder"]["S"], from_ms(int(item["until"]["N"])), item["temporary"]["BOOL"])
