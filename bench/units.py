"""Counts the capacity units of a DynamoDB client's calls, by phase. Each call requests its consumed capacity.

Two figures that the emulator does not report are computed by the rules of the Amazon DynamoDB developer guide ("Read and write
operations"): a write with a failed condition costs the units of the larger of the two items (in a transaction, twice that for
each of its items), but its error does not report them; a query of the table costs one unit per 4 KB read, but MiniStack reports
one unit for every query.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from typing import Any

_WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
_FAILED, _CANCELED = "ConditionalCheckFailedException", "TransactionCanceledException"
_WRITE_BYTES, _READ_BYTES = 1024, 4096
_NUMBER_BYTES = 8  # approximately: half the digits plus one


@dataclass
class Units:
    """The calls and units of a phase."""

    writes: float = 0.0
    reads: float = 0.0
    rejected: int = 0  # writes with a failed condition; their units are in `writes`
    calls: Counter[str] = field(default_factory=Counter)


class Meter:
    """Counts the calls of one client. Thread-safe."""

    def __init__(self, client: Any) -> None:
        """Let each call of the client report its consumed capacity from now on."""
        self.units: dict[str, Units] = {}
        self._current = Units()
        self._lock = Lock()
        self._put_bytes, self._puts = 0, 0
        client.meta.events.register("provide-client-params.dynamodb.*", self._request_units)
        client.meta.events.register("after-call.dynamodb.*", self._count)

    @contextmanager
    def counting(self, phase: str) -> Iterator[None]:
        """Count the calls in this block for a phase; several blocks of a phase are added up."""
        previous, self._current = self._current, self.units.setdefault(phase, Units())
        try:
            yield
        finally:
            self._current = previous

    @property
    def mean_bytes(self) -> float:
        """The mean size of the items that were put."""
        return self._put_bytes / max(1, self._puts)

    def _request_units(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"
        context["params"] = params

    def _count(self, parsed: Mapping[str, Any], model: Any, context: Mapping[str, Any], **_: Any) -> None:
        operation, params = model.name, context["params"]
        put_bytes = size_of(params["Item"]) if operation == "PutItem" else 0
        with self._lock:
            current = self._current
            current.calls[operation] += 1
            if parsed.get("Error", {}).get("Code") in (_FAILED, _CANCELED):
                current.rejected += 1
                current.writes += _rejected_units(params, parsed)
                return
            if operation == "PutItem":
                self._put_bytes, self._puts = self._put_bytes + put_bytes, self._puts + 1
            queries_table = operation == "Query" and "IndexName" not in params
            units = self._query_units(params, parsed) if queries_table else reported_units(parsed)
            if operation in _WRITES:
                current.writes += units
            else:
                current.reads += units

    def _query_units(self, params: Mapping[str, Any], page: Mapping[str, Any]) -> float:
        """The units of a query's page: the number of items it read, times the mean size of the items this client wrote."""
        units = float(max(1, ceil(page["ScannedCount"] * self.mean_bytes / _READ_BYTES)))
        return units if params.get("ConsistentRead") else units / 2


def _rejected_units(params: Mapping[str, Any], error: Mapping[str, Any]) -> float:
    """The units of a write whose condition failed; in a transaction, twice those of each of its items."""
    if "TransactItems" not in params:
        return _write_units(params, error)
    actions = [body for action in params["TransactItems"] for body in action.values()]
    return sum(2 * _write_units(body, reason) for body, reason in zip(actions, error["CancellationReasons"], strict=True))


def _write_units(write: Mapping[str, Any], reason: Mapping[str, Any]) -> int:
    return max(1, ceil(max(size_of(write.get("Item", {})), size_of(reason.get("Item", {}))) / _WRITE_BYTES))


def size_of(item: Mapping[str, Mapping[str, Any]]) -> int:
    """The size of an item of strings, numbers and string sets, in bytes."""
    return sum(len(name.encode()) + sum(map(_value_bytes, typed.items())) for name, typed in item.items())


def _value_bytes(typed: tuple[str, Any]) -> int:
    type_, value = typed
    match type_:
        case "N":
            return _NUMBER_BYTES
        case "BOOL":
            return 1
        case "SS":
            return sum(len(member.encode()) for member in value)
    return len(value.encode() if isinstance(value, str) else value)


def reported_units(parsed: Mapping[str, Any]) -> float:
    """The units that a response reports: of one table, or, of a transaction, of each table."""
    consumed = parsed.get("ConsumedCapacity", [])
    return sum(float(table["CapacityUnits"]) for table in ([consumed] if isinstance(consumed, dict) else consumed))
