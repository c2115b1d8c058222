"""Checks that the newest data is not too old, without a schedule (`newest` in the settings)."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from ...domain.monitor import CheckResult, ProbeContext
from ...domain.payloads import Level
from ...platform.phrases import duration
from .objects import too_many_keys
from .requirement import Requirement, Thresholds
from .targets import ArrivalQuery, Arrivals, Target

_HOUR = timedelta(hours=1)


class AgeObservation(Struct, frozen=True):
    """What a probe returned."""

    arrivals: Arrivals = ()
    truncated: bool = False  # not all keys were listed


class AgeCheck(Struct, frozen=True):
    """A target and the maximum age of its newest data."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1

    target: Target
    max_age: Thresholds
    requirement: Requirement = Requirement()
    zone: str = "UTC"  # of {date:…}

    @property
    def description(self) -> str:
        """The target and the maximum age, in one line."""
        return f"{self.target.description}, at most {duration(self.max_age.last)} old"

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Empty: there is no schedule."""
        return iter(())

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Required IAM permissions of the target."""
        return self.target.permissions

    def probe(self, context: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> AgeObservation:
        """Read what is young enough. For a key with {date}: day by day, newest first, until there is enough.

        Raises:
            ProbeError: the request failed.
        """
        query = ArrivalQuery(
            now,
            now - self.max_age.last,
            local_times_since(now, self.max_age.last, self.zone),
            lambda arrivals: not self._violation(arrivals, now, self.max_age.warn),
        )
        return AgeObservation(*self.target.probe(context, query))

    def _violation(self, arrivals: Arrivals, now: datetime, age: timedelta) -> str:
        """Describe what is wrong with the arrivals up to an age: "nothing", or a wrong amount; "" if they are enough."""
        young = tuple((at, amount) for at, amount in self.requirement.select(arrivals) if now - at <= age)
        return self.requirement.violation(young) if young else "nothing"

    def evaluate(self, observation: AgeObservation, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Compare the newest arrivals with the thresholds."""
        max_age, arrivals = self.max_age, self.requirement.select(observation.arrivals)
        name = self.target.name(now.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None))
        if not self._violation(arrivals, now, max_age.warn):
            age = duration(now - max(at for at, _ in arrivals))
            return CheckResult(Level.OK, f"the newest {name} is {age} old", age)
        if observation.truncated:
            return CheckResult(Level.UNKNOWN, too_many_keys(name))
        is_error = max_age.error is not None and self._violation(arrivals, now, max_age.error)
        level, limit = (Level.ERROR, max_age.last) if is_error else (Level.WARNING, max_age.warn)
        violation = self._violation(arrivals, now, limit)
        if violation != "nothing":
            return CheckResult(level, f"{violation} in the last {duration(limit)}: {name}", violation)
        if not arrivals:
            return CheckResult(level, f"no {name} {self.requirement.arrived} in the last {duration(limit)}", "nothing")
        newest_at = max(at for at, _ in arrivals)
        age = duration(now - newest_at)
        return CheckResult(level, f"the newest {name} is {age} old (limit: {duration(limit)})", age, since=newest_at + limit)


def local_times_since(now: datetime, age: timedelta, zone: str) -> tuple[datetime, ...]:
    """Return the local time of every hour from now back to `age` ago."""
    hours = [now - number * _HOUR for number in range(int(age / _HOUR) + 1)]
    return tuple(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in (*hours, now - age))
