"""The keys of rows, the shards of their indexes, and the attributes that every row has."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from ...domain.delivery import Delivery
from ...platform.clock import from_ms, to_ms
from ...policy.pacing.queue import WAITING_STATES, queue_id
from .versions import Item

SHARDS = 4  # of a bundle's members: never changed, because a repeated event must find its member
# Of each index, and of each queue in index `due`: a partition key accepts 1,000 writes per second. To grow it, deploy a higher
# number, never a lower one: readers then read the old shards and the new ones.
INDEX_SHARDS = 4
RETENTION = timedelta(days=90)  # then DynamoDB deletes the row

Values = dict[str, str | int]  # of a row's attributes, before they are typed


def key_of(kind: str, id_: str) -> Item:
    """Return the primary key of an id's only row; `kind` is "delivery", "bundle", "parked", …."""
    return {"pk": {"S": f"{kind}#{id_}"}, "sk": {"S": kind}}


def shard_of(id_: str) -> int:
    """Return the shard of a bundle's member. Ids are hashes, so the shards fill evenly."""
    return int(id_[:4], 16) % SHARDS


def index_shards() -> int:
    """Return the number of shards of each index: the one place that readers and writers take it from."""
    return INDEX_SHARDS


def index_shard(id_: str) -> int:
    """Return an id's shard of each index."""
    return int(id_[:4], 16) % index_shards()


def day_keys(day: datetime) -> list[str]:
    """Return the partition keys of index `day` for rows created on a day (UTC)."""
    return [_day_key(day, shard) for shard in range(index_shards())]


def _day_key(day: datetime, shard: int) -> str:
    return f"{day.date()}#{shard}"


def due_partition(delivery: Delivery) -> str:
    """Return a waiting delivery's partition key in index `due`."""
    shard = index_shard(delivery.id)
    return f"{queue_id(delivery)}/{shard}" if delivery.state in WAITING_STATES else str(shard)


def day_index_of(id_: str, created_at: datetime) -> Values:
    """Return the attributes of index `day`, and when DynamoDB deletes the row."""
    return {
        "created_at": to_ms(created_at),
        "day": _day_key(created_at, index_shard(id_)),
        "ttl": ttl_of(created_at),
    }


def ttl_of(moment: datetime) -> int:
    """Return when DynamoDB deletes a row that matters for RETENTION after a moment: seconds since 1970, as DynamoDB requires."""
    return to_ms(moment + RETENTION) // 1000


def optional_time(milliseconds: int | None) -> datetime | None:
    """Convert milliseconds since 1970, or None."""
    return None if milliseconds is None else from_ms(milliseconds)


def to_attributes(values: Values) -> Item:
    """Convert values to typed attributes, without empty ones."""
    return {name: {"N": str(value)} if isinstance(value, int) else {"S": value} for name, value in values.items() if value != ""}


def update_of(changed: Item, removed: Sequence[str]) -> dict[str, Any]:
    """Return the fields of an UpdateItem request that set and remove attributes, under the placeholders #NAME and :NAME."""
    expression = "SET " + ", ".join([f"#{name} = :{name}" for name in changed]) if changed else ""
    if removed:
        expression += " REMOVE " + ", ".join([f"#{name}" for name in removed])
    return {
        "UpdateExpression": expression,
        "ExpressionAttributeNames": {f"#{name}": name for name in (*changed, *removed)},
        "ExpressionAttributeValues": {f":{name}": value for name, value in changed.items()},
    }


def from_attributes(item: Item) -> dict[str, Any]:
    """Convert typed attributes to values."""
    return {name: int(typed["N"]) if "N" in typed else typed.get("S", typed.get("B")) for name, typed in item.items()}
