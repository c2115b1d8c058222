"""The rows of confirmed addresses in the ledger's table: one for an address, by a hash of it. The functions never read them."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.people import Channel
from chalicelib.platform.clock import from_ms, to_ms
from chalicelib.policy.controls import address_key
from chalicelib.store.rows.keys import from_attributes, key_of, to_attributes
from chalicelib.store.rows.versions import VERSION

from .codes import Confirmation

_KIND = "confirmation"
_TIMES = ("confirmed_at", "sent_at", "expires_at")
_BATCH = 100  # keys in one BatchGetItem


class Confirmations:
    """Reads and writes the rows. `client` is a boto3 DynamoDB client; its errors propagate."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, channel: Channel, address: str) -> Confirmation:
        """The row of an address; an empty one if there is none."""
        response = self._client.get_item(TableName=self._table, Key=_key(channel, address), ConsistentRead=True)
        return _parse(response.get("Item", {}))

    def all(self, addresses: Iterable[tuple[Channel, str]]) -> dict[tuple[Channel, str], Confirmation]:
        """The rows of many addresses."""
        wanted = list(dict.fromkeys(addresses))
        rows: dict[str, Confirmation] = {}
        for start in range(0, len(wanted), _BATCH):
            request: Any = {self._table: {"Keys": [_key(*address) for address in wanted[start : start + _BATCH]]}}
            while request:
                response = self._client.batch_get_item(RequestItems=request)
                rows |= {item["pk"]["S"]: _parse(item) for item in response["Responses"].get(self._table, [])}
                request = response.get("UnprocessedKeys")
        return {address: rows.get(_key(*address)["pk"]["S"], Confirmation()) for address in wanted}

    def put(self, channel: Channel, address: str, row: Confirmation, known: Confirmation) -> bool:
        """Replace a row unless somebody else changed it meanwhile; returns whether it was replaced."""
        times = {name: to_ms(value) for name in _TIMES if (value := getattr(row, name))}
        item = {**_key(channel, address), **to_attributes({**times, "salt": row.salt, "hash": row.hash}), **VERSION}
        return self._put(item, _sent(known.sent_at))

    def count_attempt(self, channel: Channel, address: str) -> Confirmation:
        """Count an attempt, before its code is checked, so that no number of attempts at once is free. Returns the row."""
        response = self._client.update_item(
            TableName=self._table,
            Key=_key(channel, address),
            UpdateExpression="ADD attempts :one SET v = :v",
            ExpressionAttributeValues={":one": {"N": "1"}, ":v": VERSION["v"]},
            ReturnValues="ALL_NEW",
        )
        return _parse(response["Attributes"])

    def confirm(self, channel: Channel, address: str, known: Confirmation, now: datetime) -> bool:
        """Record that an address is confirmed, and forget its code; False if another code was sent meanwhile."""
        item = {**_key(channel, address), **to_attributes({"confirmed_at": to_ms(now)}), **VERSION}
        return self._put(item, _sent(known.sent_at))

    def _put(self, item: dict[str, Any], condition: dict[str, Any]) -> bool:
        try:
            self._client.put_item(TableName=self._table, Item=item, **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def _sent(at: datetime | None) -> dict[str, Any]:
    """The condition that the last code is the one sent at this time."""
    if at is None:
        return {"ConditionExpression": "attribute_not_exists(sent_at)"}
    return {"ConditionExpression": "sent_at = :sent", "ExpressionAttributeValues": {":sent": {"N": str(to_ms(at))}}}


def _key(channel: Channel, address: str) -> dict[str, Any]:
    """Who sends does not matter: the address is the person's or it is not."""
    return key_of(_KIND, address_key(channel, "", address))


def _parse(item: dict[str, Any]) -> Confirmation:
    values = from_attributes(item)
    times = {name: from_ms(values[name]) for name in _TIMES if name in values}
    return Confirmation(**times, salt=values.get("salt", ""), hash=values.get("hash", ""), attempts=values.get("attempts", 0))
