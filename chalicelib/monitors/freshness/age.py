"""How old is the newest? Where nothing is expected at a time."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from ...domain.monitor import CheckResult, ProbeContext
from ...domain.payloads import Level
from ...platform.phrases import rough_duration
from .arrivals import Ask, Target, Things, too_many
from .demand import Demand, Patience

_AN_HOUR = timedelta(hours=1)


class Found(Struct, frozen=True):
    """What a look saw."""

    things: Things = ()
    cut: bool = False  # there is more than was looked through


class Age(Struct, frozen=True):
    """What must not become too old."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1

    target: Target
    newest: Patience  # how old it may be
    demand: Demand = Demand()
    zone: str = "UTC"  # of {date:…}

    @property
    def what(self) -> str:
        """What it looks at and expects, in one line."""
        return f"{self.target.what}, at most {rough_duration(self.newest.longest)} old"

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Nothing is due at a time."""
        return iter(())

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow it."""
        return self.target.permissions

    def probe(self, reach: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Found:
        """List, or get, what is young enough; a dated key by its days, the newest first, as far back as is needed.

        Raises:
            Unreadable: AWS does not say.
        """
        walls = walls_of(now, self.newest.longest, self.zone)
        ask = Ask(now, now - self.newest.longest, walls, lambda things: not self._lack(things, now, self.newest.warn))
        return Found(*self.target.probe(reach, ask))

    def _lack(self, things: Things, now: datetime, age: timedelta) -> str:
        """What is wrong with those that are no older; "" where nothing is."""
        young = tuple(each for each in self.demand.counting(things) if now - each[0] <= age)
        return self.demand.lacking(young) if young else "nothing"

    def evaluate(self, seen: Found, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """What a look amounts to. The next one is after `every`."""
        newest, things = self.newest, self.demand.counting(seen.things)
        name = self.target.name(now.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None))
        if not self._lack(things, now, newest.warn):
            age = rough_duration(now - max(at for at, _ in things))
            return CheckResult(Level.OK, f"the newest of {name} is {age} old", age)
        if seen.cut:
            return CheckResult(Level.UNKNOWN, too_many(name))
        bad = newest.error is not None and self._lack(things, now, newest.error)
        level, limit = (Level.ERROR, newest.longest) if bad else (Level.WARNING, newest.warn)
        lack = self._lack(things, now, limit)
        if lack != "nothing":
            return CheckResult(level, f"{lack} within {rough_duration(limit)}: {name}", lack)
        if not things:
            return CheckResult(level, f"nothing of {name} {self.demand.came} within {rough_duration(limit)}", "nothing")
        last = max(at for at, _ in things)
        says = f"the newest of {name} is {rough_duration(now - last)} old, older than {rough_duration(limit)}"
        return CheckResult(level, says, rough_duration(now - last), since=last + limit)


def walls_of(now: datetime, age: timedelta, zone: str) -> tuple[datetime, ...]:
    """The local times, hour by hour, from now back to so long ago."""
    hours = [now - each * _AN_HOUR for each in range(int(age / _AN_HOUR) + 1)]
    return tuple(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for at in (*hours, now - age))
