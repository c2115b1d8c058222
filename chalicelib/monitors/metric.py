"""Monitors of kind "metric": a measured value of CloudWatch, or one reckoned from several, and what it may not be. Pure.

Source: Amazon CloudWatch API reference, "GetMetricData"; user guide, "Using math expressions with CloudWatch metrics".
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from msgspec import Struct

from ..events import Level
from ..events.lines import in_words
from ..policy.incident import Result
from .conditions import Condition, shown
from .model import Reach

Points = tuple[tuple[datetime, float], ...]  # the beginning of each period (UTC) and its value, the oldest first
SLACK = timedelta(minutes=10)  # CloudWatch is late by as much
Missing = Literal["unknown", "ok", "error"]


class Query(Struct, frozen=True):
    """One metric."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = "Average"


class Metric(Struct, frozen=True):
    """What is measured, and when that is too much or too little."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1

    what: str
    label: str  # "cpu"
    queries: tuple[tuple[str, Query], ...]  # by the name that `math` has for each
    math: str = ""  # "" where there is one query alone
    period: timedelta = timedelta(minutes=5)
    unit: str = ""
    error: Condition | None = None
    warn: Condition | None = None
    clear: Condition | None = None  # after trouble it is well again only when this holds
    missing: Missing = "unknown"
    region: str = ""

    @property
    def asks(self) -> tuple[tuple[str, str], ...]:
        """CloudWatch knows no resources for it."""
        return (("cloudwatch:GetMetricData", "*"),)

    @property
    def begins(self) -> timedelta:
        """How far back is looked: so that what lasts can be seen to have lasted, and a run's beginning for a while before."""
        longest = max([each.lasts for each in (self.error, self.warn) if each and each.lasts], default=self.period)
        return longest + 6 * self.period + SLACK

    def since(self, now: datetime) -> datetime:
        """From when on points are asked for."""
        return now - self.begins

    def look(self, reach: Reach, now: datetime, memory: Mapping[str, Any]) -> Points:
        """Ask for this one alone."""
        from .metric_data import one

        return one(self, reach, now)

    @classmethod
    def look_at_all(cls, checks: Sequence["Metric"], reach: Reach, now: datetime) -> list[Any]:
        """Ask for all of them, five hundred a request."""
        from .metric_data import look_at_all

        return look_at_all(checks, reach, now)

    def judge(self, seen: Points, now: datetime, memory: Mapping[str, Any]) -> Result:
        """What the points amount to. A condition holds when each of its newest periods is beyond the limit."""
        if not seen:
            return self._nothing(memory)
        last = seen[-1][1]
        value, before = shown(last, self.unit), Level(memory.get("level", Level.OK))
        kept = {"seen": seen[-1][0].isoformat()}
        for level, condition in ((Level.ERROR, self.error), (Level.WARNING, self.warn)):
            if condition and (run := self._run(condition, seen, now)):
                lasts = f" for {in_words(condition.lasts)}" if condition.lasts else ""
                says = f"{self.label} is {shown(run[-1][1], self.unit)}, {_limit(condition, self.unit)}{lasts}"
                return Result(level, says, value, since=run[0][0], memory={"level": level.value, **kept})
        if before is not Level.OK and self.clear and not self.clear.holds(last):
            says = f"{self.label} is {value}, not yet {_limit(self.clear, self.unit)}"
            return Result(before, says, value, memory={"level": before.value, **kept})
        return Result(Level.OK, f"{self.label} is {value}", value, memory=kept)

    def coming(self, after: datetime) -> Iterator[datetime]:
        """It is looked at now and then."""
        return iter(())

    def _run(self, condition: Condition, seen: Points, now: datetime) -> Points:
        """The points at the end that are beyond the limit, where there are enough of them; a period that is not over yet counts
        where one is enough and more is worse: it can only rise."""
        needed = max(int((condition.lasts or self.period) / self.period), 1)
        over = seen[-1][0] + self.period <= now
        whole = seen if over or (needed == 1 and condition.upwards) or len(seen) == 1 else seen[:-1]
        begins = len(whole)
        while begins and condition.holds(whole[begins - 1][1]):
            begins -= 1
        run = whole[begins:]
        return run if len(run) >= needed else ()

    def _nothing(self, memory: Mapping[str, Any]) -> Result:
        seen = memory.get("seen", "")
        since = f" since {datetime.fromisoformat(seen):%d %b, %H:%M} UTC" if seen else ""
        level = {"unknown": Level.UNKNOWN, "ok": Level.OK, "error": Level.ERROR}[self.missing]
        return Result(level, f"{self.label} has no data{since}", "no data", memory=dict(memory))


class MonthSum(Metric, frozen=True):
    """What has come together in this month (UTC), against an allowance: hours that an instance ran, GB-seconds, requests."""

    every: ClassVar[timedelta] = timedelta(hours=1)

    allowance: float = 0.0
    factor: float = 1.0  # of the sum of all points
    verb: str = "has used"

    def since(self, now: datetime) -> datetime:
        """From the month's beginning on."""
        return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def judge(self, seen: Points, now: datetime, memory: Mapping[str, Any]) -> Result:
        """A warning at 80 % of the allowance, an error when it is used up; and when that will be, at this pace."""
        used = sum(value for _, value in seen) * self.factor
        share, value = used / self.allowance, shown(used, self.unit)
        says = f"{self.verb} {value} of its {shown(self.allowance, self.unit)} this month"
        if share >= 1:
            return Result(Level.ERROR, says, value)
        if share < 0.8:
            return Result(Level.OK, says, value)
        begun = self.since(now)
        ends = begun + (now - begun) / share
        return Result(Level.WARNING, f"{says}; at this pace it is used up on {ends.day} {ends:%b}", value)


def _limit(condition: Condition, unit: str) -> str:
    return f"{condition.test} {shown(condition.limit, unit)}"
