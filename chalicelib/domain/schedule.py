"""Recurring times of a person or rule: quiet hours and digests."""

from typing import Literal

from msgspec import Struct

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY, WORK_DAYS, WEEKEND = tuple(range(7)), tuple(range(5)), (5, 6)
NAMED_DAYS = {"daily": EVERY_DAY, "weekdays": WORK_DAYS, "weekend": WEEKEND}
DAY_MINUTES = 24 * 60


class QuietHours(Struct, frozen=True):
    """A weekly span of quiet hours. `days` are those it starts on, 0 is Monday; start and end are minutes of the day."""

    days: tuple[int, ...]
    start: int
    end: int  # at or before the start: on the next day
    zone: str = ""  # the recipient's if empty

    def __str__(self) -> str:
        whole_days = (self.start, self.end) == (0, DAY_MINUTES) and self.days != EVERY_DAY
        times = "" if whole_days else f"{clock_time(self.start)}-{clock_time(self.end)}"
        return " ".join(filter(None, (day_names(self.days, ""), times, self.zone)))


class Schedule(Struct, frozen=True):
    """When digests are sent: at a time of certain days, or every full hour."""

    every: Literal["hour", "day", "week"]
    days: tuple[int, ...] = EVERY_DAY
    minute: int = 0  # of the day
    zone: str = ""  # the recipient's if empty

    def __str__(self) -> str:
        if self.every == "hour":
            times = "hourly"
        elif self.every == "week":
            times = f"weekly {DAYS[self.days[0]]} {clock_time(self.minute)}"
        else:
            times = f"{day_names(self.days, 'daily')} {clock_time(self.minute)}"
        return f"{times} {self.zone}".strip()


def clock_time(minute: int) -> str:
    """A minute of the day as clock time: 06:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def day_names(days: tuple[int, ...], every: str) -> str:
    """Days of the week (0 is Monday) as the settings write them; `every` stands for all seven."""
    named = {EVERY_DAY: every, WORK_DAYS: "weekdays", WEEKEND: "weekend"}
    return named.get(days, " ".join(DAYS[day] for day in days))
