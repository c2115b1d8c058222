"""What DynamoDB bills for the calls of a client, asked of it with each call, and counted by what the caller says it does.

Two figures the emulator does not tell are worked out here, by the rules of the Amazon DynamoDB developer guide ("Read and write
operations"): a write whose condition failed is billed by the larger of the two items, and its error does not say so; a query of
the table is billed by what it looked at, 4 KB a unit, and MiniStack says one unit for any.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from typing import Any

_WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
_FAILED = "ConditionalCheckFailedException"
_WRITE_BYTES, _READ_BYTES = 1024, 4096
_NUMBER_BYTES = 8  # about: half its digits and one


@dataclass
class Units:
    """What was asked for, and what it costs."""

    writes: float = 0.0
    reads: float = 0.0
    refused: int = 0  # writes whose condition failed; their units are among the others
    calls: Counter[str] = field(default_factory=Counter)


class Meter:
    """Counts the calls of one client; several threads may use it."""

    def __init__(self, client: Any) -> None:
        """From now on each call asks for what it consumes."""
        self.units: dict[str, Units] = {}
        self._doing = Units()
        self._counting = Lock()
        self._put_bytes, self._puts = 0, 0
        client.meta.events.register("provide-client-params.dynamodb.*", self._ask)
        client.meta.events.register("after-call.dynamodb.*", self._count)

    @contextmanager
    def counting(self, what: str) -> Iterator[None]:
        """Count the calls of this block by that name, with those of earlier blocks of it."""
        before, self._doing = self._doing, self.units.setdefault(what, Units())
        try:
            yield
        finally:
            self._doing = before

    @property
    def mean_bytes(self) -> float:
        """How large an item is that was put, on the average."""
        return self._put_bytes / max(1, self._puts)

    def _ask(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"
        context["asked"] = params

    def _count(self, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        name, asked = model.name, context["asked"]
        put = size_of(asked["Item"]) if name == "PutItem" else 0
        with self._counting:
            doing = self._doing
            doing.calls[name] += 1
            if parsed.get("Error", {}).get("Code") == _FAILED:
                doing.refused += 1
                doing.writes += max(1, ceil(max(put, size_of(parsed.get("Item", {}))) / _WRITE_BYTES))
                return
            if name == "PutItem":
                self._put_bytes, self._puts = self._put_bytes + put, self._puts + 1
            units = self._looked_at(asked, parsed) if name == "Query" and "IndexName" not in asked else _told(parsed)
            if name in _WRITES:
                doing.writes += units
            else:
                doing.reads += units

    def _looked_at(self, asked: Mapping[str, Any], page: Mapping[str, Any]) -> float:
        """The units of a page of a query: by how many items it looked at, and how large an item is that this client wrote."""
        units = float(max(1, ceil(page["ScannedCount"] * self.mean_bytes / _READ_BYTES)))
        return units if asked.get("ConsistentRead") else units / 2


def size_of(item: Mapping[str, Mapping[str, Any]]) -> int:
    """How large an item of strings, numbers and sets of strings is, in bytes."""
    return sum(len(name.encode()) + sum(map(_bytes, typed.items())) for name, typed in item.items())


def _bytes(typed: tuple[str, Any]) -> int:
    kind, value = typed
    match kind:
        case "N":
            return _NUMBER_BYTES
        case "BOOL":
            return 1
        case "SS":
            return sum(len(each.encode()) for each in value)
    return len(value.encode() if isinstance(value, str) else value)


def _told(parsed: Mapping[str, Any]) -> float:
    told = parsed.get("ConsumedCapacity", [])
    return sum(float(each["CapacityUnits"]) for each in ([told] if isinstance(told, dict) else told))
