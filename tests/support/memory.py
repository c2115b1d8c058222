"""The ledger, bundles, control item and incidents in memory: fast, and tested to behave like the real ones."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from threading import Lock

from msgspec.structs import replace

from chalicelib.domain.budget import ScopeLimits, Usage
from chalicelib.domain.bundle import Bundle, Position, Window
from chalicelib.domain.delivery import INITIAL_STATES, TRANSITIONS, Delivery, State
from chalicelib.domain.monitor import MonitorState
from chalicelib.platform.clock import to_ms
from chalicelib.policy.pacing.queue import WAITING_STATES, Queue, queue_of
from chalicelib.store import rows
from chalicelib.store.budgets import CONDITION_FAILED, Changes, OverBudget, usage_of
from chalicelib.store.bundles import Admission, WindowChange
from chalicelib.store.ledger import NO_LIMITS
from chalicelib.store.members import Member, hour_of, position_of
from chalicelib.store.queues import FORGET_AFTER, REGISTER_INTERVAL, Cursor, Lease, Registry
from chalicelib.store.rows import Item, Parked, bundle_from_item, bundle_to_item, delivery_from_item, delivery_to_item

NEVER = datetime.max.replace(tzinfo=UTC)


class MemoryLedger:
    """Behaves like chalicelib.store.ledger.Ledger, without a table."""

    def __init__(self) -> None:
        self.rows: dict[str, Delivery] = {}
        self.budgets: dict[tuple[str, datetime], Counter[str]] = {}  # by scope and day; no zeros
        self._lock = Lock()
        self.queues = MemoryQueues(self.rows)
        self.bundles: dict[str, Bundle] = {}
        self.claimed: dict[str, Delivery] = {}
        self._parked: dict[str, Parked] = {}
        self._receipts: dict[str, str] = {}

    def insert(self, delivery: Delivery, limits: ScopeLimits = NO_LIMITS) -> Delivery:
        if delivery.state not in INITIAL_STATES:
            raise ValueError(f"a delivery cannot start as {delivery.state}")
        changes = Changes((), delivery.reserved, limits)
        self.queues.register(delivery)
        with self._lock:
            if delivery.id not in self.rows:
                self._change_budgets(changes)
                self._put(delivery)
            return self.rows[delivery.id]

    def transition(self, old: Delivery, new: Delivery, limits: ScopeLimits = NO_LIMITS) -> bool:
        if new.state not in TRANSITIONS[old.state]:
            raise ValueError(f"no transition from {old.state} to {new.state}")
        changes = Changes(old.reserved, new.reserved, limits)
        self.queues.register(new)
        with self._lock:
            stored = self.rows[old.id]
            if (stored.state, stored.claim) == (old.state, old.claim):
                self._change_budgets(changes)
                self._put(new)
                return True
            return (stored.claim, stored.state) == (new.claim, new.state)

    def usage(self, scope: str, moment: datetime) -> Usage:
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        return usage_of(_item(self.budgets.get((scope, day), {})), moment)

    def _change_budgets(self, changes: Changes) -> None:
        reasons = [{"Code": CONDITION_FAILED, "Item": _item(self.budgets.get(key, {}))} for key in changes.amounts]
        if exceeded := changes.exceeded(reasons):
            raise OverBudget(exceeded)
        for key, amounts in changes.amounts.items():
            sums = self.budgets.setdefault(key, Counter())
            sums.update(amounts)
            self.budgets[key] = Counter({name: amount for name, amount in sums.items() if amount})

    def get(self, id_: str) -> Delivery | None:
        return self.rows.get(id_)

    def due(self, now: datetime) -> Iterator[Delivery | Bundle]:
        rows: list[Delivery | Bundle] = [*self.claimed.values(), *self.bundles.values()]
        due = [row for row in rows if row.due_at and row.due_at <= now]
        return iter(sorted(due, key=lambda row: row.due_at or now))

    def newest(self, since: datetime, until: datetime) -> Iterator[Delivery | Bundle | Parked]:
        rows: list[Delivery | Bundle | Parked] = [*self.rows.values(), *self.bundles.values(), *self._parked.values()]
        created = [row for row in rows if since <= row.created_at <= until]
        return iter(sorted(created, key=lambda row: row.created_at, reverse=True))

    def with_body(self, body_hash: str, since: datetime, until: datetime) -> Iterator[Delivery]:
        rows = self.newest(since, until)
        return (row for row in rows if isinstance(row, Delivery) and row.body_hash == body_hash)

    def claim_receipt(self, receipt: str, id_: str, now: datetime) -> bool:
        return self._receipts.setdefault(receipt, id_) == id_

    def park(self, parked: Parked) -> bool:
        return self._parked.setdefault(parked.id, parked) is parked

    def get_parked(self, id_: str) -> Parked | None:
        return self._parked.get(id_)

    def mark_redriven(self, parked: Parked) -> None:
        self._parked[parked.id] = parked

    def _put(self, delivery: Delivery) -> None:
        old, new = self.rows.get(delivery.id), _stored(delivery)
        self.rows[new.id] = new
        self.claimed.pop(new.id, None)
        if new.state is State.CLAIMED:
            self.claimed[new.id] = new
        self.queues._move(old, new)


class MemoryQueues:
    """Behaves like chalicelib.store.queues.Queues, without a table: each partition of index `due` is a sorted list."""

    def __init__(self, deliveries: dict[str, Delivery]) -> None:
        self._rows = deliveries
        self._partitions: dict[str, list[tuple[int, str]]] = {}
        self._places: dict[str, str] = {}  # the number of shards may grow: a row stays where it was written
        self._queues: dict[str, Queue] = {}
        self._leases: dict[int, Lease] = {}

    def register(self, delivery: Delivery) -> None:
        queue = queue_of(delivery, rows.index_shards())
        if queue is None:
            return
        old = self._queues.get(queue.id)
        if old is None or old.shards < queue.shards or queue.used_at - old.used_at >= REGISTER_INTERVAL:
            self._queues[queue.id] = replace(queue, shards=max(queue.shards, old.shards if old else 0))

    def _move(self, old: Delivery | None, new: Delivery) -> None:
        """Move a row that was written between the partitions."""
        if old and (place := self._places.pop(old.id, None)):
            partition = self._partitions[place]
            del partition[bisect_left(partition, (to_ms(old.due_at or new.created_at), old.id))]
        if new.due_at and new.state in WAITING_STATES:
            place = self._places[new.id] = rows.due_partition(new)
            insort(self._partitions.setdefault(place, []), (to_ms(new.due_at), new.id))

    def read(self) -> Registry:
        return Registry(tuple(self._queues[id_] for id_ in sorted(self._queues)), dict(self._leases))

    def page(
        self, queue: str, shard: int, now: datetime, limit: int, after: Cursor | None = None
    ) -> tuple[list[Delivery], Cursor | None]:
        partition = self._partitions.get(f"{queue}/{shard}", [])
        start = bisect_right(partition, (after.due_at, after.id)) if after else 0
        entries = [entry for entry in partition[start : start + limit] if entry[0] <= to_ms(now)]
        return [self._rows[id_] for _, id_ in entries], Cursor(*entries[-1]) if entries else after

    def forget(self, queue: Queue, now: datetime) -> bool:
        partitions = (self._partitions.get(f"{queue.id}/{shard}") for shard in range(queue.shards))
        if now - queue.used_at < FORGET_AFTER or any(partitions) or self._queues.get(queue.id) != queue:
            return False
        del self._queues[queue.id]
        return True

    def acquire(self, lease: Lease, now: datetime) -> bool:
        other = self._leases.get(lease.shard)
        is_free = other is None or other.until <= now or other.holder == lease.holder
        if not is_free and not (other and other.is_temporary and not lease.is_temporary):
            return False
        self._leases[lease.shard] = lease
        return True

    def release(self, lease: Lease, now: datetime) -> None:
        if self._leases[lease.shard].holder == lease.holder:
            self._leases[lease.shard] = replace(self._leases[lease.shard], until=now)


class MemoryBundles:
    """Behaves like chalicelib.store.bundles.Bundles, without a table; its bundles are among the ledger's rows."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._windows: dict[str, Window] = {}
        self._forgotten_at: dict[str, datetime] = {}
        self._members: dict[tuple[str, str, str], Member] = {}

    def window(self, lane: str) -> Window | None:
        return self._windows.get(lane)

    def replace_window(self, lane: str, old: Window | None, new: Window) -> bool:
        if self._windows.get(lane) != old:
            return False
        self._forgotten_at.pop(lane, None)
        self._windows[lane] = new
        return True

    def admit(self, change: WindowChange, series: str, member: Member) -> Admission:
        current, stored = self._windows.get(change.lane), self.member(series, member.id, hour_of(member.event))
        forgotten = not change.old and (current is None or self._forgotten_at.get(change.lane, NEVER) <= change.now)
        is_outdated = current != change.old and not forgotten
        if stored or is_outdated:
            return Admission(stored, current if is_outdated else None)
        self._windows[change.lane], self._forgotten_at[change.lane] = change.new, change.forgotten_at
        if change.opens:
            self.ensure(change.opens)
        return Admission(self.add_member(series, member), change.new)

    def get(self, id_: str) -> Bundle | None:
        return self._ledger.bundles.get(id_)

    def ensure(self, bundle: Bundle) -> Bundle:
        stored = self._ledger.bundles.setdefault(bundle.id, _stored_bundle(bundle))
        if bundle.hours <= stored.hours:
            return stored
        self._ledger.bundles[bundle.id] = replace(stored, hours=stored.hours | bundle.hours)
        return self._ledger.bundles[bundle.id]

    def update(self, old: Bundle, new: Bundle) -> bool:
        stored = self._ledger.bundles[old.id]
        if replace(stored, hours=frozenset(), due_at=None) != replace(old, hours=frozenset(), due_at=None):
            return False
        self._ledger.bundles[old.id] = _stored_bundle(replace(new, hours=stored.hours))
        return True

    def member(self, series: str, id_: str, hour: str) -> Member | None:
        return self._members.get((series, hour, id_))

    def add_member(self, series: str, member: Member) -> Member:
        return self._members.setdefault((series, hour_of(member.event), member.id), member)

    def members(self, bundle: Bundle, after: Position | None = None) -> Iterator[Member]:
        members = [
            (position_of(member), member)
            for (series, hour, _), member in self._members.items()
            if series == bundle.series and hour in bundle.hours and member.bundle == bundle.id
        ]
        in_order = sorted(members, key=lambda entry: entry[0])
        return (member for position, member in in_order if after is None or position > after)


class MemoryStore:
    """Behaves like chalicelib.store.control.TableStore, without a table."""

    def __init__(self) -> None:
        self._attributes: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        return dict(self._attributes)

    def put(self, name: str, value: str) -> None:
        self._attributes[name] = value

    def remove(self, name: str) -> None:
        self._attributes.pop(name, None)


def _item(sums: Mapping[str, int]) -> Item:
    return {name: {"N": str(amount)} for name, amount in sums.items()}


def _stored_bundle(bundle: Bundle) -> Bundle:
    return bundle_from_item(bundle_to_item(bundle))


def _stored(delivery: Delivery) -> Delivery:
    """The delivery as it would be read back: converted by the real code, so that nothing else is stored here."""
    return delivery_from_item(delivery_to_item(delivery))


class MemoryIncidents:
    """Behaves like chalicelib.store.incidents.Incidents, without a table."""

    def __init__(self) -> None:
        self.rows: dict[str, MonitorState] = {}

    def all(self) -> dict[str, MonitorState]:
        return dict(self.rows)

    def get(self, name: str) -> MonitorState:
        return self.rows.get(name, MonitorState(name))

    def save(self, old: MonitorState, new: MonitorState, now: datetime) -> bool:
        if self.get(new.name).version != old.version:
            return False
        self.rows[new.name] = new
        return True
