"""`dropnote roll-back`: moves waiting deliveries out of the queues, to where the sweep of the earlier version finds them.

In index `due`, that version reads the partitions "0" to "3" only; this one has waiting deliveries under "<queue>/<shard>" (docs/
architecture.md, "The sweep and its queues"), and reads both. So a row may be moved at any time. Only `due` changes, and only if
the row is still where it was found: a row that was claimed or finished meanwhile has left the queue, and its next transition,
whose condition is on state and claim, succeeds as before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.platform.clock import from_ms
from chalicelib.platform.parallel import map_isolated
from chalicelib.store import queues
from chalicelib.store.ledger import Ledger, raise_unless_condition_failed
from chalicelib.store.rows import shard_of

from ..paths import PROJECT

# A function of this version may write for so long after it was replaced: longer than the longest timeout, the sweep's 90 s.
SETTLE = timedelta(minutes=2)
PAUSE_S = 5.0  # between passes; an index lags behind its table by less than a second

QUEUES_FILE = str(Path(queues.__file__).relative_to(PROJECT))  # a version without it does not read queues

Pause = Callable[[float], None]


def replaced_at(functions: Iterable[Mapping[str, Any]]) -> datetime:
    """When a stage was last deployed. `functions`: as Lambda lists them (AWS Lambda API reference, "FunctionConfiguration")."""
    return max((datetime.fromisoformat(function["LastModified"]) for function in functions), default=from_ms(0))


def roll_back(client: Any, table: str, replaced_at: datetime, clock: Callable[[], datetime], pause: Pause) -> int:
    """Move all waiting deliveries of a ledger, including those that replaced functions still write; return how many.

    `client` is a boto3 DynamoDB client, `replaced_at` when the stage's functions were last deployed. Ends when a pass finds
    nothing after every such write.

    Raises:
        ClientError: some rows could not be moved. Running this again moves them.
    """
    moved = 0
    while True:
        is_settled = clock() - replaced_at >= SETTLE
        found = move_waiting(client, table)
        moved += found
        if is_settled and not found:
            return moved
        pause(PAUSE_S)


def move_waiting(client: Any, table: str) -> int:
    """Move the waiting deliveries that are in a queue now; return how many.

    Raises:
        ClientError: the first error of the rows that could not be moved.
    """
    moved, failures = map_isolated(lambda entry: [entry] * _move(client, table, entry), list(_queued(client, table)))
    if failures:
        raise failures[0]  # all are logged
    return len(moved)


def _queued(client: Any, table: str) -> Iterator[dict[str, Any]]:
    """Yield the entries of index `due` that are in a queue, due or not."""
    for queue in Ledger(client, table).queues.read().queues:
        for shard in range(queue.shards):
            pages = client.get_paginator("query").paginate(
                TableName=table,
                IndexName="due",
                KeyConditionExpression="due = :due",
                ExpressionAttributeValues={":due": {"S": f"{queue.id}/{shard}"}},
            )
            for page in pages:
                yield from page["Items"]


def _move(client: Any, table: str, entry: dict[str, Any]) -> bool:
    """Move one row; False if it has left the queue."""
    try:
        client.update_item(
            TableName=table,
            Key={name: entry[name] for name in ("pk", "sk")},
            UpdateExpression="SET due = :earlier",
            ConditionExpression="due = :due",
            ExpressionAttributeValues={":earlier": {"S": str(shard_of(_id(entry)))}, ":due": entry["due"]},
        )
    except ClientError as error:
        raise_unless_condition_failed(error)
        return False
    return True


def _id(entry: dict[str, Any]) -> str:
    return str(entry["pk"]["S"]).partition("#")[2]
