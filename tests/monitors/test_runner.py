"""The watch: every due check runs, none delays another, and each change is sent once, even if a watch dies."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.event import Kind
from chalicelib.domain.monitor import AlertPolicy, CheckResult, Monitor, MonitorState, ProbeContext, ProbeError
from chalicelib.domain.payloads import IncidentChange, Level
from chalicelib.domain.people import Channel, Recipient
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.monitors.runner import WatchResult
from chalicelib.policy.controls import new_silence
from tests.support.builders import NOON, some_settings
from tests.support.stages import Stage, memory_stage, plenty

MINUTE = timedelta(minutes=1)


@dataclass
class Check:
    """A check whose result a test sets."""

    every: ClassVar[timedelta] = MINUTE
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1
    level: Level | Exception | Callable[[], Level] = Level.OK
    description: str = "a thing"
    permissions: tuple[tuple[str, str], ...] = ()

    def probe(self, context: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Level:
        if isinstance(self.level, Exception):
            raise self.level
        return self.level() if callable(self.level) else self.level

    def evaluate(self, observation: Level, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        return CheckResult(observation, f"is {observation}", memory={"checks": memory.get("checks", 0) + 1})

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        return iter(())


@dataclass
class BatchCheck(Check):
    """A kind that is probed in batches."""

    batches: ClassVar[list[int]] = []

    @classmethod
    def probe_all(cls, checks: Sequence[Any], context: ProbeContext, now: datetime) -> list[Any]:
        cls.batches.append(len(checks))
        return [check.level for check in checks]


@dataclass
class Bench:
    """A stage with these monitors; ben is notified, asha of errors too."""

    checks: dict[str, Check]
    alert_policy: AlertPolicy = field(default_factory=lambda: AlertPolicy(every=MINUTE))
    ben_fields: str = ""  # more of ben's settings
    stage: Stage = field(init=False)

    def __post_init__(self) -> None:
        self.stage = memory_stage(self.settings())

    def settings(self) -> Settings:
        settings = some_settings(**{"[people.ben]": f"[people.ben]\n{self.ben_fields}"})
        ben, asha = (settings.people[name] for name in ("ben", "asha"))
        mail, text = Recipient(Channel.EMAIL, ben), Recipient(Channel.SMS, asha)
        monitors = tuple(
            Monitor(
                name,
                "http",
                check,
                self.alert_policy,
                Rule(name, on=Kind.INCIDENT, recipients=(mail,), template="plain"),
                (text,),
            )
            for name, check in self.checks.items()
        )
        return replace(settings, monitors=monitors)

    def watch(self, time_left: Callable[[], timedelta] = plenty) -> WatchResult:
        """Run the watch, a minute later."""
        self.stage.later(minutes=1)
        return self.stage.bot.watch.run(self.stage.settings.monitors, time_left)


def test_change_is_sent_once_however_often_it_is_checked() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    assert [bench.watch().sent for _ in range(5)] == [1, 0, 0, 0, 0]
    bench.checks["web"].level = Level.OK
    assert [bench.watch().sent for _ in range(5)] == [1, 0, 0, 0, 0]
    assert bench.stage.addresses() == ["ben@example.com"] * 2


def test_each_result_is_reported_as_soon_as_it_is_known() -> None:
    bench = Bench({"web": Check(Level.WARNING), "gone": Check(ProbeError("AccessDenied"))})
    results: list[tuple[str, Level]] = []
    on_result = lambda monitor, result: results.append((monitor.name, result.level))  # noqa: E731
    bench.stage.bot.watch.run(bench.stage.settings.monitors, plenty, on_result=on_result)
    assert sorted(results) == [("gone", Level.UNKNOWN), ("web", Level.WARNING)]


def test_recipients_of_errors_are_also_notified_of_the_resolution() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    bench.watch()
    assert bench.stage.addresses() == ["ben@example.com"]
    bench.checks["web"].level = Level.ERROR
    bench.watch()
    bench.checks["web"].level = Level.OK
    bench.watch()
    assert bench.stage.addresses() == ["ben@example.com"] * 3 + ["+919812345678"] * 2


def test_monitor_is_checked_when_due_and_keeps_its_memory() -> None:
    bench = Bench({"web": Check()}, AlertPolicy(every=timedelta(minutes=5)))
    assert [bench.watch().checked for _ in range(11)] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert bench.stage.incidents.get("web").memory == {"checks": 3}


def test_probe_that_fails_or_crashes_is_unknown() -> None:
    bench = Bench({"gone": Check(ProbeError("AccessDenied")), "broken": Check(ZeroDivisionError("secret"))})
    bench.watch()
    states = bench.stage.incidents.all()
    assert {state.level for state in states.values()} == {Level.UNKNOWN}
    assert states["gone"].result.message == "cannot be read: AccessDenied"
    assert "secret" not in states["broken"].result.message


def test_probe_that_hangs_does_not_delay_others() -> None:
    released, left = threading.Event(), iter([timedelta(seconds=21)] * 40)

    def never() -> Level:
        released.wait(20)
        return Level.OK

    def time_left() -> timedelta:
        if bench.stage.incidents.get("web").level is Level.ERROR:
            return timedelta(0)
        return next(left, timedelta(seconds=20.01))

    bench = Bench({"slow": Check(never), "web": Check(Level.ERROR)})
    result = bench.watch(time_left)
    released.set()
    assert (result.checked, result.skipped) == (1, 1)
    assert bench.stage.incidents.get("web").reported_level is Level.ERROR


def test_monitors_skipped_for_lack_of_time_come_first_in_the_next_run() -> None:
    bench = Bench({"a": Check(), "b": Check()})
    bench.stage.incidents.rows["a"] = MonitorState("a", next_check_at=NOON, version=1)
    bench.stage.incidents.rows["b"] = MonitorState("b", next_check_at=NOON - MINUTE, version=1)
    order: list[str] = []
    for name, check in bench.checks.items():
        check.level = lambda name=name: order.append(name) or Level.OK  # type: ignore[misc,func-returns-value]
    bench.watch()
    assert order == ["b", "a"]


def test_batch_kind_is_probed_together() -> None:
    BatchCheck.batches.clear()
    bench = Bench({f"m{number}": BatchCheck(Level.OK) for number in range(300)})
    assert bench.watch().checked == 300
    assert BatchCheck.batches == [300]


def test_watch_that_dies_before_saving_is_repeated() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    save, bench.stage.incidents.save = bench.stage.incidents.save, _dies
    bench.watch()
    assert bench.stage.addresses() == []
    bench.stage.incidents.save = save
    assert [bench.watch().sent, bench.watch().sent] == [1, 0]


def test_watch_that_dies_before_delivering_is_completed_by_the_next() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    insert, bench.stage.ledger.insert = bench.stage.ledger.insert, _dies
    bench.watch()
    assert bench.stage.incidents.get("web").pending
    bench.stage.ledger.insert = insert
    bench.checks["web"].level = Level.OK
    assert [bench.watch().sent for _ in range(3)] == [2, 0, 0]  # both: opened and resolved


def test_watch_that_dies_after_delivering_sends_nothing_twice() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    save = bench.stage.incidents.save
    bench.stage.incidents.save = lambda old, new, now: save(old, new, now) if new.pending else _dies()
    assert bench.watch().sent == 0  # it died after sending the e-mail
    bench.stage.incidents.save = save
    assert [bench.watch().sent for _ in range(3)] == [0, 0, 0]
    assert bench.stage.addresses() == ["ben@example.com"]


def test_of_two_concurrent_watches_one_sends() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    _, other = bench.stage.container()

    def meanwhile() -> Level:
        bench.checks["web"].level = Level.WARNING
        other.watch.run(bench.stage.settings.monitors, plenty)
        return Level.WARNING

    bench.checks["web"].level = meanwhile
    bench.watch()
    assert bench.stage.addresses() == ["ben@example.com"]


def test_change_that_still_applies_is_sent_after_a_silence() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    bench.stage.deliverer.control.silence(new_silence("web", bench.stage.now, timedelta(minutes=10), "ben", "work on it"))
    sent = [bench.watch().sent for _ in range(15)]
    assert (sent.count(1), sent.index(1)) == (1, 9)


def test_quiet_hours_defer_warnings_but_not_errors() -> None:
    bench = Bench(
        {"web": Check(Level.WARNING), "disk": Check(Level.UNKNOWN), "db": Check(Level.ERROR)},
        ben_fields='timezone = "UTC"\nquiet = "10:00-14:00"',
    )
    bench.watch()
    rows = [row for row in bench.stage.ledger.rows.values() if row.person == "ben"]
    assert {row.rule: row.state.value for row in rows} == {"web": "bundled", "disk": "bundled", "db": "sent"}
    bench.stage.sweep_for(hours=3)
    assert bench.stage.mail.accepted[-1].message.subject == "2 messages, 2 rules, quiet hours"
    assert "12:01 UTC  web: is warning" in bench.stage.mail.accepted[-1].message.text


class Death:
    """Makes a watch die at one of the moments at which Lambda might end it."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.stage = bench, bench.stage
        self.save, self.insert = bench.stage.incidents.save, bench.stage.ledger.insert

    def at(self, moment: str) -> None:
        """ "": never; "probed": before saving; "saved": before delivering; "delivered": before saving that."""
        stage = self.stage
        stage.incidents.save, stage.ledger.insert = self.save, self.insert
        if moment == "probed":
            stage.incidents.save = _dies
        elif moment == "saved":
            stage.ledger.insert = _dies
        elif moment == "delivered":
            stage.incidents.save = lambda old, new, now: self.save(old, new, now) if new.pending or not old.pending else _dies()


@given(st.lists(st.tuples(st.sampled_from(list(Level)), st.sampled_from(["", "probed", "saved", "delivered"])), max_size=30))
@example([(Level.ERROR, "saved"), (Level.OK, "delivered"), (Level.ERROR, "probed"), (Level.WARNING, "")])
def test_each_change_is_sent_once_whenever_a_watch_dies_and_the_last_is_true(story: list[tuple[Level, str]]) -> None:
    bench = Bench({"web": Check()})
    death = Death(bench)
    for level, moment in story:
        bench.checks["web"].level = level
        death.at(moment)
        bench.watch()
    death.at("")
    bench.watch()
    state = bench.stage.incidents.get("web")
    assert state.pending is None
    rows = sorted((row for row in bench.stage.ledger.rows.values() if row.person == "ben"), key=lambda row: row.event.at)
    sent = [row.event.news for row in rows if row.event.news]
    assert len(sent) == state.notices == len(bench.stage.mail.accepted)
    assert all(before.level is not after.level for before, after in pairwise(sent) if after.change is not IncidentChange.FLAPPING)
    if sent and not state.flapping:
        assert sent[-1].level is state.level


def _dies(*_: object) -> Any:
    raise RuntimeError("the watch died")
