"""The watch: every monitor that is due is looked at, none holds up another, and each change is told once whoever dies when."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.event import Kind
from chalicelib.domain.monitor import AlertPolicy, CheckResult, Monitor, MonitorState, ProbeContext, ProbeError
from chalicelib.domain.payloads import IncidentChange, Level
from chalicelib.domain.people import Channel, Recipient
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.monitors.runner import WatchResult
from chalicelib.policy.controls import new_silence
from chalicelib.store.incidents import Incidents
from tests.support.builders import NOON, some_settings
from tests.support.memory import MemoryIncidents
from tests.support.stages import TABLE, Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack

MINUTE = timedelta(minutes=1)


@dataclass
class Check:
    """Sees what a test says."""

    every: ClassVar[timedelta] = MINUTE
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1
    sees: Level | Exception | Callable[[], Level] = Level.OK
    what: str = "a thing"
    permissions: tuple[tuple[str, str], ...] = ()

    def probe(self, reach: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Level:
        if isinstance(self.sees, Exception):
            raise self.sees
        return self.sees() if callable(self.sees) else self.sees

    def evaluate(self, seen: Level, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        return CheckResult(seen, f"is {seen}", memory={"looks": memory.get("looks", 0) + 1})

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        return iter(())


@dataclass
class Many(Check):
    """A kind of which many are looked at together."""

    asked: ClassVar[list[int]] = []

    @classmethod
    def probe_all(cls, checks: Sequence[Any], reach: ProbeContext, now: datetime) -> list[Any]:
        cls.asked.append(len(checks))
        return [check.sees for check in checks]


@dataclass
class Bench:
    """A stage with these monitors."""

    checks: dict[str, Check]
    alert_policy: AlertPolicy = field(default_factory=lambda: AlertPolicy(every=MINUTE))
    bens: str = ""  # more of ben's settings
    stage: Stage = field(init=False)

    def __post_init__(self) -> None:
        self.stage = memory_stage(self.settings())

    def settings(self) -> Settings:
        settings = some_settings(**{"[people.ben]": f"[people.ben]\n{self.bens}"})
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
        """A minute later, look."""
        self.stage.later(minutes=1)
        return self.stage.bot.watch.run(self.stage.settings.monitors, time_left)


def test_change_is_told_once_however_often_it_is_looked_at() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    assert [bench.watch().told for _ in range(5)] == [1, 0, 0, 0, 0]
    bench.checks["web"].sees = Level.OK
    assert [bench.watch().told for _ in range(5)] == [1, 0, 0, 0, 0]
    assert bench.stage.addresses() == ["ben@example.com"] * 2


def test_each_look_is_told_as_it_comes() -> None:
    bench = Bench({"web": Check(Level.WARNING), "gone": Check(ProbeError("AccessDenied"))})
    steps: list[tuple[str, Level]] = []
    step = lambda monitor, result: steps.append((monitor.name, result.level))  # noqa: E731
    bench.stage.bot.watch.run(bench.stage.settings.monitors, plenty, step=step)
    assert sorted(steps) == [("gone", Level.UNKNOWN), ("web", Level.WARNING)]


def test_who_hears_only_of_errors_hears_their_end_too() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    bench.watch()
    assert bench.stage.addresses() == ["ben@example.com"]
    bench.checks["web"].sees = Level.ERROR
    bench.watch()
    bench.checks["web"].sees = Level.OK
    bench.watch()
    assert bench.stage.addresses() == ["ben@example.com"] * 3 + ["+919812345678"] * 2


def test_monitor_is_looked_at_when_it_is_due_and_remembers() -> None:
    bench = Bench({"web": Check()}, AlertPolicy(every=timedelta(minutes=5)))
    assert [bench.watch().looked for _ in range(11)] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert bench.stage.incidents.get("web").memory == {"looks": 3}


def test_what_cannot_be_read_is_unknown_and_what_breaks_too() -> None:
    bench = Bench({"gone": Check(ProbeError("AccessDenied")), "broken": Check(ZeroDivisionError("secret"))})
    bench.watch()
    states = bench.stage.incidents.all()
    assert {standing.level for standing in states.values()} == {Level.UNKNOWN}
    assert states["gone"].result.says == "cannot be read: AccessDenied"
    assert "secret" not in states["broken"].result.says


def test_look_that_hangs_holds_up_nobody() -> None:
    hangs, left = threading.Event(), iter([timedelta(seconds=21)] * 40)

    def never() -> Level:
        hangs.wait(20)
        return Level.OK

    def time_left() -> timedelta:
        if bench.stage.incidents.get("web").level is Level.ERROR:
            return timedelta(0)
        return next(left, timedelta(seconds=20.01))

    bench = Bench({"slow": Check(never), "web": Check(Level.ERROR)})
    watched = bench.watch(time_left)
    hangs.set()
    assert (watched.looked, watched.left) == (1, 1)
    assert bench.stage.incidents.get("web").told is Level.ERROR


def test_what_had_no_time_goes_first_the_next_time() -> None:
    bench = Bench({"a": Check(), "b": Check()})
    bench.stage.incidents.rows["a"] = MonitorState("a", look_at=NOON, version=1)
    bench.stage.incidents.rows["b"] = MonitorState("b", look_at=NOON - MINUTE, version=1)
    order: list[str] = []
    for name, check in bench.checks.items():
        check.sees = lambda name=name: order.append(name) or Level.OK  # type: ignore[misc,func-returns-value]
    bench.watch()
    assert order == ["b", "a"]


def test_many_of_a_kind_are_looked_at_together() -> None:
    Many.asked.clear()
    bench = Bench({f"m{number}": Many(Level.OK) for number in range(300)})
    assert bench.watch().looked == 300
    assert Many.asked == [300]


def test_watch_that_dies_before_it_writes_down_is_made_good() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    keep, bench.stage.incidents.save = bench.stage.incidents.save, _dies
    bench.watch()
    assert bench.stage.addresses() == []
    bench.stage.incidents.save = keep
    assert [bench.watch().told, bench.watch().told] == [1, 0]


def test_watch_that_dies_before_it_tells_is_made_good() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    insert, bench.stage.ledger.insert = bench.stage.ledger.insert, _dies
    bench.watch()
    assert bench.stage.incidents.get("web").untold
    bench.stage.ledger.insert = insert
    bench.checks["web"].sees = Level.OK
    assert [bench.watch().told for _ in range(3)] == [2, 0, 0]  # both: that it opened, and that it is over


def test_watch_that_dies_after_it_told_says_nothing_twice() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    kept = bench.stage.incidents.save
    bench.stage.incidents.save = lambda old, new, now: kept(old, new, now) if new.untold else _dies()
    assert bench.watch().told == 0  # it died; the mail had gone
    bench.stage.incidents.save = kept
    assert [bench.watch().told for _ in range(3)] == [0, 0, 0]
    assert bench.stage.addresses() == ["ben@example.com"]


def test_of_two_watches_that_look_at_once_one_tells() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    _, other = bench.stage.container()

    def meanwhile() -> Level:
        bench.checks["web"].sees = Level.WARNING
        other.watch.run(bench.stage.settings.monitors, plenty)
        return Level.WARNING

    bench.checks["web"].sees = meanwhile
    bench.watch()
    assert bench.stage.addresses() == ["ben@example.com"]


def test_silenced_monitor_says_afterwards_what_is_still_so() -> None:
    bench = Bench({"web": Check(Level.WARNING)})
    bench.stage.deliverer.control.silence(new_silence("web", bench.stage.now, timedelta(minutes=10), "ben", "work on it"))
    told = [bench.watch().told for _ in range(15)]
    assert (told.count(1), told.index(1)) == (1, 9)


def test_quiet_hours_hold_a_warning_and_no_error() -> None:
    bench = Bench(
        {"web": Check(Level.WARNING), "disk": Check(Level.UNKNOWN), "db": Check(Level.ERROR)},
        bens='timezone = "UTC"\nquiet = "10:00-14:00"',
    )
    bench.watch()
    rows = [row for row in bench.stage.ledger.rows.values() if row.person == "ben"]
    assert {row.rule: row.state.value for row in rows} == {"web": "bundled", "disk": "bundled", "db": "sent"}
    bench.stage.sweep_for(hours=3)
    assert bench.stage.mail.taken[-1].message.subject == "2 messages by 2 rules, quiet hours"
    assert "12:01 UTC  web: is warning" in bench.stage.mail.taken[-1].message.text


class Death:
    """Ends a watch at one of the moments at which Lambda might."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.stage = bench, bench.stage
        self.keep, self.insert = bench.stage.incidents.save, bench.stage.ledger.insert

    def at(self, moment: str) -> None:
        """ "": never; "seen": before it is written down; "kept": before it is told; "told": before that is written down."""
        stage = self.stage
        stage.incidents.save, stage.ledger.insert = self.keep, self.insert
        if moment == "seen":
            stage.incidents.save = _dies
        elif moment == "kept":
            stage.ledger.insert = _dies
        elif moment == "told":
            stage.incidents.save = lambda old, new, now: self.keep(old, new, now) if new.untold or not old.untold else _dies()


@given(some.lists(some.tuples(some.sampled_from(list(Level)), some.sampled_from(["", "seen", "kept", "told"])), max_size=30))
@example([(Level.ERROR, "kept"), (Level.OK, "told"), (Level.ERROR, "seen"), (Level.WARNING, "")])
def test_whoever_dies_when_each_change_is_told_once_and_the_last_one_is_true(story: list[tuple[Level, str]]) -> None:
    bench = Bench({"web": Check()})
    death = Death(bench)
    for level, moment in story:
        bench.checks["web"].sees = level
        death.at(moment)
        bench.watch()
    death.at("")
    bench.watch()
    standing = bench.stage.incidents.get("web")
    assert standing.untold is None
    rows = sorted((row for row in bench.stage.ledger.rows.values() if row.person == "ben"), key=lambda row: row.event.at)
    told = [row.event.news for row in rows if row.event.news]
    assert len(told) == standing.notices == len(bench.stage.mail.taken)
    assert all(before.level is not after.level for before, after in pairwise(told) if after.change is not IncidentChange.FLAPPING)
    if told and not standing.flapping:
        assert told[-1].level is standing.level


@pytest.fixture(params=["memory", "real"])
def incidents(request: pytest.FixtureRequest) -> Any:
    """The standings of a real table and those in memory behave the same."""
    if request.param == "memory":
        return MemoryIncidents()
    return real_stage(request.getfixturevalue("ministack")).incidents


def test_standing_is_kept_under_the_version_that_was_read(incidents: Any) -> None:
    fresh = incidents.get("web")
    assert fresh == MonitorState("web")
    first = replace(fresh, level=Level.ERROR, version=1, result=CheckResult(Level.ERROR, "is down", memory={"sizes": [1, 2]}))
    assert incidents.save(fresh, first, NOON)
    assert not incidents.save(fresh, replace(first, level=Level.OK), NOON)
    assert incidents.get("web") == first == incidents.all()["web"]
    assert incidents.save(first, replace(first, level=Level.OK, version=2), NOON)
    assert incidents.all()["web"].level is Level.OK


def test_many_standings_are_read_by_pages(ministack: MiniStack) -> None:
    incidents = real_stage(ministack).incidents
    assert isinstance(incidents, Incidents)
    assert TABLE
    for number in range(30):
        big = CheckResult(Level.OK, "x" * 50_000)
        incidents.save(MonitorState(f"m{number}"), MonitorState(f"m{number}", result=big, version=1), NOON)
    assert len(incidents.all()) == 30


def _dies(*_: object) -> Any:
    raise RuntimeError("it was ended")
