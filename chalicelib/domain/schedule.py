"""Recurring times of a person or rule: quiet hours and digests."""

from typing import Literal

from msgspec import Struct

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY, WORK_DAYS, WEEKEND = tuple(range(7)), tuple(range(5)), (5, 6)
NAMED_DAYS = {"daily": EVERY_DAY, "weekdays": WORK_DAYS, "weekend": WEEKEND}
DAY_MINUTES = 24 * 60


class Quiet(Struct, frozen=True):
    """A span of quiet that comes back each week. `days` are those it begins on, 0 is Monday; minutes are of the day."""

    days: tuple[int, ...]
    start: int
    end: int  # at or before the start: on the next day
    zone: str = ""  # the reader's

    def __str__(self) -> str:
        whole_days = (self.start, self.end) == (0, DAY_MINUTES) and self.days != EVERY_DAY
        times = "" if whole_days else f"{clock_words(self.start)}-{clock_words(self.end)}"
        return " ".join(filter(None, (day_words(self.days, ""), times, self.zone)))


class Schedule(Struct, frozen=True):
    """When digests go out: at a time of some days, or at each full hour."""

    every: Literal["hour", "day", "week"]
    days: tuple[int, ...] = EVERY_DAY
    minute: int = 0  # of the day
    zone: str = ""  # the reader's

    def __str__(self) -> str:
        if self.every == "hour":
            words = "hourly"
        elif self.every == "week":
            words = f"weekly {DAYS[self.days[0]]} {clock_words(self.minute)}"
        else:
            words = f"{day_words(self.days, 'daily')} {clock_words(self.minute)}"
        return f"{words} {self.zone}".strip()


def clock_words(minute: int) -> str:
    """A minute of the day as a clock shows it: 06:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def day_words(days: tuple[int, ...], every: str) -> str:
    """Days of the week (0 is Monday) as they are written; `every` is the word for all of them."""
    named = {EVERY_DAY: every, WORK_DAYS: "weekdays", WEEKEND: "weekend"}
    return named.get(days, " ".join(DAYS[day] for day in days))
