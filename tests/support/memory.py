"""The ledger and the control item in memory: fast, and proven equal to the real ones by tests/store/test_ledger.py."""

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.bundle import Bundle, Position, Window
from chalicelib.domain.delivery import ARROWS, BIRTHS, Delivery
from chalicelib.domain.monitor import MonitorState
from chalicelib.store.bundles import Member, hour_of, position_of
from chalicelib.store.rows import Parked, bundle_of_item, delivery_of_item, item_of_bundle, item_of_delivery


class MemoryLedger:
    """What chalicelib.store.ledger.Ledger does, without a table."""

    def __init__(self) -> None:
        self.rows: dict[str, Delivery] = {}
        self.bundles: dict[str, Bundle] = {}
        self._parked: dict[str, Parked] = {}
        self._receipts: dict[str, str] = {}

    def insert(self, delivery: Delivery) -> Delivery:
        if delivery.state not in BIRTHS:
            raise ValueError(f"no delivery begins as {delivery.state}")
        return self.rows.setdefault(delivery.id, _written(delivery))

    def transition(self, old: Delivery, new: Delivery) -> bool:
        if new.state not in ARROWS[old.state]:
            raise ValueError(f"no arrow leads from {old.state} to {new.state}")
        there = self.rows[old.id]
        if (there.state, there.claim) == (old.state, old.claim):
            self.rows[old.id] = _written(new)
            return True
        return (there.claim, there.state) == (new.claim, new.state)

    def get(self, id_: str) -> Delivery | None:
        return self.rows.get(id_)

    def due(self, now: datetime) -> Iterator[Delivery | Bundle]:
        rows: list[Delivery | Bundle] = [*self.rows.values(), *self.bundles.values()]
        waiting = [row for row in rows if row.due_at and row.due_at <= now]
        return iter(sorted(waiting, key=lambda row: row.due_at or now))

    def newest(self, since: datetime, until: datetime) -> Iterator[Delivery | Bundle | Parked]:
        rows: list[Delivery | Bundle | Parked] = [*self.rows.values(), *self.bundles.values(), *self._parked.values()]
        found = [row for row in rows if since <= row.created_at <= until]
        return iter(sorted(found, key=lambda row: row.created_at, reverse=True))

    def with_words(self, body_hash: str, since: datetime, until: datetime) -> Iterator[Delivery]:
        rows = self.newest(since, until)
        return (row for row in rows if isinstance(row, Delivery) and row.body_hash == body_hash)

    def adopt(self, receipt: str, id_: str, now: datetime) -> bool:
        return self._receipts.setdefault(receipt, id_) == id_

    def park(self, parked: Parked) -> bool:
        return self._parked.setdefault(parked.id, parked) is parked

    def parked(self, id_: str) -> Parked | None:
        return self._parked.get(id_)

    def redriven(self, parked: Parked) -> None:
        self._parked[parked.id] = parked


class MemoryBundles:
    """What chalicelib.store.bundles.Bundles does, without a table; its bundles are among the ledger's rows."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self._ledger = ledger
        self._windows: dict[str, Window] = {}
        self._members: dict[tuple[str, str, str], Member] = {}

    def window(self, series: str) -> Window | None:
        return self._windows.get(series)

    def move_on(self, series: str, old: Window | None, new: Window) -> bool:
        if self._windows.get(series) != old:
            return False
        self._windows[series] = new
        return True

    def get(self, id_: str) -> Bundle | None:
        return self._ledger.bundles.get(id_)

    def ensure(self, bundle: Bundle) -> Bundle:
        there = self._ledger.bundles.setdefault(bundle.id, _bundle_written(bundle))
        if bundle.hours <= there.hours:
            return there
        self._ledger.bundles[bundle.id] = replace(there, hours=there.hours | bundle.hours)
        return self._ledger.bundles[bundle.id]

    def change(self, old: Bundle, new: Bundle) -> bool:
        there = self._ledger.bundles[old.id]
        if replace(there, hours=frozenset(), due_at=None) != replace(old, hours=frozenset(), due_at=None):
            return False
        self._ledger.bundles[old.id] = _bundle_written(replace(new, hours=there.hours))
        return True

    def member(self, series: str, id_: str, hour: str) -> Member | None:
        return self._members.get((series, hour, id_))

    def add(self, series: str, member: Member) -> Member:
        return self._members.setdefault((series, hour_of(member.event), member.id), member)

    def members(self, bundle: Bundle, after: Position | None = None) -> Iterator[Member]:
        found = [
            (position_of(member), member)
            for (series, hour, _), member in self._members.items()
            if series == bundle.series and hour in bundle.hours and member.bundle == bundle.id
        ]
        return (member for position, member in sorted(found, key=lambda each: each[0]) if after is None or position > after)


class MemoryStore:
    """What chalicelib.store.control.TableStore does, without a table."""

    def __init__(self) -> None:
        self._attributes: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        return dict(self._attributes)

    def put(self, name: str, value: str) -> None:
        self._attributes[name] = value

    def remove(self, name: str) -> None:
        self._attributes.pop(name, None)


def _bundle_written(bundle: Bundle) -> Bundle:
    return bundle_of_item(item_of_bundle(bundle))


def _written(delivery: Delivery) -> Delivery:
    """As it would be read back: written and read by the real code, so that what is not kept is not kept here."""
    return delivery_of_item(item_of_delivery(delivery))


class MemoryIncidents:
    """What chalicelib.store.incidents.Incidents does, without a table."""

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
