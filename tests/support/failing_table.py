"""The counters' table in memory, behind a DynamoDB client that fails at random."""

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

FAILURES = ("", "", "", "before", "after", "conflict")


class FailingTable:
    """Fails before or after a transaction, or with a conflict; never while `works`."""

    def __init__(self, randomness: Random) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.randomness = randomness
        self.works = False

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803  boto3's parameter name
        failure = "" if self.works else self.randomness.choice(FAILURES)
        codes = [self._code(action, failure) for action in TransactItems]
        keys = [self._key(action) for action in TransactItems]
        assert len(set(keys)) == len(keys) <= 100
        if failure == "before":
            raise EndpointConnectionError(endpoint_url="http://x")
        if any(code != "None" for code in codes):
            response = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": [{"Code": code} for code in codes],
            }
            raise ClientError(response, "TransactWriteItems")  # type: ignore[arg-type]
        for action, key in zip(TransactItems, keys, strict=True):
            if put := action.get("Put"):
                self.items[key] = put["Item"]
            else:
                self._add(self.items.setdefault(key, {}), action["Update"])
        if failure == "after":
            raise EndpointConnectionError(endpoint_url="http://x")

    def get_paginator(self, _: str) -> "FailingTable":
        return self

    def paginate(self, ExpressionAttributeValues: dict[str, Any], **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        pk, first, end = (typed["S"] for typed in ExpressionAttributeValues.values())
        keys = sorted(key for key in self.items if key[0] == pk and first <= key[1] <= end)
        yield {"Items": [{"sk": {"S": key[1]}, **self.items[key]} for key in keys]}

    def _add(self, item: dict[str, Any], update: dict[str, Any]) -> None:
        names, values = update["ExpressionAttributeNames"], update["ExpressionAttributeValues"]
        item["ttl"] = values[":ttl"]
        for addition in update["UpdateExpression"].partition(" ADD ")[2].split(", "):
            name, value = addition.split()
            before = item.get(names[name], {"N": "0"})["N"]
            item[names[name]] = {"N": str(Decimal(before) + Decimal(values[value]["N"]))}

    def _key(self, action: dict[str, Any]) -> tuple[str, str]:
        (operation,) = action.values()
        key = operation.get("Key") or operation["Item"]
        return key["pk"]["S"], key["sk"]["S"]

    def _code(self, action: dict[str, Any], failure: str) -> str:
        """Why an action fails: its mark exists, or another writer is changing the same item."""
        if "Put" in action and self._key(action) in self.items:
            return "ConditionalCheckFailed"
        return "TransactionConflict" if failure == "conflict" and self.randomness.random() < 0.5 else "None"
