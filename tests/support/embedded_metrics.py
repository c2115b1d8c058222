"""Reads log lines as CloudWatch does. Source: Amazon CloudWatch user guide, "Specification: Embedded metric format"."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

UNITS = ("Seconds", "Count")  # those in use, of many


@dataclass(frozen=True)
class Datum:
    """What CloudWatch extracts for one metric and one set of dimensions."""

    namespace: str
    metric: str
    unit: str
    dimensions: frozenset[tuple[str, str]]
    values: tuple[float, ...]
    timestamp: int

    @property
    def schema(self) -> tuple[str, str, frozenset[str]]:
        """Namespace, metric and the names of its dimensions."""
        return self.namespace, self.metric, frozenset(name for name, _ in self.dimensions)


def extract(lines: Iterable[dict[str, Any]]) -> list[Datum]:
    """The metrics of lines in the embedded metric format; fails on a line that CloudWatch would reject."""
    return [datum for line in lines if "_aws" in line for datum in _data(line)]


def _data(line: dict[str, Any]) -> Iterator[Datum]:
    metadata = line["_aws"]
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(metadata["Timestamp"], int)
    for directive in metadata["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 255
        assert len(directive["Metrics"]) <= 100
        for names in directive["Dimensions"]:
            assert len(names) <= 9
            dimensions = frozenset((name, _dimension(line[name])) for name in names)
            for definition in directive["Metrics"]:
                assert set(definition) == {"Name", "Unit"}
                assert definition["Unit"] in UNITS
                value = line[definition["Name"]]
                values = value if isinstance(value, list) else [value]
                assert 1 <= len(values) <= 100
                assert all(isinstance(each, Real) for each in values)
                yield Datum(
                    directive["Namespace"],
                    definition["Name"],
                    definition["Unit"],
                    dimensions,
                    tuple(values),
                    metadata["Timestamp"],
                )


def _dimension(value: Any) -> str:
    """API reference, "Dimension"."""
    assert isinstance(value, str)
    assert value.isascii()
    assert 1 <= len(value.strip()) <= 1024
    assert not value.startswith(":")
    return value
