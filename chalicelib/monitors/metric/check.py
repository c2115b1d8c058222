"""Monitors of kind "metric": a CloudWatch metric, or one computed from several, and its limits. Pure.

    above 80 % for 15 min     40  85  ·  90 | 95 (incomplete)   error: every existing value of the 15 minutes is above
                              85  70  90  95 | 95               ok: one of them is not
                              ·   ·   ·   ·  | ·                as `missing` says
    above 80 % 2 of 4         85  70  ·   90 | 95               error: a missing value does not count

Sources: Amazon CloudWatch API reference, "GetMetricData" (a point's time is the start of its period); user guide, "Using math
expressions with CloudWatch metrics" and "Configuring how CloudWatch alarms treat missing data".
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from msgspec import Struct

from ...domain.monitor import CheckResult, ProbeContext
from ...domain.payloads import Level
from ...platform.phrases import duration
from .conditions import Condition, format_value

Points = tuple[tuple[datetime, float], ...]  # the start of each period (UTC) and its value, oldest first
Missing = Literal["unknown", "ok", "error"]

WARNING_SHARE = 0.8  # of an allowance
_COMPLETE_AFTER = timedelta(minutes=2)  # after a period's end, all its data has reached CloudWatch
_EXTRA_PERIODS = 6  # read before the needed ones, to find when a condition started to hold
_INFREQUENT = timedelta(hours=6)
_MISSING_LEVELS: Mapping[Missing, Level] = {"unknown": Level.UNKNOWN, "ok": Level.OK, "error": Level.ERROR}


class Query(Struct, frozen=True):
    """One metric."""

    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...] = ()
    statistic: str = "Average"


class MetricCheck(Struct, frozen=True):
    """A metric and its limits."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1
    max_delay: ClassVar[timedelta] = timedelta(minutes=10)  # from a period's end until CloudWatch has its point

    description: str
    label: str  # "cpu"
    queries: tuple[tuple[str, Query], ...]  # by name in `math`
    math: str = ""  # "" for a single query
    period: timedelta = timedelta(minutes=5)
    unit: str = ""
    error: Condition | None = None
    warn: Condition | None = None
    clear: Condition | None = None  # required to return to ok
    missing: Missing = "unknown"
    region: str = ""
    rate: bool = False  # limits and messages are per second; points are per period

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Read metrics; CloudWatch has no resource for them."""
        return (("cloudwatch:GetMetricData", "*"),)

    def window_start(self, now: datetime) -> datetime:
        """Earlier points are not needed."""
        windows = [condition.window(self.period) for condition in (self.error, self.warn, self.clear) if condition]
        return now - max(windows, default=self.period) - self.max_delay - _EXTRA_PERIODS * self.period

    def probe(self, context: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Points:
        """Read the points of this metric only.

        Raises:
            ProbeError: the request failed.
        """
        from .cloudwatch import probe_one

        return probe_one(self, context, now)

    @classmethod
    def probe_all(cls, checks: Sequence["MetricCheck"], context: ProbeContext, now: datetime) -> list[Any]:
        """Read the points of all checks, up to 500 metrics per request."""
        from .cloudwatch import probe_all

        return probe_all(checks, context, now)

    def evaluate(self, observation: Points, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Compare the points with the limits."""
        points, unit = observation, self.unit
        if self.rate:
            points = tuple((at, value / self.period.total_seconds()) for at, value in points)
            unit = f"{self.unit}/s"
        if not points or points[-1][0] + self.period < now - self._max_gap - self.max_delay:
            return self._no_data(points, memory)
        complete = tuple((at, value) for at, value in points if at + self.period + _COMPLETE_AFTER <= now)
        latest = (complete or points)[-1][1]
        base_memory = {"seen": min(points[-1][0] + self.period, now).isoformat()}
        for level, condition in ((Level.ERROR, self.error), (Level.WARNING, self.warn)):
            if condition and (matches := self._matches(condition, complete, points)):
                last = matches[-1][1]
                value, verb = format_value(last, unit), "was" if condition.m_of_n and last != latest else "is"
                message = f"{self.label} {verb} {value}, {condition.bound}{_extent(condition)}"
                return CheckResult(level, message, value, since=matches[0][0], memory={"level": level.value, **base_memory})
        value, previous_level = format_value(latest, unit), memory.get("level")
        bad = (Level.ERROR, Level.WARNING)
        if previous_level in bad and self.clear and not self._matches(self.clear, complete, points):
            message = f"{self.label} is {value}, not yet {self.clear.text}"
            return CheckResult(Level(previous_level), message, value, memory={"level": previous_level, **base_memory})
        return CheckResult(Level.OK, f"{self.label} is {value}", value, memory=base_memory)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Empty: there is no schedule."""
        return iter(())

    @property
    def _max_gap(self) -> timedelta:
        """After this time without a point, at least one condition cannot be evaluated."""
        windows = [condition.window(self.period) for condition in (self.error, self.warn) if condition]
        return max(self.period, min(windows, default=self.period))

    def _matches(self, condition: Condition, complete: Points, points: Points) -> Points:
        """Return the latest unbroken run of points for which a condition holds, if it covers the condition's duration (as far as
        there are points); otherwise nothing."""
        if condition.m_of_n:
            return self._m_of_n_matches(condition, condition.m_of_n, complete)
        length = condition.duration or self.period
        if length <= self.period and self._only_gets_worse(condition):
            complete = (*complete, *((at, value) for at, value in points[len(complete) :] if condition.holds(value)))
        if not complete:
            return ()
        start = len(complete)
        while start and condition.holds(complete[start - 1][1]):
            start -= 1
        first_needed = complete[-1][0] - length + self.period
        return complete[start:] if start == 0 or complete[start - 1][0] < first_needed else ()

    def _m_of_n_matches(self, condition: Condition, m_of_n: tuple[int, int], complete: Points) -> Points:
        """Return the points of the last n periods for which a condition holds, if there are at least m."""
        needed, periods = m_of_n
        latest = tuple((at, value) for at, value in complete if at > complete[-1][0] - periods * self.period)
        matches = tuple((at, value) for at, value in latest if condition.holds(value))
        return matches if len(matches) >= needed else ()

    def _only_gets_worse(self, condition: Condition) -> bool:
        """Whether an incomplete period for which a condition holds can no longer end well."""
        monotonic = ("Sum", "SampleCount", "Maximum") if condition.is_upper else ("Minimum",)
        return not self.math and all(query.statistic in monotonic for _, query in self.queries)

    def _no_data(self, points: Points, memory: Mapping[str, Any]) -> CheckResult:
        level = _MISSING_LEVELS[self.missing]
        since = points[-1][0] + self.period if points else _parse_time(memory.get("seen"))
        message = f"{self.label} has no data" + (f" since {since.day} {since:%b %H:%M} UTC" if since else "")
        level_memory = {"level": memory.get("level")} if level is Level.UNKNOWN else {"level": level.value}
        seen = {"seen": since.isoformat()} if since else {}
        return CheckResult(level, message, "no data", memory={**level_memory, **seen})


class InfrequentMetricCheck(MetricCheck, frozen=True):
    """A metric with a few points per day or fewer: a bucket's size, the bill."""

    every: ClassVar[timedelta] = _INFREQUENT
    max_delay: ClassVar[timedelta] = timedelta(hours=36)


class MonthlyAllowanceCheck(MetricCheck, frozen=True):
    """The sum of a metric in the current month (UTC), compared with an allowance: running hours, GB-seconds."""

    every: ClassVar[timedelta] = timedelta(hours=1)

    allowance: float = 0.0
    factor: float = 1.0  # of the sum of all points
    verb: str = "has used"

    def window_start(self, now: datetime) -> datetime:
        """The start of the month."""
        return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def evaluate(self, observation: Points, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Warn at 80 % of the allowance and predict when it runs out; an error once it has."""
        start = self.window_start(now)
        used = sum(value for at, value in observation if at >= start) * self.factor
        share, value = used / self.allowance, format_value(used, self.unit)
        message = f"{self.verb} {format_value(used, '')} of its {format_value(self.allowance, self.unit)} this month"
        if share >= 1:
            return CheckResult(Level.ERROR, message, value)
        if share < WARNING_SHARE:
            return CheckResult(Level.OK, message, value)
        runs_out = start + (now - start) / share
        if runs_out.month == start.month:
            message += f"; at this pace the allowance runs out on {runs_out.day} {runs_out:%b}"
        return CheckResult(Level.WARNING, message, value)


def metric_check(period: timedelta, **fields: Any) -> MetricCheck:
    """Create the check of a metric, of the class that suits its period."""
    limits = [fields.get(name) for name in ("error", "warn", "clear")]
    rate = any(condition.rate for condition in limits if condition)
    return (MetricCheck if period < _INFREQUENT else InfrequentMetricCheck)(period=period, rate=rate, **fields)


def _extent(condition: Condition) -> str:
    if condition.m_of_n:
        return f" in {condition.m_of_n[0]} of the last {condition.m_of_n[1]} values"
    return f" for {duration(condition.duration)}" if condition.duration else ""


def _parse_time(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):  # no memory, or of another kind
        return None
