"""The watch: runs every due check in parallel and sends what changed.

    states ─► due monitors ─► probe ─► evaluate ─► step ─► save (one conditional write) ─► deliver ─► save

An event is saved in the monitor's row before it is delivered: if a watch dies in between, the next one delivers the event, and
the ledger prevents duplicates. A probe that hangs delays only its own monitor. Monitors skipped for lack of time come first in
the next run.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..delivery.deliver import Deliverer, TimeLeft
from ..domain.delivery import Delivery
from ..domain.event import Event
from ..domain.monitor import BatchProbe, CheckResult, Monitor, MonitorState, ProbeContext, ProbeError
from ..domain.payloads import Level
from ..domain.rule import Rule
from ..platform import log
from ..platform.aws import thread_safe
from ..policy.controls import active_silence
from ..policy.incident import mark_delivered, step
from ..rules.recipients import rule_notice
from ..store.incidents import Incidents
from .alarms import monitor_of_alarm, open_alarms

MAX_CONCURRENCY = 32  # probes; they wait for responses and use almost no CPU
RESERVE = timedelta(seconds=20)  # to evaluate, save and send after the last probe

OnResult = Callable[[Monitor, CheckResult], object]


class WatchResult(Struct, frozen=True):
    """What one run did."""

    checked: int = 0
    sent: int = 0
    skipped: int = 0  # due, but there was no time


class Watch:
    """Runs checks. `incidents` stores the monitor states; `clients` creates AWS clients."""

    def __init__(
        self, deliverer: Deliverer, incidents: Incidents, clients: Callable[..., Any], *, max_concurrency: int = MAX_CONCURRENCY
    ) -> None:
        self._deliverer = deliverer
        self._incidents = incidents
        self._clients = thread_safe(clients)
        self._max_concurrency = max_concurrency

    def states(self) -> Mapping[str, MonitorState]:
        """Return every monitor state by name."""
        return self._incidents.all()

    def run(
        self,
        monitors: Sequence[Monitor],
        time_left: TimeLeft,
        *,
        check_all: bool = False,
        on_result: OnResult = lambda *_: None,
    ) -> WatchResult:
        """Check the due monitors (or all of them) and send what changed. `on_result` is called with each result."""
        states = self._incidents.all()
        now = self._deliverer.clock()
        sent = self._resume_pending(monitors, states, time_left)
        monitors = [*monitors, *open_alarms(self._deliverer.settings, states)]
        due = sorted(
            (monitor for monitor in monitors if check_all or _is_due(states.get(monitor.name), now)),
            key=lambda monitor: _due_at(states.get(monitor.name)),
        )
        checked = 0
        for monitor, observation in self._probe(due, states, time_left):
            state = states.get(monitor.name, MonitorState(monitor.name))
            with _isolated(monitor.name):
                result = _evaluate(monitor, observation, self._deliverer.clock(), state.memory)
                on_result(monitor, result)
                sent += len(self._apply(monitor, state, result, time_left))
            checked += 1
        if due:
            log.info("watched", looked=checked, told=sent or None, left=len(due) - checked or None)
        return WatchResult(checked, sent, len(due) - checked)

    def _probe(
        self, due: Sequence[Monitor], states: Mapping[str, MonitorState], time_left: TimeLeft
    ) -> Iterable[tuple[Monitor, Any]]:
        """Yield each monitor's observation, or its ProbeError, as soon as it is known. Probes that hang are abandoned."""
        context, now = ProbeContext(self._clients, lambda: time_left() - RESERVE), self._deliverer.clock()

        def probe(group: Sequence[Monitor]) -> list[Any]:
            first = group[0].check
            if isinstance(first, BatchProbe):
                checks: list[Any] = [monitor.check for monitor in group]  # all of the same kind
                return type(first).probe_all(checks, context, now)
            return [first.probe(context, now, states.get(group[0].name, MonitorState("")).memory)]

        pool = ThreadPoolExecutor(max_workers=self._max_concurrency)
        try:
            running: dict[Future[list[Any]], Sequence[Monitor]] = {}
            waiting = _groups(due)
            while (waiting or running) and time_left() > RESERVE:
                while waiting and len(running) < self._max_concurrency:
                    group = waiting.popleft()
                    running[pool.submit(probe, group)] = group
                timeout = (time_left() - RESERVE).total_seconds()
                for future in wait(running, timeout=max(timeout, 0), return_when=FIRST_COMPLETED).done:
                    yield from zip(running[future], _observations(future, len(running.pop(future))), strict=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def handle_alarm(self, event: Event, rule: Rule, time_left: TimeLeft) -> list[Delivery]:
        """Open or resolve an EventBridge alarm's incident. A repeated event, or one older than the state, has no effect."""
        from ..sources.alarms import alarm_result  # not needed by the scheduled watch

        alarm = alarm_result(event)
        if alarm is None or event.bus is None:
            return []
        name, result = alarm
        state = replace(self._incidents.get(f"alarm {rule.name} {name}"), display_name=event.bus.subject, rule=rule.name)
        monitor = monitor_of_alarm(rule, state)
        if state.result and (state.result.since or event.at) >= (result.since or event.at):
            return self._deliver_pending(monitor, state, time_left)
        return self._apply(monitor, state, result, time_left)

    def _apply(self, monitor: Monitor, state: MonitorState, result: CheckResult, time_left: TimeLeft) -> list[Delivery]:
        """Save the monitor's state after a result, and send what changed."""
        now = self._deliverer.clock()
        silences = self._deliverer.control.now().silences
        silenced = any(active_silence(silences, name, now) for name in (monitor.name, monitor.table, monitor.rule.name))
        after = step(state, result, monitor.alert_policy, now, monitor.check.description, silenced=silenced)
        if not self._incidents.save(state, after, now):
            log.info("overtaken", monitor=monitor.name)
            return []
        if after.level is not state.level:
            log.info("level", monitor=monitor.name, level=after.level, before=state.level, says=result.message)
        return self._deliver_pending(monitor, after, time_left)

    def _resume_pending(self, monitors: Sequence[Monitor], states: dict[str, MonitorState], time_left: TimeLeft) -> int:
        """Send the events that earlier runs saved but did not deliver; return the number of deliveries."""
        sent = 0
        for monitor in monitors:
            state = states.get(monitor.name)
            if state and state.pending and time_left() > RESERVE:
                with _isolated(monitor.name):
                    sent += len(self._deliver_pending(monitor, state, time_left))
                    states[monitor.name] = self._incidents.get(monitor.name)
        return sent

    def _deliver_pending(self, monitor: Monitor, state: MonitorState, time_left: TimeLeft) -> list[Delivery]:
        """Deliver the pending event to every recipient, then clear it."""
        event = state.pending
        if event is None:
            return []
        recipients = [*monitor.rule.recipients, *(monitor.on_error if _is_error(event) else ())]
        deliveries = [
            delivery
            for recipient in dict.fromkeys(recipients)
            for delivery in self._deliverer.deliver(rule_notice(event, monitor.rule, recipient), time_left)
        ]
        self._incidents.save(state, mark_delivered(state), self._deliverer.clock())
        return deliveries


@contextmanager
def _isolated(name: str) -> Iterator[None]:
    """Log an error of one monitor, so that it does not affect the others; the monitor stays due."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  any of them
        log.warning("watch-failed", monitor=name, error=type(error).__name__, detail=str(error))


def _groups(due: Sequence[Monitor]) -> deque[list[Monitor]]:
    """Group the monitors that are probed together: one group per batch kind, every other monitor alone."""
    groups: deque[list[Monitor]] = deque()
    batches: dict[type, list[Monitor]] = {}
    for monitor in due:
        if not isinstance(monitor.check, BatchProbe):
            groups.append([monitor])
        elif type(monitor.check) in batches:
            batches[type(monitor.check)].append(monitor)
        else:
            batches[type(monitor.check)] = [monitor]
            groups.append(batches[type(monitor.check)])
    return groups


def _observations(future: Future[list[Any]], count: int) -> list[Any]:
    """Return a group's observations; if the probe failed, the same ProbeError for each monitor."""
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, ProbeError):
        log.warning("look-failed", error=type(error).__name__, detail=str(error))
        error = ProbeError(f"the check failed with {type(error).__name__}; see the log of the watch function")
    return [error] * count


def _evaluate(monitor: Monitor, observation: Any, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
    if isinstance(observation, ProbeError):
        return CheckResult(Level.UNKNOWN, f"cannot be read: {observation}", memory=memory)
    return monitor.check.evaluate(observation, now, memory)


def _is_due(state: MonitorState | None, now: datetime) -> bool:
    return state is None or state.next_check_at is None or state.next_check_at <= now


def _due_at(state: MonitorState | None) -> datetime:
    """When a monitor became due: what was skipped in the last run sorts first."""
    return (state.next_check_at if state else None) or _LONG_AGO


def _is_error(event: Event) -> bool:
    return event.news is not None and event.news.worst is Level.ERROR


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
