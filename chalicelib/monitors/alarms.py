"""Alarms of the bus as monitors: they look by themselves, and the watch only reminds of those that are open."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from msgspec import Struct

from ..domain.monitor import AlertPolicy, CheckResult, Monitor, MonitorState, ProbeContext
from ..domain.payloads import Level
from ..domain.rule import Rule
from ..domain.settings import Settings


class AlarmCheck(Struct, frozen=True):
    """What an alarm said last; to look at it is to read that again."""

    every: ClassVar[timedelta] = timedelta(minutes=1)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1
    what: str
    result: CheckResult

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Nothing."""
        return ()

    def probe(self, reach: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Nothing is asked: an alarm tells."""
        return self.result

    def evaluate(self, seen: CheckResult, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """What it said last."""
        return seen

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Nobody knows."""
        return iter(())


def monitor_of_alarm(rule: Rule, standing: MonitorState) -> Monitor:
    """The monitor that an alarm is to its rule."""
    known = standing.result or CheckResult(Level.UNKNOWN, "has not said anything yet")
    alert_policy = AlertPolicy(every=AlarmCheck.every, remind=rule.remind, urgent=True)
    return Monitor(standing.name, "alarm", AlarmCheck(f"alarm {standing.shown}", known), alert_policy, rule)


def open_alarms(settings: Settings, states: Mapping[str, MonitorState]) -> list[Monitor]:
    """The alarms that are open, of rules that the settings still have."""
    found = [(settings.rule(each.rule), each) for each in states.values() if each.rule and (each.incident or each.untold)]
    return [monitor_of_alarm(rule, each) for rule, each in found if rule]
