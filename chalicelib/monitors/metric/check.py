"""Monitors of kind "metric": a measured value of CloudWatch, or one reckoned from several, and what it may not be. Pure.

    above 80 % for 15 min     40  85  ·  90 | 95 (not over yet)      error: all that there is of the 15 minutes is above
                              85  70  90  95 | 95                    ok: one of them is not
                              ·   ·   ·   ·  | ·                     as `missing` says
    above 80 % 2 of 4         85  70  ·   90 | 95                    error: a missing one is none of the two

Sources: Amazon CloudWatch API reference, "GetMetricData" (a point's time is the beginning of its period); user guide, "Using
math expressions with CloudWatch metrics" and "Configuring how CloudWatch alarms treat missing data".
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from msgspec import Struct

from ...domain.monitor import CheckResult, ProbeContext
from ...domain.payloads import Level
from ...platform.phrases import duration
from .conditions import Condition, shown

Points = tuple[tuple[datetime, float], ...]  # the beginning of each period (UTC) and its value, the oldest first
Missing = Literal["unknown", "ok", "error"]

NEARLY = 0.8  # of an allowance: a warning
_SETTLES = timedelta(minutes=2)  # what a service measured of a period is all there so long after it
_SEEN_BEFORE = 6  # periods: how far back a run's beginning is seen
_SELDOM = timedelta(hours=6)
_LEVELS: Mapping[Missing, Level] = {"unknown": Level.UNKNOWN, "ok": Level.OK, "error": Level.ERROR}


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
    late: ClassVar[timedelta] = timedelta(minutes=10)  # CloudWatch has a point so long after its period

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
    rate: bool = False  # limits are of a second, and so is what is told; points are of a period

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """CloudWatch knows no resources for it."""
        return (("cloudwatch:GetMetricData", "*"),)

    def begins(self, now: datetime) -> datetime:
        """From when on points are of interest."""
        all_ = (self.error, self.warn, self.clear)
        lasts = max((each.over(self.period) for each in all_ if each), default=self.period)
        return now - lasts - self.late - _SEEN_BEFORE * self.period

    def probe(self, reach: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Points:
        """Ask for this one alone.

        Raises:
            Unreadable: CloudWatch does not say.
        """
        from .cloudwatch import one

        return one(self, reach, now)

    @classmethod
    def probe_all(cls, checks: Sequence["Metric"], reach: ProbeContext, now: datetime) -> list[Any]:
        """Ask for all of them, five hundred a request."""
        from .cloudwatch import probe_all

        return probe_all(checks, reach, now)

    def evaluate(self, seen: Points, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """What the points amount to."""
        unit = self.unit
        if self.rate:
            seen, unit = tuple((at, value / self.period.total_seconds()) for at, value in seen), f"{self.unit}/s"
        if not seen or seen[-1][0] + self.period < now - self._patience - self.late:
            return self._nothing(seen, memory)
        over = tuple(each for each in seen if each[0] + self.period + _SETTLES <= now)
        last = (over or seen)[-1][1]
        kept = {"seen": min(seen[-1][0] + self.period, now).isoformat()}
        for level, condition in ((Level.ERROR, self.error), (Level.WARNING, self.warn)):
            if condition and (run := self._run(condition, over, seen)):
                value, verb = shown(run[-1][1], unit), "was" if condition.few and run[-1][1] != last else "is"
                says = f"{self.label} {verb} {value}, {condition.bound}{_lasting(condition)}"
                return CheckResult(level, says, value, since=run[0][0], memory={"level": level.value, **kept})
        value, before = shown(last, unit), memory.get("level")
        if before in (Level.ERROR, Level.WARNING) and self.clear and not self._run(self.clear, over, seen):
            says = f"{self.label} is {value}, not yet {self.clear.text}"
            return CheckResult(Level(before), says, value, memory={"level": before, **kept})
        return CheckResult(Level.OK, f"{self.label} is {value}", value, memory=kept)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """It is looked at now and then."""
        return iter(())

    @property
    def _patience(self) -> timedelta:
        """Without a point for so long, there is a condition of which nothing can be said."""
        return max(self.period, min((each.over(self.period) for each in (self.error, self.warn) if each), default=self.period))

    def _run(self, condition: Condition, over: Points, seen: Points) -> Points:
        """The points beyond the limit up to now, where all of those are that it has to last for, as far as there are any."""
        if condition.few:
            return self._some(condition, condition.few, over)
        if (condition.lasts or self.period) <= self.period and self._only_worsens(condition):
            over = (*over, *(each for each in seen[len(over) :] if condition.holds(each[1])))
        if not over:
            return ()
        begin = len(over)
        while begin and condition.holds(over[begin - 1][1]):
            begin -= 1
        first = over[-1][0] - (condition.lasts or self.period) + self.period
        return over[begin:] if begin == 0 or over[begin - 1][0] < first else ()

    def _some(self, condition: Condition, few: tuple[int, int], over: Points) -> Points:
        """Those of the last periods that are beyond the limit, where they are as many as it takes."""
        found = tuple(each for each in over if each[0] > over[-1][0] - few[1] * self.period and condition.holds(each[1]))
        return found if len(found) >= few[0] else ()

    def _only_worsens(self, condition: Condition) -> bool:
        """Whether a period that is beyond the limit before it is over stays so."""
        grows = ("Sum", "SampleCount", "Maximum") if condition.upwards else ("Minimum",)
        return not self.math and all(query.statistic in grows for _, query in self.queries)

    def _nothing(self, seen: Points, memory: Mapping[str, Any]) -> CheckResult:
        level = _LEVELS[self.missing]
        since = seen[-1][0] + self.period if seen else _moment(memory.get("seen"))
        says = f"{self.label} has no data" + (f" since {since.day} {since:%b %H:%M} UTC" if since else "")
        kept = {"level": memory.get("level")} if level is Level.UNKNOWN else {"level": level.value}
        return CheckResult(level, says, "no data", memory={**kept, **({"seen": since.isoformat()} if since else {})})


class Seldom(Metric, frozen=True):
    """What comes a few times a day or less: a bucket's size, the bill."""

    every: ClassVar[timedelta] = _SELDOM
    late: ClassVar[timedelta] = timedelta(hours=36)


class MonthSum(Metric, frozen=True):
    """What has come together in this month (UTC), against an allowance: hours that an instance ran, GB-seconds."""

    every: ClassVar[timedelta] = timedelta(hours=1)

    allowance: float = 0.0
    factor: float = 1.0  # of the sum of all points
    verb: str = "has used"

    def begins(self, now: datetime) -> datetime:
        """From the month's beginning on."""
        return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def evaluate(self, seen: Points, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """A warning at 80 % of the allowance, an error when it is used up; and when that will be, at this pace."""
        begun = self.begins(now)
        used = sum(value for at, value in seen if at >= begun) * self.factor
        share, value = used / self.allowance, shown(used, self.unit)
        says = f"{self.verb} {shown(used, '')} of its {shown(self.allowance, self.unit)} this month"
        if share >= 1:
            return CheckResult(Level.ERROR, says, value)
        if share < NEARLY:
            return CheckResult(Level.OK, says, value)
        ends = begun + (now - begun) / share
        pace = f"; at this pace it is used up on {ends.day} {ends:%b}" if ends.month == begun.month else ""
        return CheckResult(Level.WARNING, says + pace, value)


def measured(period: timedelta, **fields: Any) -> Metric:
    """The check of a metric, looked at as often as its period is worth."""
    rate = any(each.rate for name in ("error", "warn", "clear") if (each := fields.get(name)))
    return (Metric if period < _SELDOM else Seldom)(period=period, rate=rate, **fields)


def _lasting(condition: Condition) -> str:
    if condition.few:
        return f" in {condition.few[0]} of the last {condition.few[1]} values"
    return f" for {duration(condition.lasts)}" if condition.lasts else ""


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):  # nothing is remembered, or what another kind did
        return None
