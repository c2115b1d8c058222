"""The ledger: one DynamoDB row per delivery. Every transition between states is one conditional write, made here.

Two conditions guarantee that nothing is sent twice: IF_ABSENT lets only the first writer of a delivery create its row, and
IF_UNCHANGED lets only one writer change it. ledger_index.py reads the rows by time. A put costs 3 write units, a transition 2.
A write that changes what a row has reserved from budgets is a transaction with their rows (budgets.py), still one call.
Source: Amazon DynamoDB developer guide, "Condition expressions".
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from msgspec.structs import replace

from ..domain.budget import ScopeLimits, Usage
from ..domain.bundle import Bundle
from ..domain.delivery import INITIAL_STATES, TRANSITIONS, Delivery, State
from .budgets import BudgetsBusy, Changes, RowWriter, key_of_budget, usage_of
from .ledger_index import LedgerIndex
from .queues import Queues
from .rows import (
    Parked,
    changed_attributes,
    delivery_from_item,
    delivery_to_item,
    key_of,
    parked_from_item,
    parked_to_item,
    receipt_to_item,
    update_of,
)
from .rows.versions import Item, UnreadableRow, log_unreadable

# A hanging put times out early enough for AWS to send the event again; botocore retries temporary errors.
LEDGER_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4})

# The condition that makes a delivery exactly-once: an event that comes again finds its row, and is not sent again.
IF_ABSENT = "attribute_not_exists(pk)"

# The condition of every transition: the row still has the state and the claim token that were read.
IF_UNCHANGED = "#state = :old_state AND #claim = :old_claim"

NO_LIMITS: ScopeLimits = {}  # everything that a row has reserved is taken unconditionally


class Ledger:
    """The rows of one table. `client` is a boto3 DynamoDB client. Its errors propagate: AWS sends the event again."""

    def __init__(
        self,
        client: Any,
        table: str,
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._table = table
        self._writer = RowWriter(client, table, pause, chance)
        self._index = LedgerIndex(client, table)
        self.queues = Queues(client, table, self._index)

    def insert(self, delivery: Delivery, limits: ScopeLimits = NO_LIMITS) -> Delivery:
        """Insert a delivery unless its id is taken (IF_ABSENT, the condition that makes a delivery exactly-once).

        Returns the stored row: this delivery, or the one that was there first. botocore repeats a call whose response was lost
        and then finds its own row; the claim token distinguishes it from another's. What the row has reserved is taken from its
        budgets; scopes without `limits` are taken unconditionally.

        Raises:
            ValueError: a row cannot start in this state.
            OverBudget: it does not fit into its budgets, and the id is free. Nothing was written.
            BudgetsBusy: others kept writing the same budgets. Nothing was written.
        """
        if delivery.state not in INITIAL_STATES:
            raise ValueError(f"a delivery cannot start as {delivery.state}")
        self.queues.register(delivery)
        put = {
            "TableName": self._table,
            "Item": delivery_to_item(delivery),
            "ConditionExpression": IF_ABSENT,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        stored = self._writer.write("Put", put, Changes((), delivery.reserved, limits))
        try:
            return delivery_from_item(stored) if stored else delivery
        except UnreadableRow as error:  # the id is taken, so the later version has sent it or will
            log_unreadable(error)
            return replace(delivery, state=State.SENT, claim="", due_at=None)

    def transition(self, old: Delivery, new: Delivery, limits: ScopeLimits = NO_LIMITS) -> bool:
        """Replace a row, provided it is still as in `old` (IF_UNCHANGED); False if another writer was faster.

        What `new` has reserved and `old` has not is taken from the budgets, and the reverse is released. Scopes without `limits`
        are taken unconditionally.

        Raises:
            ValueError: the state table has no such transition.
            OverBudget: it does not fit into its budgets. Nothing was written.
            BudgetsBusy: others kept writing the same budgets. Nothing was written.
        """
        if new.state not in TRANSITIONS[old.state]:
            raise ValueError(f"no transition from {old.state} to {new.state}")
        self.queues.register(new)
        update = self._update(old, new)
        try:
            stored = self._writer.write("Update", update, Changes(old.reserved, new.reserved, limits))
        except BudgetsBusy:
            if len(new.reserved) >= len(old.reserved):
                raise
            return self.transition(old, replace(new, reserved=old.reserved))  # keeps what it took until the hour or day ends
        if not stored:
            return True
        written = (new.claim, new.state.value)  # our own write, repeated by botocore
        return (stored.get("claim", {}).get("S", ""), stored["state"]["S"]) == written

    def _update(self, old: Delivery, new: Delivery) -> dict[str, Any]:
        update = update_of(*changed_attributes(old, new))
        update["ExpressionAttributeNames"] |= {"#state": "state", "#claim": "claim"}
        update["ExpressionAttributeValues"] |= {":old_state": {"S": old.state.value}, ":old_claim": {"S": old.claim}}
        return {
            "TableName": self._table,
            "Key": key_of("delivery", old.id),
            "ConditionExpression": IF_UNCHANGED,
            **update,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def usage(self, scope: str, moment: datetime) -> Usage:
        """Return what is reserved of a budget scope on a moment's day and in its hour."""
        response = self._client.get_item(TableName=self._table, Key=key_of_budget(scope, moment), ConsistentRead=True)
        return usage_of(response.get("Item", {}), moment)

    def get(self, id_: str) -> Delivery | None:
        """Return the delivery of an id as it is now, or None.

        Raises:
            UnreadableRow: a later version wrote it.
        """
        response = self._client.get_item(TableName=self._table, Key=key_of("delivery", id_), ConsistentRead=True)
        return delivery_from_item(response["Item"]) if "Item" in response else None

    def due(self, now: datetime) -> Iterator[Delivery | Bundle]:
        """Return due rows that are in no queue, oldest first: bundles, claimed deliveries, and waiting ones of earlier versions.

        Reads only as far as the caller iterates.
        """
        return self._index.due(now)

    def newest(self, since: datetime, until: datetime) -> Iterator[Delivery | Bundle | Parked]:
        """Return the rows created in a period, newest first. Reads only as far as the caller iterates."""
        return self._index.newest(since, until)

    def with_body(self, body_hash: str, since: datetime, until: datetime) -> Iterator[Delivery]:
        """Return the deliveries created in a period whose message had this body."""
        return self._index.with_body(body_hash, since, until)

    def claim_receipt(self, receipt: str, id_: str, now: datetime) -> bool:
        """Record that a message in a provider's list belongs to a delivery; False if it belongs to another."""
        try:
            self._client.put_item(
                TableName=self._table,
                Item=receipt_to_item(receipt, id_, now),
                ConditionExpression=f"{IF_ABSENT} OR delivery = :id",
                ExpressionAttributeValues={":id": {"S": id_}},
            )
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def park(self, parked: Parked) -> bool:
        """Store a payload that could not be parsed; False if it is already stored."""
        try:
            self._client.put_item(TableName=self._table, Item=parked_to_item(parked), ConditionExpression=IF_ABSENT)
        except ClientError as error:
            raise_unless_condition_failed(error)
            return False
        return True

    def get_parked(self, id_: str) -> Parked | None:
        """Return the parked payload of an id, or None."""
        response = self._client.get_item(TableName=self._table, Key=key_of("parked", id_), ConsistentRead=True)
        return parked_from_item(response["Item"]) if "Item" in response else None

    def mark_redriven(self, parked: Parked) -> None:
        """Record that a parked payload was parsed after all."""
        self._client.put_item(TableName=self._table, Item=parked_to_item(parked))


def raise_unless_condition_failed(error: ClientError) -> None:
    """Raise any error except that of a failed condition."""
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error


def conflicting_item(error: ClientError) -> Item:
    """Return the item that made a condition fail; raise any other error."""
    raise_unless_condition_failed(error)
    response: Any = error.response
    if "Item" not in response:
        raise error
    item: Item = response["Item"]
    return item
