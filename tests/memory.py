"""The ledger and the control item in memory: fast, and proven equal to the real ones by tests/test_ledger.py."""

from collections.abc import Iterator
from datetime import datetime

from chalicelib.delivery import ARROWS, BIRTHS, Delivery
from chalicelib.rows import Parked, delivery_of_item, item_of_delivery


class MemoryLedger:
    """What chalicelib.ledger.Ledger does, without a table."""

    def __init__(self) -> None:
        self.rows: dict[str, Delivery] = {}
        self._parked: dict[str, Parked] = {}
        self._receipts: dict[str, str] = {}

    def insert(self, delivery: Delivery) -> bool:
        if delivery.state not in BIRTHS:
            raise ValueError(f"no delivery begins as {delivery.state}")
        there = self.rows.setdefault(delivery.id, _written(delivery))
        return (there.claim, there.state) == (delivery.claim, delivery.state)

    def move(self, old: Delivery, new: Delivery) -> bool:
        if new.state not in ARROWS[old.state]:
            raise ValueError(f"no arrow leads from {old.state} to {new.state}")
        there = self.rows[old.id]
        if (there.state, there.claim) == (old.state, old.claim):
            self.rows[old.id] = _written(new)
            return True
        return (there.claim, there.state) == (new.claim, new.state)

    def get(self, id_: str) -> Delivery | None:
        return self.rows.get(id_)

    def due(self, now: datetime) -> Iterator[Delivery]:
        waiting = [row for row in self.rows.values() if row.due_at and row.due_at <= now]
        return iter(sorted(waiting, key=lambda row: row.due_at or now))

    def newest(self, since: datetime, until: datetime) -> Iterator[Delivery | Parked]:
        rows: list[Delivery | Parked] = [*self.rows.values(), *self._parked.values()]
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


class MemoryStore:
    """What chalicelib.control.TableStore does, without a table."""

    def __init__(self) -> None:
        self._attributes: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        return dict(self._attributes)

    def put(self, name: str, value: str) -> None:
        self._attributes[name] = value

    def remove(self, name: str) -> None:
        self._attributes.pop(name, None)


def _written(delivery: Delivery) -> Delivery:
    """As it would be read back: written and read by the real code, so that what is not kept is not kept here."""
    return delivery_of_item(item_of_delivery(delivery))
