"""Conditions on a measured value, in plain words: "cpu above 80 % for 15 min", "free storage below 5 GB", "at least 1". Pure."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from msgspec import Struct

from ..settings.values import Wrong

Test = Literal["above", "below", "at least", "at most"]

_CONDITION = re.compile(
    r"(?:(?P<word>[a-z][a-z ]*?) )??(?P<test>above|below|at least|at most) (?P<limit>\d+(?:\.\d+)?) ?(?P<unit>[A-Za-z%]+)??"
    r"(?: for (?P<many>\d+) ?(?P<span>s|sec|min|m|h|hours?|minutes?|d|days?))?"
)
_SPANS = {"s": 1, "sec": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600, "hours": 3600}
_SPANS |= {"d": 86400, "day": 86400, "days": 86400}
_HINT = 'write "above 80 % for 15 min", "below 5 GB" or "at least 1"'
# What can be written for each unit that a metric has, and how much of the metric's own it is.
UNITS: Mapping[str, Mapping[str, float]] = {
    "": {},
    "%": {"%": 1},
    "bytes": {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4},
    "s": {"ms": 0.001, "s": 1, "min": 60},
    "ms": {"ms": 1, "s": 1000, "min": 60_000},
    "USD": {"USD": 1},
    "hours": {"hours": 1, "h": 1},
}


class Condition(Struct, frozen=True):
    """A limit, in the metric's own unit, and how long a value has to be beyond it."""

    test: Test
    limit: float
    lasts: timedelta | None = None
    word: str = ""  # what is measured, where the condition says so
    text: str = ""  # as it was written, without the word

    def __str__(self) -> str:
        return self.text

    def holds(self, value: float) -> bool:
        """Whether a value is beyond the limit."""
        if self.test == "above":
            return value > self.limit
        if self.test == "below":
            return value < self.limit
        return value >= self.limit if self.test == "at least" else value <= self.limit

    @property
    def upwards(self) -> bool:
        """Whether more is worse."""
        return self.test in ("above", "at least")


def parse(text: str, units: Mapping[str, str], unit: str = "") -> Condition:
    """Read a condition. `units` has the unit of each word that may stand in front; `unit` is that where none does.

    Raises:
        Wrong: it is none, or its unit does not fit.
    """
    found = _CONDITION.fullmatch(" ".join(text.split()))
    if not found:
        raise Wrong(f"{text!r} is no condition", _HINT)
    word = found["word"] or ""
    if units and word not in units:
        raise Wrong(f"{word or text!r} is nothing that is measured there", f"there are: {', '.join(sorted(units))}")
    if word and not units:
        raise Wrong(f"{word!r} says what is measured twice", f"leave it out: {text.removeprefix(word).strip()!r}")
    factor = _factor(found["unit"] or "", units.get(word, unit), text)
    lasts = timedelta(seconds=int(found["many"]) * _SPANS[found["span"]]) if found["many"] else None
    if lasts is not None and (not lasts or lasts.total_seconds() % 60):
        raise Wrong(f"{text!r}: CloudWatch measures by the minute", 'write "for 5 min" or longer')
    rest = " ".join(text.split()).removeprefix(word).strip()
    test: Test = found["test"]  # type: ignore[assignment]
    return Condition(test, float(found["limit"]) * factor, lasts, word, rest)


def _factor(written: str, unit: str, text: str) -> float:
    known = UNITS[unit]
    if not written:
        return 1.0
    by_letter = {name.lower(): factor for name, factor in known.items()}
    if written.lower() not in by_letter:
        fits = f"it is in {', '.join(known)}" if known else "it is a plain number"
        raise Wrong(f"{text!r} has a unit that does not fit", fits)
    return by_letter[written.lower()]


def shown(value: float, unit: str) -> str:
    """A value as people read it: "87 %", "4.2 GB", "3.1 s", "21.40 USD"."""
    if unit == "bytes":
        from ..filters import filesize

        return filesize(int(value))
    if unit == "USD":
        return f"{value:,.2f} USD"
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {unit}".strip()


def stricter(one: Condition, other: Condition) -> bool:
    """Whether whatever is beyond `one` is surely not yet, or at the same moment, beyond `other`."""
    if one.upwards is not other.upwards:
        return False
    return one.limit > other.limit if one.upwards else one.limit < other.limit
