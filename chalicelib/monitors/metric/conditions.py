"""Limits of a metric in plain words: "cpu above 80 % for 15 min", "free storage below 5 GB", "at least 1". Pure.

    [METRIC] above|below|at least|at most NUMBER [UNIT] [for SPAN] [M of N]

"above 10 MB/s" is a rate: the sum of the metric per second.
"3 of 5" must hold for three of the last five values; with "for 25 min" before it, a value covers five minutes.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from msgspec import Struct

from ...platform.fields.table import FieldError

Comparison = Literal["above", "below", "at least", "at most"]

_CONDITION = re.compile(
    r"(?:(?P<metric>[a-z][a-z -]*?) )??(?P<comparison>above|below|at least|at most) "
    r"(?P<number>\d{1,15}(?:\.\d{1,9})?) ?(?P<unit>[a-z%]+(?:/s)?|/s)??"
    r"(?: for (?P<count>\d{1,6}) ?(?P<span>s|sec|min|m|h|hours?|minutes?|d|days?))?"
    r"(?: (?P<m>\d{1,3}) of (?P<n>\d{1,3}))?"
)
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # by their first letter
_MAX_DURATION = timedelta(days=31)
_MAX_VALUES = 100
_HINT = 'use for example "above 80 % for 15 min", "below 5 GB", "at least 1" or "above 80 % 3 of 5"'
_M_OF_N_HINT = 'use for example "for 25 min 3 of 5"'
_NO_UNIT_HINT = 'remove the unit, or set the metric\'s, for example unit = "ms"'
# For each unit of a metric: the units a condition may use, and their size in the metric's unit.
UNITS: Mapping[str, Mapping[str, float]] = {
    "": {},
    "%": {"%": 1},
    "bytes": {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4},
    "s": {"ms": 0.001, "s": 1, "min": 60},
    "ms": {"ms": 1, "s": 1000, "min": 60_000},
    "USD": {"USD": 1},
}


class Condition(Struct, frozen=True):
    """A comparison with a limit, in the metric's unit, and how long or how often it must hold."""

    comparison: Comparison
    limit: float
    duration: timedelta | None = None
    metric: str = ""  # if the condition names it
    bound: str = ""  # comparison and limit as written: "below 5 GB"
    m_of_n: tuple[int, int] | None = None  # m of the last n values
    rate: bool = False  # the limit is per second

    def __str__(self) -> str:
        return f"{self.metric} {self.text}".lstrip()

    @property
    def text(self) -> str:
        """The condition without the metric: "above 80 % for 15 min"."""
        duration = f" for {_span_text(self.duration)}" if self.duration else ""
        m_of_n = f" {self.m_of_n[0]} of {self.m_of_n[1]}" if self.m_of_n else ""
        return f"{self.bound}{duration}{m_of_n}"

    @property
    def is_upper(self) -> bool:
        """Whether higher values are worse."""
        return self.comparison in ("above", "at least")

    def window(self, period: timedelta) -> timedelta:
        """The time whose values decide, with one value per period."""
        return self.m_of_n[1] * period if self.m_of_n else self.duration or period

    @property
    def period_multiple(self) -> timedelta | None:
        """The time that must be a multiple of the period; "for 25 min 3 of 5" has values of five minutes."""
        return self.duration / self.m_of_n[1] if self.duration and self.m_of_n else self.duration

    def fits(self, period: timedelta) -> bool:
        """Whether values of this period can decide the condition."""
        if self.m_of_n:
            return self.duration is None or self.duration == self.m_of_n[1] * period
        return self.duration is None or not self.duration % period

    def holds(self, value: float) -> bool:
        """Whether the comparison is true for a value."""
        if self.comparison == "above":
            return value > self.limit
        if self.comparison == "below":
            return value < self.limit
        return value >= self.limit if self.comparison == "at least" else value <= self.limit


def parse(text: str, units: Mapping[str, str], unit: str = "") -> Condition:
    """Read a condition. `units`: the metrics it must choose from, with their units; if empty, the metric is fixed and has `unit`.

    Raises:
        FieldError: it is invalid.
    """
    match = _match(text)
    if not match:
        raise FieldError(f"invalid condition {text!r}", _HINT)
    metric = match["metric"] or ""
    if units and metric not in units:
        problem = f"unknown metric {metric!r}" if metric else f"{text!r} names no metric"
        raise FieldError(problem, f"use one of: {', '.join(sorted(units))}")
    if metric and not units:
        raise FieldError(f"unexpected {metric!r}: the metric is already set", f"use {match[0].removeprefix(metric).strip()!r}")
    written_unit = match["unit"] or ""
    rate = written_unit.endswith("/s")
    name, factor = _unit(written_unit.removesuffix("/s"), units.get(metric, unit), float(match["number"]), text)
    comparison: Comparison = match["comparison"]  # type: ignore[assignment]
    bound = f"{comparison} {match['number']} {name}{'/s' if rate else ''}".rstrip()
    limit = float(match["number"]) * factor
    return Condition(comparison, limit, _duration(match, text), metric, bound, _m_of_n(match, text), rate)


def unit_of(text: str) -> str:
    """The metric's unit that a condition implies: "above 5 GB" implies bytes; "" if it implies none."""
    match = _match(text)
    written_unit = (match["unit"] or "").removesuffix("/s") if match else ""
    fitting = [unit for unit, known in UNITS.items() if written_unit in (name.lower() for name in known)]
    return fitting[0] if len(fitting) == 1 else ""


def _match(text: str) -> re.Match[str] | None:
    return _CONDITION.fullmatch(" ".join(text.lower().split()))


def _duration(match: re.Match[str], text: str) -> timedelta | None:
    if not match["count"]:
        return None
    duration = timedelta(seconds=int(match["count"]) * _SPANS[match["span"][0]])
    if not duration or duration.total_seconds() % 60:
        raise FieldError(f"{text!r} needs a time in whole minutes", 'use for example "for 5 min"')
    if duration > _MAX_DURATION:
        raise FieldError(f"the time in {text!r} is too long", f"use {_MAX_DURATION.days} days or less")
    return duration


def _m_of_n(match: re.Match[str], text: str) -> tuple[int, int] | None:
    if not match["n"]:
        return None
    m, n = int(match["m"]), int(match["n"])
    if not 1 <= m <= n <= _MAX_VALUES:
        raise FieldError(f"invalid '{m} of {n}' in {text!r}", f'use for example "3 of 5", of at most {_MAX_VALUES}')
    if (duration := _duration(match, text)) and duration % (n * timedelta(minutes=1)):
        problem = f"{text!r}: {_span_text(duration)} cannot be divided into {n} periods of whole minutes"
        raise FieldError(problem, _M_OF_N_HINT)
    return m, n


def _span_text(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    if minutes % 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes % 1440 or minutes == 1440 else f"{minutes // 1440} d"


def _unit(written_unit: str, unit: str, number: float, text: str) -> tuple[str, float]:
    """Return the unit as it is spelled, and its size in the metric's unit."""
    known = UNITS[unit]
    if not written_unit and number and len(known) > 1:
        raise FieldError(f"{text!r} has no unit", f"use one of: {', '.join(known)}")
    for name, factor in known.items():
        if name.lower() == written_unit or not written_unit:
            return name if written_unit or number else "", factor
    if written_unit:
        raise FieldError(f"wrong unit in {text!r}", f"use one of: {', '.join(known)}" if known else _NO_UNIT_HINT)
    return "", 1.0


def format_value(value: float, unit: str) -> str:
    """Format a value with its unit: "87 %", "4.2 GB", "3.1 s", "21.40 USD", "12 MB/s"."""
    if unit.endswith("/s"):
        base_unit = unit.removesuffix("/s")
        return f"{format_value(value, base_unit)}{'' if base_unit else ' '}/s"
    if unit == "bytes" and value >= 1:
        from ...rendering.filters import filesize

        return filesize(int(value))
    if unit == "USD":
        return f"{value:,.2f} USD"
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {unit}".strip()


def never_warns_first(warn: Condition, error: Condition) -> bool:
    """Whether the warning never comes before the error: whenever it holds, so does the error."""
    if warn.m_of_n or error.m_of_n or warn.is_upper is not error.is_upper:
        return False
    if (warn.duration or _IMMEDIATELY) < (error.duration or _IMMEDIATELY):
        return False
    if warn.limit == error.limit:
        return warn.comparison == error.comparison or error.comparison in ("at least", "at most")
    return warn.limit > error.limit if warn.is_upper else warn.limit < error.limit


def overlap(clear: Condition, problem: Condition) -> bool:
    """Whether both can hold for the same value."""
    if clear.is_upper is problem.is_upper:
        return True
    touching = clear.limit == problem.limit and {clear.comparison, problem.comparison} == {"at least", "at most"}
    return touching or (clear.limit > problem.limit if problem.is_upper else clear.limit < problem.limit)


_IMMEDIATELY = timedelta(0)
