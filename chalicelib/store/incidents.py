"""Monitor states in the ledger's table: one row per monitor, all in one partition, so a single query reads them all.

Row: pk "standing", sk the monitor's name (or an EventBridge alarm's), v, standing (JSON), version, ttl. Every write is
conditional on the version that was read: of two watches that check the same monitor, one saves its result and sends the change.
Source: Amazon DynamoDB developer guide, "Optimistic locking with version number".
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from ..domain.monitor import MonitorState
from ..platform.clock import to_ms
from .ledger import IF_ABSENT, raise_unless_condition_failed
from .rows.versions import VERSION, Item, readable, reads_row

RETENTION = timedelta(days=90)  # after the latest check: removes monitors that are no longer in the settings
_PARTITION = "standing"


class Incidents:
    """The monitor states of one table. `client` is a DynamoDB client; its errors propagate: the next watch checks again."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def all(self) -> dict[str, MonitorState]:
        """Return every stored state by name, without those that a later version wrote: they stay as they are."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _PARTITION}},
            ConsistentRead=True,
        )
        states = readable((item for page in pages for item in page["Items"]), _read)
        return {state.name: state for state in states}

    def get(self, name: str) -> MonitorState:
        """Return the state of one monitor; a new state if it was never checked."""
        response = self._client.get_item(TableName=self._table, Key=_key(name), ConsistentRead=True)
        return _read(response["Item"]) if "Item" in response else MonitorState(name)

    def save(self, old: MonitorState, new: MonitorState, now: datetime) -> bool:
        """Replace a state; return False if the stored version is no longer `old`'s."""
        item = (
            _key(new.name)
            | VERSION
            | {
                "standing": {"S": msgspec.json.encode(new).decode()},
                "version": {"N": str(new.version)},
                "ttl": {"N": str(to_ms(now + RETENTION) // 1000)},
            }
        )
        condition: dict[str, Any] = {"ConditionExpression": IF_ABSENT}
        if old.version:
            condition = {
                "ConditionExpression": "version = :old",
                "ExpressionAttributeValues": {":old": {"N": str(old.version)}},
            }
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True


def _key(name: str) -> Item:
    return {"pk": {"S": _PARTITION}, "sk": {"S": name}}


@reads_row
def _read(item: Item) -> MonitorState:
    return msgspec.json.decode(item["standing"]["S"], type=MonitorState)
