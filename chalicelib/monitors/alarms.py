"""EventBridge alarms as monitors: AWS runs the check and sends the result; the watch only sends reminders of open alarms."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from msgspec import Struct

from ..domain.monitor import AlertPolicy, CheckResult, Monitor, MonitorState, ProbeContext
from ..domain.payloads import Level
from ..domain.rule import Rule
from ..domain.settings import Settings


class AlarmCheck(Struct, frozen=True):
    """The latest result of an alarm; checking it returns that result again."""

    every: ClassVar[timedelta] = timedelta(minutes=1)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1
    description: str
    result: CheckResult

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """None."""
        return ()

    def probe(self, context: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Return the latest result without a request."""
        return self.result

    def evaluate(self, observation: CheckResult, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Return the latest result."""
        return observation

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Empty: alarms have no schedule."""
        return iter(())


def monitor_of_alarm(rule: Rule, state: MonitorState) -> Monitor:
    """Return an alarm as a monitor that notifies the recipients of its rule."""
    result = state.result or CheckResult(Level.UNKNOWN, "has not reported yet")
    alert_policy = AlertPolicy(every=AlarmCheck.every, remind=rule.remind, urgent=True)
    return Monitor(state.name, "alarm", AlarmCheck(f"alarm {state.display_name}", result), alert_policy, rule)


def open_alarms(settings: Settings, states: Mapping[str, MonitorState]) -> list[Monitor]:
    """Return the open alarms whose rule is still in the settings."""
    open_states = [state for state in states.values() if state.rule and (state.incident or state.pending)]
    alarms = [(settings.rule(state.rule), state) for state in open_states]
    return [monitor_of_alarm(rule, state) for rule, state in alarms if rule]
