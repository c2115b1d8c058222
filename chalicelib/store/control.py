"""The control item, shared by all containers: suppressed addresses, silences, exhausted budgets, backfills and latest runs.

One item of the ledger's table, pk and sk "control", read by each container at most once in 30 s. It contains no address, only a
hash of the address with the sender: a person opts out of one sender, and another may still send to them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Literal, Protocol

import msgspec
from msgspec.structs import replace

from ..domain.budget import ExhaustedBudget
from ..platform import log
from ..platform.clock import Clock
from ..policy.budget import expired_budgets
from ..policy.controls import ChannelPace, Controls, LinkSettings, Silence, SoftBounces, SuppressedAddress
from .rows.versions import VERSION

CACHE_TIME = timedelta(seconds=30)
RECORD_INTERVAL = timedelta(minutes=5)  # one write for five runs
_KEY = {"pk": {"S": "control"}, "sk": {"S": "control"}}


class Store(Protocol):
    """Stores the item's attributes: JSON texts by name."""

    def read(self) -> dict[str, str]:
        """Return every attribute; {} if there is no item yet."""

    def put(self, name: str, value: str) -> None:
        """Write one attribute; the others are unchanged."""

    def remove(self, name: str) -> None:
        """Remove one attribute if it exists."""


class Control:
    """Reads the control item, cached for CACHE_TIME, and changes it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cached: tuple[Controls, datetime] | None = None
        self._lock = Lock()
        self._recorded: dict[str, datetime | None] = {}

    def now(self, max_age: timedelta = CACHE_TIME) -> Controls:
        """Return the controls, at most 30 s old. If several threads ask, one reads them."""
        if (cached := self._cached) and self._is_recent(cached, max_age):
            return cached[0]
        with self._lock:
            cached = self._cached
            if cached is None or not self._is_recent(cached, max_age):
                cached = self._cached = (_parse_controls(self._store.read()), self._clock())
            return cached[0]

    def _is_recent(self, cached: tuple[Controls, datetime], max_age: timedelta) -> bool:
        return timedelta(0) <= self._clock() - cached[1] < max_age

    def fresh(self) -> Controls:
        """Return the controls as they are now."""
        self._cached = None
        return self.now()

    def suppress(self, key: str, address: SuppressedAddress) -> None:
        """Suppress an address: nothing is sent to it until a test or a resent message is accepted."""
        self._store.put(f"dead_{key}", msgspec.json.encode(address).decode())
        self._cached = None

    def unsuppress(self, key: str) -> None:
        """Remove an address from the suppression list."""
        self._store.remove(f"dead_{key}")
        self._cached = None

    def record_soft_bounces(self, key: str, bounces: SoftBounces | None) -> None:
        """Record an address's soft bounces in a row; None once a mail arrived."""
        if bounces:
            self._store.put(f"soft_{key}", msgspec.json.encode(bounces).decode())
        else:
            self._store.remove(f"soft_{key}")
        self._cached = None

    def record_backfill(self, bucket: str, until: datetime) -> None:
        """Record until when a backfill searched a bucket for uploads: their real events may still arrive."""
        self._store.put(f"looked_{bucket}", msgspec.json.encode(until).decode())
        self._cached = None

    def silence(self, silence: Silence) -> None:
        """Silence a rule, and delete expired silences."""
        expired = [old.rule for old in self.now().silences.values() if old.until <= self._clock()]
        for rule in expired:
            self._store.remove(f"silence_{rule}")
        self._store.put(f"silence_{silence.rule}", msgspec.json.encode(silence).decode())
        self._cached = None

    def unsilence(self, rule: str) -> None:
        """End a rule's silence."""
        self._store.remove(f"silence_{rule}")
        self._cached = None

    def record_exhausted(self, exhausted: ExhaustedBudget) -> None:
        """Record an exhausted budget, and delete those of past hours and days."""
        for expired in expired_budgets(self.now().exhausted.values(), self._clock()):
            if expired.key != exhausted.key:
                self._store.remove(f"budget_{expired.key}")
        self._store.put(f"budget_{exhausted.key}", msgspec.json.encode(exhausted).decode())
        self._cached = None

    def note_exhausted(self, *budgets: ExhaustedBudget) -> None:
        """Remember exhausted budgets until the item is read again, so that a burst does not try every message."""
        controls = self.now()
        with self._lock:
            if self._cached:
                exhausted = {**controls.exhausted, **{budget.key: budget for budget in budgets}}
                self._cached = (replace(controls, exhausted=exhausted), self._cached[1])

    def record_pace(self, lane: str, pace: ChannelPace) -> None:
        """Record how fast a lane's messages may be sent."""
        self._store.put(f"pace_{lane}", msgspec.json.encode(pace).decode())
        self._cached = None

    def record_first_bundle(self, id_: str) -> None:
        """Record which bundle was the first one."""
        self._store.put("first_bundle", msgspec.json.encode(id_).decode())
        self._cached = None

    def record_links(self, links: LinkSettings) -> None:
        """Record what links in mails are made of. Here, because every container reads this item anyway."""
        self._store.put("links", msgspec.json.encode(links).decode())
        self._cached = None

    def record_run(self, run: Literal["swept", "watched", "checked"], at: datetime) -> bool:
        """Record a successful run, at most once per RECORD_INTERVAL; returns whether it was written.

        The time of the previous record is read once per container.
        """
        recorded = self._recorded.get(run) or getattr(self.now(), run)
        if recorded is not None and at - recorded < RECORD_INTERVAL:
            self._recorded[run] = recorded
            return False
        self._store.put(run, msgspec.json.encode(at).decode())
        self._recorded[run], self._cached = at, None
        return True


# Attributes of the item: one per key ("dead_<address key>") or a single one ("swept"), its field of Controls, and its type
_BY_KEY: dict[str, tuple[str, Any]] = {
    "dead": ("suppressed", SuppressedAddress),
    "soft": ("soft_bounces", SoftBounces),
    "looked": ("backfilled_until", datetime),
    "silence": ("silences", Silence),
    "budget": ("exhausted", ExhaustedBudget),
    "pace": ("paces", ChannelPace),
}
_SINGLE: dict[str, Any] = {
    "swept": datetime,
    "watched": datetime,
    "checked": datetime,
    "first_bundle": str,
    "links": LinkSettings,
}


def _parse_controls(attributes: Mapping[str, str]) -> Controls:
    """Parse the item's attributes; those that a later version may have written are ignored, and logged if their name is known."""
    fields: dict[str, Any] = {field: {} for field, _ in _BY_KEY.values()}
    for name, value in attributes.items():
        kind, _, key = name.partition("_")
        try:
            if name in _SINGLE:
                fields[name] = msgspec.json.decode(value, type=_SINGLE[name])
            elif kind in _BY_KEY and key:
                field, type_ = _BY_KEY[kind]
                fields[field][key] = msgspec.json.decode(value, type=type_)
        except msgspec.MsgspecError:
            log.warning("row-left-alone", why=f"{kind} of the control item cannot be read by this version")
    return Controls(**fields)


class TableStore:
    """The item in the ledger's table. `client` is a boto3 DynamoDB client; its errors propagate."""

    def __init__(self, client: Any, table: str) -> None:
        self._client = client
        self._table = table

    def read(self) -> dict[str, str]:
        """See Store."""
        response = self._client.get_item(TableName=self._table, Key=_KEY)
        return {name: value["S"] for name, value in response.get("Item", {}).items() if "S" in value}

    def put(self, name: str, value: str) -> None:
        """See Store."""
        self._update("SET #name = :value, v = :v", name, {":value": {"S": value}, ":v": VERSION["v"]})

    def remove(self, name: str) -> None:
        """See Store."""
        self._update("REMOVE #name", name, {})

    def _update(self, expression: str, name: str, values: dict[str, Any]) -> None:
        with_values = {"ExpressionAttributeValues": values} if values else {}
        self._client.update_item(
            TableName=self._table,
            Key=_KEY,
            UpdateExpression=expression,
            ExpressionAttributeNames={"#name": name},
            **with_values,
        )
