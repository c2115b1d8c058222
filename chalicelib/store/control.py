"""What every container should know: dead addresses, opt-outs, silences, budgets that are used up, how far a backfill has looked,
the last sweep's end.

One item of the ledger's table, pk and sk "control", read at most once in 30 s by each container. An address is not in it,
only its hash with the sender's: an opt-out is from one sender, and another may still write.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Literal, Protocol

import msgspec

from ..domain.budget import ExhaustedBudget
from ..platform.clock import Clock
from ..policy.budget import expired
from ..policy.controls import Controls, Silence, SuppressedAddress

FRESH = timedelta(seconds=30)
NOTED_EVERY = timedelta(minutes=5)  # one write for five runs
_KEY = {"pk": {"S": "control"}, "sk": {"S": "control"}}


class Store(Protocol):
    """Where the item is kept; its attributes are JSON texts by name."""

    def read(self) -> dict[str, str]:
        """Every attribute, {} where there is no item yet."""

    def put(self, name: str, value: str) -> None:
        """Write one attribute and leave the others as they are."""

    def remove(self, name: str) -> None:
        """Take one attribute away, if it is there."""


class Control:
    """The controls as this container knows them, and how to change them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._read: tuple[Controls, datetime] | None = None
        self._reading = Lock()
        self._noted: dict[str, datetime | None] = {}

    def now(self) -> Controls:
        """The controls, at most 30 s old; of several threads one reads them."""
        with self._reading:
            read = self._read
            if read is None or not timedelta(0) <= self._clock() - read[1] < FRESH:
                read = self._read = (_controls(self._store.read()), self._clock())
            return read[0]

    def suppress(self, key: str, dead: SuppressedAddress) -> None:
        """Remember a dead address: nothing more is sent to it until a deliberate message gets through."""
        self._store.put(f"dead_{key}", msgspec.json.encode(dead).decode())
        self._read = None

    def unsuppress(self, key: str) -> None:
        """Forget that an address was dead."""
        self._store.remove(f"dead_{key}")
        self._read = None

    def record_backfill(self, bucket: str, until: datetime) -> None:
        """Note that a backfill looks for uploads of that bucket up to a moment: real events of before then may be told."""
        self._store.put(f"looked_{bucket}", msgspec.json.encode(until).decode())
        self._read = None

    def silence(self, silence: Silence) -> None:
        """Silence a rule, and forget the silences that are over."""
        over = [each.rule for each in self.now().silences.values() if each.until <= self._clock()]
        for rule in over:
            self._store.remove(f"silence_{rule}")
        self._store.put(f"silence_{silence.rule}", msgspec.json.encode(silence).decode())
        self._read = None

    def unsilence(self, rule: str) -> None:
        """End a rule's silence."""
        self._store.remove(f"silence_{rule}")
        self._read = None

    def record_exhausted(self, tripped: ExhaustedBudget) -> None:
        """Note that a budget is used up, and forget those that were for an hour or day that is over."""
        for each in expired(self.now().tripped.values(), self._clock()):
            if each.key != tripped.key:
                self._store.remove(f"budget_{each.key}")
        self._store.put(f"budget_{tripped.key}", msgspec.json.encode(tripped).decode())
        self._read = None

    def record_run(self, what: Literal["swept", "watched", "checked"], at: datetime) -> bool:
        """A run has ended well. Written when what is known is older than NOTED_EVERY; read once in a container's life. Was it?"""
        noted = self._noted.get(what) or getattr(self.now(), what)
        if noted is not None and at - noted < NOTED_EVERY:
            self._noted[what] = noted
            return False
        self._store.put(what, msgspec.json.encode(at).decode())
        self._noted[what], self._read = at, None
        return True


def _controls(attributes: Mapping[str, str]) -> Controls:
    dead, looked, silences, tripped = {}, {}, {}, {}
    ended: dict[str, datetime] = {}
    for name, value in attributes.items():
        kind, _, key = name.partition("_")
        if kind == "dead":
            dead[key] = msgspec.json.decode(value, type=SuppressedAddress)
        elif kind == "looked":
            looked[key] = msgspec.json.decode(value, type=datetime)
        elif kind == "silence":
            silences[key] = msgspec.json.decode(value, type=Silence)
        elif kind == "budget":
            tripped[key] = msgspec.json.decode(value, type=ExhaustedBudget)
        elif kind in ("swept", "watched", "checked"):
            ended[kind] = msgspec.json.decode(value, type=datetime)
    return Controls(dead=dead, backfilled_until=looked, silences=silences, tripped=tripped, **ended)


class TableStore:
    """The item in the ledger's table. `client` is a boto3 DynamoDB client; its errors pass through."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def read(self) -> dict[str, str]:
        """See Store."""
        answer = self._client.get_item(TableName=self._table, Key=_KEY)
        return {name: value["S"] for name, value in answer.get("Item", {}).items() if "S" in value}

    def put(self, name: str, value: str) -> None:
        """See Store."""
        self._update("SET #name = :value", name, {":value": {"S": value}})

    def remove(self, name: str) -> None:
        """See Store."""
        self._update("REMOVE #name", name, {})

    def _update(self, change: str, name: str, values: dict[str, Any]) -> None:
        with_values = {"ExpressionAttributeValues": values} if values else {}
        self._client.update_item(
            TableName=self._table,
            Key=_KEY,
            UpdateExpression=change,
            ExpressionAttributeNames={"#name": name},
            **with_values,
        )
