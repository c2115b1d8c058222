"""Alarms of the bus as monitors: they look by themselves, and the watch only reminds of those that are open."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from msgspec import Struct

from .events import Level
from .monitors import Reach
from .policy.incident import Knobs, Result, Standing
from .settings import Rule, Settings
from .settings.monitors import Monitor


class Told(Struct, frozen=True):
    """What an alarm said last; to look at it is to read that again."""

    every: ClassVar[timedelta] = timedelta(minutes=1)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1
    what: str
    result: Result

    @property
    def asks(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()

    def look(self, reach: Reach, now: datetime, memory: Mapping[str, Any]) -> Result:
        """Nothing is asked: an alarm tells."""
        return self.result

    def judge(self, seen: Result, now: datetime, memory: Mapping[str, Any]) -> Result:
        """What it said last."""
        return seen

    def coming(self, after: datetime) -> Iterator[datetime]:
        """Nobody knows."""
        return iter(())


def monitor_of_alarm(rule: Rule, standing: Standing) -> Monitor:
    """The monitor that an alarm is to its rule."""
    known = standing.result or Result(Level.UNKNOWN, "has not said anything yet")
    knobs = Knobs(every=Told.every, remind=rule.remind, urgent=True)
    return Monitor(standing.name, "alarm", Told(f"alarm {standing.shown}", known), knobs, rule)


def alarms_of(settings: Settings, standings: Mapping[str, Standing]) -> list[Monitor]:
    """The alarms that are open, of rules that the settings still have."""
    found = [(settings.rule(each.rule), each) for each in standings.values() if each.rule and (each.incident or each.untold)]
    return [monitor_of_alarm(rule, each) for rule, each in found if rule]
