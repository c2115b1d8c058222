"""How monitors stand, in the ledger's table: a row each, in one partition, so that one query reads them all.

Row: pk "standing", sk the monitor's name (or what an alarm of the bus is called), standing (JSON), version, ttl. Each change is
one conditional write on the version that was read: of two watches that look at the same, one is written down and told.
Source: Amazon DynamoDB developer guide, "Optimistic locking with version number".
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from ..domain.monitor import MonitorState
from ..platform.clock import to_ms
from .ledger import NEW, failed_condition
from .rows import Item

RETENTION = timedelta(days=90)  # after the last look: a monitor that is no longer in the settings goes by itself
_PARTITION = "standing"


class Incidents:
    """The standings of one table. `client` is a DynamoDB client; its errors pass through: the next watch looks again."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def all(self) -> dict[str, MonitorState]:
        """Every standing there is, by its name."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": _PARTITION}},
            ConsistentRead=True,
        )
        found = (_read(item) for page in pages for item in page["Items"])
        return {standing.name: standing for standing in found}

    def get(self, name: str) -> MonitorState:
        """How one stands; as new where it was never looked at."""
        answer = self._client.get_item(TableName=self._table, Key=_key(name), ConsistentRead=True)
        return _read(answer["Item"]) if "Item" in answer else MonitorState(name)

    def save(self, old: MonitorState, new: MonitorState, now: datetime) -> bool:
        """Write down how something stands now; False when it is no longer as it was read."""
        item = _key(new.name) | {
            "standing": {"S": msgspec.json.encode(new).decode()},
            "version": {"N": str(new.version)},
            "ttl": {"N": str(to_ms(now + RETENTION) // 1000)},
        }
        condition: dict[str, Any] = {"ConditionExpression": NEW}
        if old.version:
            condition = {
                "ConditionExpression": "version = :old",
                "ExpressionAttributeValues": {":old": {"N": str(old.version)}},
            }
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            return failed_condition(error)
        return True


def _key(name: str) -> Item:
    return {"pk": {"S": _PARTITION}, "sk": {"S": name}}


def _read(item: Item) -> MonitorState:
    return msgspec.json.decode(item["standing"]["S"], type=MonitorState)
