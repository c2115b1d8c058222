"""The budget rows of the ledger: what was reserved from each scope per day, and the actions that change them.

    budget#person asha   2026-11-25   messages, segments, h00 to h23 (messages in that hour), ttl

A row's reservation is taken and released in the transaction that writes the row, so the budget rows always equal the sum of what
the deliveries' rows have reserved: nothing leaks if a process dies. One condition per limit, checked with the addition in one
action, so no number of writers exceeds a limit. Cost: 2 write units per scope, and 2 instead of 1 for the row itself.
Source: Amazon DynamoDB API reference, "TransactWriteItems" (CancellationReasons in the order of the actions; no two actions on
one item); developer guide, "Amazon DynamoDB Transactions: How it works" (TransactionConflict).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from botocore.exceptions import ClientError

from ..domain.budget import ExhaustedBudget, Limit, Reserved, ScopeLimits, Usage
from ..platform.clock import to_ms
from ..policy.budget import exceeded, last_to_end, never_fits
from .rows.versions import VERSION, Item

RETENTION = timedelta(days=7)  # longer than a delivery can be waiting for the outcome of an attempt
CONDITION_FAILED = "ConditionalCheckFailed"
_BUSY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}  # another attempt may succeed
_MAX_ATTEMPTS = 6
_PAUSE_S = 0.05  # doubled after each attempt

Amounts = dict[tuple[str, datetime], Counter[str]]  # by scope and day: what to add to each attribute


class OverBudget(Exception):
    """A delivery does not fit into its budgets; nothing was written. `budget` is the exhausted one that ends last."""

    def __init__(self, budgets: Iterable[ExhaustedBudget]) -> None:
        self.budgets = tuple(budgets)
        budget = last_to_end(self.budgets)
        if budget is None:
            raise ValueError("no budget is exhausted")
        self.budget = budget
        super().__init__(str(budget))


class BudgetsBusy(Exception):
    """Other transactions kept writing the same budget rows in every attempt; nothing was written."""


class Changes:
    """What a write changes in the budget rows: it takes the entry that a row has more than before, and releases those it lacks.

    Scopes without `limits` are taken unconditionally.

    Raises:
        OverBudget: the message is larger than a limit, so it never fits.
    """

    def __init__(self, before: Sequence[Reserved], after: Sequence[Reserved], limits: ScopeLimits) -> None:
        unchanged = len([pair for pair in zip(before, after, strict=False) if pair[0] == pair[1]])
        self.taken = after[unchanged:]
        self._limits = limits
        self.amounts = amounts_of(self.taken)
        for key, amounts in amounts_of(before[unchanged:]).items():
            self.amounts.setdefault(key, Counter()).subtract(amounts)
        if too_small := [budget for entry in self.taken for budget in never_fits(limits, entry)]:
            raise OverBudget(too_small)

    def __bool__(self) -> bool:
        return bool(self.amounts)

    def actions(self, table: str) -> list[dict[str, Any]]:
        """One Update per scope and day, with a condition for each limit of what is taken."""
        return [{"Update": self._update(table, *key, amounts)} for key, amounts in self.amounts.items()]

    def exceeded(self, reasons: Sequence[Mapping[str, Any]]) -> list[ExhaustedBudget]:
        """Return the budgets that cancelled the transaction; `reasons` are those of `actions`."""
        budgets: list[ExhaustedBudget] = []
        for (scope, day), reason in zip(self.amounts, reasons, strict=False):
            if reason.get("Code") == CONDITION_FAILED:
                for entry in self._entries(scope, day):
                    usage = usage_of(reason.get("Item", {}), entry.at)
                    budgets += exceeded(scope, self._limits.get(scope, ()), usage, entry)
        return budgets

    def _entries(self, scope: str, day: datetime) -> list[Reserved]:
        return [entry for entry in self.taken if scope in entry.scopes and _day(entry.at) == day]

    def _update(self, table: str, scope: str, day: datetime, amounts: Mapping[str, int]) -> dict[str, Any]:
        names = {f"#{name}": name for name in (*amounts, "ttl")}
        values = {f":{name}": {"N": str(amount)} for name, amount in amounts.items()}
        conditions = []
        for entry in self._entries(scope, day):
            for number, limit in enumerate(self._limits.get(scope, ())):
                if amount := entry.amount(limit):
                    name, room = _attribute(limit, entry.at), f":room{number}"
                    conditions.append(f"(attribute_not_exists(#{name}) OR #{name} <= {room})")
                    values[room] = {"N": str(limit.amount - amount)}
        condition = {"ConditionExpression": " AND ".join(conditions), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        return {
            "TableName": table,
            "Key": key_of_budget(scope, day),
            "UpdateExpression": "SET #ttl = :ttl, v = :v ADD " + ", ".join(f"#{name} :{name}" for name in amounts),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {**values, ":ttl": {"N": str(to_ms(day + RETENTION) // 1000)}, ":v": VERSION["v"]},
            **(condition if conditions else {}),
        }


class RowWriter:
    """Writes a delivery's row: alone, or in one transaction with the budget rows it changes. `client` is a DynamoDB client.

    While a transaction writes an item, DynamoDB rejects every other write of it, so all are tried again.
    """

    def __init__(self, client: Any, table: str, pause: Callable[[float], None], chance: Callable[[], float]) -> None:
        self._client = client
        self._table = table
        self._pause = pause
        self._chance = chance

    def write(self, action: Literal["Put", "Update"], write: dict[str, Any], changes: Changes) -> Item | None:
        """Put or update a row, and change its budgets; returns the stored item if the row's condition failed.

        Raises:
            OverBudget: it does not fit into its budgets. Nothing was written.
            BudgetsBusy: others kept writing the same rows. Nothing was written.
        """
        for attempt in range(_MAX_ATTEMPTS):
            try:
                if changes:
                    self._client.transact_write_items(TransactItems=[{action: write}, *changes.actions(self._table)])
                elif action == "Put":
                    self._client.put_item(**write)
                else:
                    self._client.update_item(**write)
            except ClientError as error:
                if stored := _conflicting_row(error, changes):
                    return stored
                self._pause((0.5 + self._chance() / 2) * _PAUSE_S * 2**attempt)
            else:
                return None
        raise BudgetsBusy


def _conflicting_row(error: ClientError, changes: Changes) -> Item | None:
    """Return the row that made a write fail; None if others are writing it or its budgets.

    Raises:
        OverBudget: a budget's condition failed, and the row's did not.
        ClientError: any other error.
    """
    response: Any = error.response
    if response["Error"]["Code"] == "TransactionConflictException":
        return None
    if response["Error"]["Code"] == "ConditionalCheckFailedException":
        return _stored_item(response, error)
    row, *budgets = response.get("CancellationReasons") or [{}]
    if row.get("Code") == CONDITION_FAILED:
        return _stored_item(row, error)
    if exceeded := changes.exceeded(budgets):
        raise OverBudget(exceeded) from error
    if not {reason.get("Code") for reason in (row, *budgets)} & _BUSY:
        raise error
    return None


def _stored_item(reason: Mapping[str, Any], error: ClientError) -> Item:
    if "Item" not in reason:
        raise error
    item: Item = reason["Item"]
    return item


def amounts_of(entries: Iterable[Reserved]) -> Amounts:
    """Add up what reservations take, by scope and day."""
    amounts: Amounts = {}
    for entry in entries:
        for scope in entry.scopes:
            sums = amounts.setdefault((scope, _day(entry.at)), Counter())
            sums.update({"messages": 1, _hour_attribute(entry.at): 1})
            if entry.segments:
                sums["segments"] += entry.segments
    return amounts


def key_of_budget(scope: str, moment: datetime) -> Item:
    """Return the key of a scope's budget row of a day."""
    return {"pk": {"S": f"budget#{scope}"}, "sk": {"S": str(moment.date())}}


def usage_of(item: Item, moment: datetime) -> Usage:
    """Read a budget row: its day, and the hour of a moment."""
    messages, segments, in_hour = (
        int(item[name]["N"]) if name in item else 0 for name in ("messages", "segments", _hour_attribute(moment))
    )
    return Usage(messages, segments, in_hour)


def _attribute(limit: Limit, moment: datetime) -> str:
    return limit.unit if limit.per == "day" else _hour_attribute(moment)


def _hour_attribute(moment: datetime) -> str:
    return f"h{moment.hour:02}"


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
