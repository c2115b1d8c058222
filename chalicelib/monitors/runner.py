"""The watch: looks at every monitor that is due, many at once, and tells what changed of its incident.

    standings ─► those due ─► look (asks) ─► judge ─► step ─► keep (one conditional write) ─► deliver ─► keep

What is to be told stands in the row before it is delivered, so a watch that dies in between is made good by the next one, and
the ledger lets nobody hear it twice. A look that hangs holds up its own monitor only; what there was no time for comes first
in the next run.
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
from ..platform.aws import shared
from ..policy.controls import active_silence
from ..policy.incident import delivered, step
from ..rules.recipients import rule_notice
from ..store.incidents import Incidents
from .alarms import monitor_of_alarm, open_alarms

MAX_CONCURRENCY = 32  # looks; they wait for answers and cost next to no processor
RESERVE = timedelta(seconds=20)  # to judge, to write down and to tell what was seen

Step = Callable[[Monitor, CheckResult], object]


class WatchResult(Struct, frozen=True):
    """What one run did."""

    looked: int = 0
    told: int = 0
    left: int = 0  # were due, and there was no time


class Watch:
    """Looks at monitors. `clients` makes AWS clients; `incidents` is where it is written down how each stands."""

    def __init__(
        self, deliverer: Deliverer, incidents: Incidents, clients: Callable[..., Any], *, max_concurrency: int = MAX_CONCURRENCY
    ) -> None:
        self._deliverer = deliverer
        self._incidents = incidents
        self._clients = shared(clients)
        self._at_once = max_concurrency

    def states(self) -> Mapping[str, MonitorState]:
        """How everything stands, by its name."""
        return self._incidents.all()

    def run(
        self, monitors: Sequence[Monitor], time_left: TimeLeft, *, now_all: bool = False, step: Step = lambda *_: None
    ) -> WatchResult:
        """Look at those that are due (or at all of them), and tell what changed. `step` hears of each look what it gave."""
        states = self._incidents.all()
        now = self._deliverer.clock()
        told = self._tell_again(monitors, states, time_left)
        monitors = [*monitors, *open_alarms(self._deliverer.settings, states)]
        due = sorted(
            (monitor for monitor in monitors if now_all or _due(states.get(monitor.name), now)),
            key=lambda monitor: _since_when(states.get(monitor.name)),
        )
        looked = 0
        for monitor, seen in self._seen(due, states, time_left):
            standing = states.get(monitor.name, MonitorState(monitor.name))
            with _innocent_of(monitor.name):
                result = _result(monitor, seen, self._deliverer.clock(), standing.memory)
                step(monitor, result)
                told += len(self._stand(monitor, standing, result, time_left))
            looked += 1
        if due:
            log.info("watched", looked=looked, told=told or None, left=len(due) - looked or None)
        return WatchResult(looked, told, len(due) - looked)

    def _seen(
        self, due: Sequence[Monitor], states: Mapping[str, MonitorState], time_left: TimeLeft
    ) -> Iterable[tuple[Monitor, Any]]:
        """What each sees, or why it cannot, as they come; those that hang are left to themselves."""
        reach, now = ProbeContext(self._clients, lambda: time_left() - RESERVE), self._deliverer.clock()

        def probe(some: Sequence[Monitor]) -> list[Any]:
            first = some[0].check
            if isinstance(first, BatchProbe):
                checks: list[Any] = [monitor.check for monitor in some]  # all of the first one's kind
                return type(first).probe_all(checks, reach, now)
            return [first.probe(reach, now, states.get(some[0].name, MonitorState("")).memory)]

        pool = ThreadPoolExecutor(max_workers=self._at_once)
        try:
            running: dict[Future[list[Any]], Sequence[Monitor]] = {}
            waiting = _jobs(due)
            while (waiting or running) and time_left() > RESERVE:
                while waiting and len(running) < self._at_once:
                    job = waiting.popleft()
                    running[pool.submit(probe, job)] = job
                patience = (time_left() - RESERVE).total_seconds()
                for future in wait(running, timeout=max(patience, 0), return_when=FIRST_COMPLETED).done:
                    yield from zip(running[future], _results(future, len(running.pop(future))), strict=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def heard(self, event: Event, rule: Rule, time_left: TimeLeft) -> list[Delivery]:
        """An alarm of the bus told of itself: it opens or resolves an incident. One that is older than what is known, or
        that came before, changes nothing."""
        from ..sources.alarms import alarm_result  # the scheduled watch never hears one

        told = alarm_result(event)
        if told is None or event.bus is None:
            return []
        name, result = told
        standing = replace(self._incidents.get(f"alarm {rule.name} {name}"), shown=event.bus.subject, rule=rule.name)
        monitor = monitor_of_alarm(rule, standing)
        if standing.result and (standing.result.since or event.at) >= (result.since or event.at):
            return self._tell(monitor, standing, time_left)
        return self._stand(monitor, standing, result, time_left)

    def _stand(self, monitor: Monitor, standing: MonitorState, result: CheckResult, time_left: TimeLeft) -> list[Delivery]:
        """Write down how a monitor stands after a result, and tell what changed."""
        now = self._deliverer.clock()
        silences = self._deliverer.control.now().silences
        muted = any(active_silence(silences, name, now) for name in (monitor.name, monitor.table, monitor.rule.name))
        after = step(standing, result, monitor.alert_policy, now, monitor.check.what, silenced=muted)
        if not self._incidents.save(standing, after, now):
            log.info("overtaken", monitor=monitor.name)
            return []
        if after.level is not standing.level:
            log.info("level", monitor=monitor.name, level=after.level, before=standing.level, says=result.says)
        return self._tell(monitor, after, time_left)

    def _tell_again(self, monitors: Sequence[Monitor], states: dict[str, MonitorState], time_left: TimeLeft) -> int:
        """What a watch before this one wrote down and did not get to tell."""
        told = 0
        for monitor in monitors:
            standing = states.get(monitor.name)
            if standing and standing.untold and time_left() > RESERVE:
                with _innocent_of(monitor.name):
                    told += len(self._tell(monitor, standing, time_left))
                    states[monitor.name] = self._incidents.get(monitor.name)
        return told

    def _tell(self, monitor: Monitor, standing: MonitorState, time_left: TimeLeft) -> list[Delivery]:
        event = standing.untold
        if event is None:
            return []
        recipients = [*monitor.rule.recipients, *(monitor.on_error if _is_error(event) else ())]
        told = [
            each
            for recipient in dict.fromkeys(recipients)
            for each in self._deliverer.deliver(rule_notice(event, monitor.rule, recipient), time_left)
        ]
        self._incidents.save(standing, delivered(standing), self._deliverer.clock())
        return told


@contextmanager
def _innocent_of(name: str) -> Iterator[None]:
    """What goes wrong with one monitor leaves the others alone; it stays due."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is
        log.warning("watch-failed", monitor=name, error=type(error).__name__, detail=str(error))


def _jobs(due: Sequence[Monitor]) -> deque[list[Monitor]]:
    """What is looked at together: all of a kind that can be, and each other for itself."""
    jobs: deque[list[Monitor]] = deque()
    together: dict[type, list[Monitor]] = {}
    for monitor in due:
        if not isinstance(monitor.check, BatchProbe):
            jobs.append([monitor])
        elif type(monitor.check) in together:
            together[type(monitor.check)].append(monitor)
        else:
            together[type(monitor.check)] = [monitor]
            jobs.append(together[type(monitor.check)])
    return jobs


def _results(future: Future[list[Any]], count: int) -> list[Any]:
    """What a job saw, or for each of its monitors why it cannot say."""
    error = future.exception()
    if error is None:
        return future.result()
    if not isinstance(error, ProbeError):
        log.warning("look-failed", error=type(error).__name__, detail=str(error))
        error = ProbeError(f"looking at it failed with {type(error).__name__}; the log of the watch tells more")
    return [error] * count


def _result(monitor: Monitor, seen: Any, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
    if isinstance(seen, ProbeError):
        return CheckResult(Level.UNKNOWN, f"cannot be read: {seen}", memory=memory)
    return monitor.check.evaluate(seen, now, memory)


def _due(standing: MonitorState | None, now: datetime) -> bool:
    return standing is None or standing.look_at is None or standing.look_at <= now


def _since_when(standing: MonitorState | None) -> datetime:
    """Since when a monitor waits to be looked at: what had no time in the last run goes first."""
    return (standing.look_at if standing else None) or _LONG_AGO


def _is_error(event: Event) -> bool:
    return event.news is not None and event.news.worst is Level.ERROR


_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
