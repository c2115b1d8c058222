"""Conditions on a measured value, in plain words: "cpu above 80 % for 15 min", "free storage below 5 GB", "at least 1". Pure.

    [WORD] above|below|at least|at most NUMBER [UNIT] [for SPAN] [N of M]

"above 10 MB/s" is of what is added up: how much of it comes in a second.
"3 of 5": three of the last five values are beyond the limit; with "for 25 min" before it, those come each five minutes.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from msgspec import Struct

from ...platform.fields.table import FieldError

Test = Literal["above", "below", "at least", "at most"]

_CONDITION = re.compile(
    r"(?:(?P<word>[a-z][a-z -]*?) )??(?P<test>above|below|at least|at most) "
    r"(?P<number>\d{1,15}(?:\.\d{1,9})?) ?(?P<unit>[a-z%]+(?:/s)?|/s)??"
    r"(?: for (?P<many>\d{1,6}) ?(?P<span>s|sec|min|m|h|hours?|minutes?|d|days?))?"
    r"(?: (?P<some>\d{1,3}) of (?P<all>\d{1,3}))?"
)
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}  # by their first letter
_LONGEST = timedelta(days=31)
_MOST_VALUES = 100
_HINT = 'write "above 80 % for 15 min", "below 5 GB", "at least 1" or "above 80 % 3 of 5"'
# What can be written for each unit that a metric has, and how much of the metric's own it is.
UNITS: Mapping[str, Mapping[str, float]] = {
    "": {},
    "%": {"%": 1},
    "bytes": {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4},
    "s": {"ms": 0.001, "s": 1, "min": 60},
    "ms": {"ms": 1, "s": 1000, "min": 60_000},
    "USD": {"USD": 1},
}


class Condition(Struct, frozen=True):
    """A limit, in the metric's own unit, and how long, or how often, a value has to be beyond it."""

    test: Test
    limit: float
    lasts: timedelta | None = None
    word: str = ""  # what is measured, where the condition says so
    bound: str = ""  # the test and the limit as they were written: "below 5 GB"
    few: tuple[int, int] | None = None  # so many of the last so many values
    rate: bool = False  # the limit is of a second

    def __str__(self) -> str:
        return f"{self.word} {self.text}".lstrip()

    @property
    def text(self) -> str:
        """It without the word: "above 80 % for 15 min"."""
        lasts = f" for {_span(self.lasts)}" if self.lasts else ""
        few = f" {self.few[0]} of {self.few[1]}" if self.few else ""
        return f"{self.bound}{lasts}{few}"

    @property
    def upwards(self) -> bool:
        """Whether more is worse."""
        return self.test in ("above", "at least")

    def over(self, period: timedelta) -> timedelta:
        """How much of the past it is about, with one value a period."""
        return self.few[1] * period if self.few else self.lasts or period

    @property
    def goes_into(self) -> timedelta | None:
        """What the period of values has to go into; "for 25 min 3 of 5" has values each five minutes."""
        return self.lasts / self.few[1] if self.lasts and self.few else self.lasts

    def fits(self, period: timedelta) -> bool:
        """Whether it can be told by one value a period."""
        if self.few:
            return self.lasts is None or self.lasts == self.few[1] * period
        return self.lasts is None or not self.lasts % period

    def holds(self, value: float) -> bool:
        """Whether a value is beyond the limit."""
        if self.test == "above":
            return value > self.limit
        if self.test == "below":
            return value < self.limit
        return value >= self.limit if self.test == "at least" else value <= self.limit


def parse(text: str, units: Mapping[str, str], unit: str = "") -> Condition:
    """Read a condition. `units` has the unit of each word that may stand in front; `unit` is that where none does.

    Raises:
        Wrong: it is none, or its unit does not fit.
    """
    found = _CONDITION.fullmatch(" ".join(text.lower().split()))
    if not found:
        raise FieldError(f"{text!r} is no condition", _HINT)
    word = found["word"] or ""
    rest = found[0].removeprefix(word).strip()
    if units and word not in units:
        near = f"there are: {', '.join(sorted(units))}"
        raise FieldError(
            f"{word!r} is nothing that is measured there" if word else f"{text!r} does not say what is measured", near
        )
    if word and not units:
        raise FieldError(f"{word!r} says what is measured twice", f"leave it out: {rest!r}")
    written = found["unit"] or ""
    rate = written.endswith("/s")
    name, factor = _unit(written.removesuffix("/s"), units.get(word, unit), float(found["number"]), text)
    test: Test = found["test"]  # type: ignore[assignment]
    bound = f"{test} {found['number']} {name}{'/s' if rate else ''}".rstrip()
    return Condition(test, float(found["number"]) * factor, _lasts(found, text), word, bound, _few(found, text), rate)


def unit_of(text: str) -> str:
    """The unit that a metric must have for a condition to fit: "above 5 GB" is of bytes; "" where that is not said."""
    found = _CONDITION.fullmatch(" ".join(text.lower().split()))
    written = (found["unit"] or "").removesuffix("/s") if found else ""
    fitting = [unit for unit, known in UNITS.items() if written in (name.lower() for name in known)]
    return fitting[0] if len(fitting) == 1 else ""


def _lasts(found: re.Match[str], text: str) -> timedelta | None:
    if not found["many"]:
        return None
    lasts = timedelta(seconds=int(found["many"]) * _SPANS[found["span"][0]])
    if not lasts or lasts.total_seconds() % 60:
        raise FieldError(f"{text!r}: CloudWatch measures by the minute", 'write "for 5 min" or longer')
    if lasts > _LONGEST:
        raise FieldError(f"{text!r} lasts longer than is looked back", "31 days at most")
    return lasts


def _few(found: re.Match[str], text: str) -> tuple[int, int] | None:
    if not found["all"]:
        return None
    some, all_ = int(found["some"]), int(found["all"])
    if not 1 <= some <= all_ <= _MOST_VALUES:
        raise FieldError(f"{text!r}: there are no {some} of {all_} values", f'write "3 of 5", of {_MOST_VALUES} at most')
    if (lasts := _lasts(found, text)) and lasts % (all_ * timedelta(minutes=1)):
        raise FieldError(f"{text!r}: {all_} values do not part {_span(lasts)} into whole minutes", 'such as "for 25 min 3 of 5"')
    return some, all_


def _span(lasts: timedelta) -> str:
    minutes = int(lasts.total_seconds()) // 60
    if minutes % 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes % 1440 or minutes == 1440 else f"{minutes // 1440} d"


def _unit(written: str, unit: str, number: float, text: str) -> tuple[str, float]:
    """The unit as it is spelled, and how much of the metric's own it is."""
    known = UNITS[unit]
    if not written and number and len(known) > 1:
        raise FieldError(f"{text!r} does not say of what", f"it is in {', '.join(known)}")
    for name, factor in known.items():
        if name.lower() == written or not written:
            return name if written or number else "", factor
    if written:
        fits = f"it is in {', '.join(known)}" if known else 'it is a plain number, unless the monitor has unit = "ms" or another'
        raise FieldError(f"{text!r} has a unit that does not fit", fits)
    return "", 1.0


def shown(value: float, unit: str) -> str:
    """A value as people read it: "87 %", "4.2 GB", "3.1 s", "21.40 USD", "12 MB/s"."""
    if unit.endswith("/s"):
        plain = unit.removesuffix("/s")
        return f"{shown(value, plain)}{'' if plain else ' '}/s"
    if unit == "bytes" and value >= 1:
        from ...rendering.filters import filesize

        return filesize(int(value))
    if unit == "USD":
        return f"{value:,.2f} USD"
    number = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {unit}".strip()


def never_first(warn: Condition, error: Condition) -> bool:
    """Whether the warning never comes before the error: whenever it holds, so does the error."""
    if warn.few or error.few or warn.upwards is not error.upwards or (warn.lasts or _AT_ONCE) < (error.lasts or _AT_ONCE):
        return False
    if warn.limit == error.limit:
        return warn.test == error.test or error.test in ("at least", "at most")
    return warn.limit > error.limit if warn.upwards else warn.limit < error.limit


def at_odds(clear: Condition, trouble: Condition) -> bool:
    """Whether a value could be in trouble and clear of it at once."""
    if clear.upwards is trouble.upwards:
        return True
    both = clear.limit == trouble.limit and {clear.test, trouble.test} == {"at least", "at most"}
    return both or (clear.limit > trouble.limit if trouble.upwards else clear.limit < trouble.limit)


_AT_ONCE = timedelta(0)
