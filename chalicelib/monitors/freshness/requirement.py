"""How much data must arrive (count, total size, size compared with earlier arrivals) and by when. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from ...domain.rule import SizeRange
from ...platform.phrases import pluralize
from ...rendering.filters import filesize
from .targets import Arrivals

MAX_SIZES = 10  # of the latest arrivals, stored for comparison
MIN_SIZES = 3  # fewer are not compared


class Thresholds(Struct, frozen=True):
    """Spans after which a check warns and fails: a grace, or a maximum age. Without an error span, it only warns."""

    warn: timedelta = timedelta(0)
    error: timedelta | None = timedelta(0)

    @property
    def last(self) -> timedelta:
        """The span after which the level no longer rises."""
        return self.warn if self.error is None else self.error


class Requirement(Struct, frozen=True):
    """When an arrival is complete."""

    counts_files: bool = True  # otherwise amounts are added up, as of a metric
    min_count: int = 0  # 0: any
    size: SizeRange = SizeRange()  # of all files together
    small_percent: int = 25  # of the median size of the latest arrivals; 0: not compared
    allow_empty: bool = False  # whether files of 0 bytes count
    outgoing: bool = False  # affects the wording only

    @property
    def arrived(self) -> str:
        """The verb of messages."""
        return "went out" if self.outgoing else "arrived"

    @property
    def has_not_arrived(self) -> str:
        """The negated verb."""
        return "has not gone out" if self.outgoing else "has not arrived"

    def select(self, arrivals: Arrivals) -> Arrivals:
        """Return the arrivals that count, oldest first."""
        return tuple(sorted((at, amount) for at, amount in arrivals if amount > 0 or (self.counts_files and self.allow_empty)))

    def violation(self, arrivals: Arrivals) -> str:
        """Describe a wrong amount: "only 20 of 24 files arrived"; "" if the amount is right."""
        total = total_amount(arrivals)
        count = len(arrivals) if self.counts_files else total
        if count < self._min_count:
            needed = pluralize(self._min_count, "file") if self.counts_files else f"{self._min_count:,}"
            return f"only {count:,g} of {needed} {self.arrived}"
        if self.size.min_bytes and total < self.size.min_bytes:
            return f"only {filesize(int(total))} of at least {filesize(self.size.min_bytes)} {self.arrived}"
        if self.size.max_bytes is not None and total > self.size.max_bytes:
            return f"{filesize(int(total))} {self.arrived}, more than {filesize(self.size.max_bytes)}"
        return ""

    def small_size(self, arrivals: Arrivals, earlier_sizes: Sequence[float]) -> str:
        """Describe a size far below the median of earlier ones: "1.2 MB, usually about 30 MB"; "" otherwise."""
        if not self.counts_files or not self.small_percent or len(earlier_sizes) < MIN_SIZES:
            return ""
        from statistics import median  # rarely needed, and a tenth of this kind's import time

        usual, total = median(earlier_sizes), total_amount(arrivals)
        return f"{filesize(int(total))}, usually about {filesize(int(usual))}" if total * 100 < usual * self.small_percent else ""

    def details(self, arrivals: Arrivals) -> str:
        """Describe the arrivals: "24 files, 1.2 GB"; "" if only their time is known."""
        return f"{pluralize(len(arrivals), 'file')}, {filesize(int(total_amount(arrivals)))}" if self.counts_files else ""

    def completed_at(self, arrivals: Arrivals) -> datetime:
        """When the minimum count and size were reached. `arrivals` is not empty."""
        total = 0.0
        for count, (at, amount) in enumerate(arrivals, start=1):
            total += amount
            if (count if self.counts_files else total) >= self._min_count and total >= (self.size.min_bytes or 0):
                return at
        return arrivals[-1][0]

    @property
    def _min_count(self) -> int:
        return max(self.min_count, 1) if self.counts_files else self.min_count


def total_amount(arrivals: Arrivals) -> float:
    """Add up the bytes or counts."""
    return sum(amount for _, amount in arrivals)
