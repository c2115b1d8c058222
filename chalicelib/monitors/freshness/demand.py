"""How much is to be there: so many files, a size of all together, a size like those before; and how long it is waited. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from ...domain.rule import SizeRange
from ...platform.phrases import counted
from ...rendering.filters import filesize
from .arrivals import Things

LATELY = 10  # arrivals whose sizes are remembered
COMPARED = 3  # of them at least, before one is called small


class Patience(Struct, frozen=True):
    """How long it is waited before a warning, and before an error; without one, there is only a warning."""

    warn: timedelta = timedelta(0)
    error: timedelta | None = timedelta(0)

    @property
    def longest(self) -> timedelta:
        """After that nothing gets worse."""
        return self.warn if self.error is None else self.error


class Demand(Struct, frozen=True):
    """What makes an arrival whole."""

    objects: bool = True  # files; else what counts is the sum, as of a metric
    files: int = 0  # at least; 0: any
    size: SizeRange = SizeRange()  # of all together
    small: int = 25  # percent of the median of the last arrivals; 0: never mind
    empty: bool = False  # whether files of 0 bytes count
    out: bool = False  # they are to go out, not to come in

    @property
    def came(self) -> str:
        """The verb."""
        return "went out" if self.out else "arrived"

    @property
    def not_come(self) -> str:
        """The verb, where it has not."""
        return "has not gone out" if self.out else "has not arrived"

    def counting(self, things: Things) -> Things:
        """Those that count, the oldest first."""
        return tuple(sorted(each for each in things if each[1] > 0 or (self.objects and self.empty)))

    def lacking(self, things: Things) -> str:
        """What is wrong with how much came: "only 20 of 24 files arrived"; "" where it is enough."""
        total = together(things)
        count = len(things) if self.objects else total
        if count < self._least:
            return f"only {count:,g} of {counted(self._least, 'file') if self.objects else f'{self._least:,}'} {self.came}"
        if self.size.least and total < self.size.least:
            return f"only {filesize(int(total))} of at least {filesize(self.size.least)} {self.came}"
        if self.size.most is not None and total > self.size.most:
            return f"{filesize(int(total))} {self.came}, more than {filesize(self.size.most)}"
        return ""

    def smallness(self, things: Things, before: Sequence[float]) -> str:
        """How small it is, held against the sizes of those before it: "1.2 MB, usually about 30 MB"; "" where it is not."""
        if not self.objects or not self.small or len(before) < COMPARED:
            return ""
        from statistics import median  # seldom needed, and a tenth of what this kind takes to load

        usual, total = median(before), together(things)
        return f"{filesize(int(total))}, usually about {filesize(int(usual))}" if total * 100 < usual * self.small else ""

    def details(self, things: Things) -> str:
        """What came: "24 files, 1.2 GB"; "" where only its time is known."""
        return f"{counted(len(things), 'file')}, {filesize(int(together(things)))}" if self.objects else ""

    def whole_at(self, things: Things) -> datetime:
        """When there was enough of what counts (at least one thing)."""
        total = 0.0
        for count, (at, amount) in enumerate(things, start=1):
            total += amount
            if (count if self.objects else total) >= self._least and total >= (self.size.least or 0):
                return at
        return things[-1][0]

    @property
    def _least(self) -> int:
        return max(self.files, 1) if self.objects else self.files


def together(things: Things) -> float:
    """The bytes of all of them, or what they count."""
    return sum(amount for _, amount in things)
