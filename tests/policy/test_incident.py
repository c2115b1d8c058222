"""Incidents: sequences of results and the messages they send, and properties that hold for any sequence."""

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.event import Severity
from chalicelib.domain.monitor import AlertPolicy, CheckResult, MonitorState
from chalicelib.domain.payloads import IncidentChange, Level
from chalicelib.policy.incident import MAX_HISTORY, acknowledge, mark_delivered, step
from tests.support.builders import NOON

OK, UNKNOWN, WARNING, ERROR = Level.OK, Level.UNKNOWN, Level.WARNING, Level.ERROR
LEVELS = {"ok": OK, "warn": WARNING, "fail": ERROR, "gone": UNKNOWN}
MINUTE = timedelta(minutes=1)


class Story:
    """A monitor that is checked once a minute."""

    def __init__(self, **alert_policy: object) -> None:
        self.alert_policy = replace(AlertPolicy(every=MINUTE), **alert_policy)
        self.state = MonitorState("web")
        self.now = NOON
        self.identities: list[str] = []
        self.roots: list[str] = []

    def check(self, word: str, *, silenced: bool = False) -> str:
        """Apply one result; return the change that is sent, or ""."""
        self.now += MINUTE
        result = CheckResult(LEVELS[word], f"returned {word}")
        self.state = step(self.state, result, self.alert_policy, self.now, silenced=silenced)
        event = self.state.pending
        if event is None or event.news is None:
            return ""
        self.identities.append(event.identity)
        self.roots.append(event.news.root)
        self.state = mark_delivered(self.state)
        return f"{event.news.change.value} {event.news.level.value}"

    def checks(self, words: str, *, silenced: bool = False) -> list[str]:
        """Apply several results; return the changes that are sent."""
        return [change for word in words.split() if (change := self.check(word, silenced=silenced))]


def test_failures_open_remind_until_acknowledged_and_resolve_after_recoveries() -> None:
    story = Story(failures=2, recoveries=2, remind=timedelta(minutes=10))
    assert story.checks("ok fail") == []
    assert story.check("fail") == "opened error"
    assert story.checks("fail " * 9) == []
    assert story.check("fail") == "reminder error"
    story.state = acknowledge(story.state, "asha", story.now)
    assert story.checks("fail " * 25 + "ok") == []
    incident_before = story.state.incident
    assert incident_before is not None
    assert story.check("ok") == "resolved ok"
    assert (story.state.incident, story.state.level) == (None, OK)


def test_each_event_of_an_incident_names_its_first() -> None:
    story = Story()
    assert story.checks("fail warn ok") == ["opened error", "eased warning", "resolved ok"]
    story.now += timedelta(hours=2)
    assert story.checks("ok fail ok") == ["opened error", "resolved ok"]
    first, _, _, second, _ = story.identities
    assert story.roots == [first, first, first, second, second]


def test_resolved_message_has_the_duration_since_the_first_failed_check() -> None:
    story = Story(failures=3, recoveries=2)
    story.checks("fail fail fail fail fail ok")
    state = step(story.state, CheckResult(OK, "returned 200"), story.alert_policy, story.now + MINUTE)
    assert state.pending
    assert state.pending.news
    news = state.pending.news
    assert news.until is not None
    assert (news.opened_at, news.until - news.opened_at) == (NOON + MINUTE, timedelta(minutes=5))


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("ok ok ok", []),
        ("fail", ["opened error"]),
        ("fail fail ok ok", ["opened error", "resolved ok"]),
        ("warn fail", ["opened warning", "worsened error"]),
        ("fail warn ok", ["opened error", "eased warning", "resolved ok"]),
        ("gone gone ok", ["opened unknown", "resolved ok"]),
        ("gone fail", ["opened unknown", "worsened error"]),
        ("fail gone gone fail ok", ["opened error", "resolved ok"]),  # unknown is no evidence
    ],
)
def test_each_change_is_sent_once(words: str, sent: list[str]) -> None:
    assert Story().checks(words) == sent


def test_failures_and_recoveries_must_be_consecutive() -> None:
    story = Story(failures=3, recoveries=2)
    assert story.checks("fail fail ok fail fail ok") == []
    assert story.checks("fail fail fail") == ["opened error"]
    assert story.checks("ok fail ok fail ok") == []
    assert story.checks("ok") == ["resolved ok"]


def test_mildest_of_consecutive_failures_counts() -> None:
    assert Story(failures=3).checks("fail warn fail") == ["opened warning"]


def test_flapping_is_reported_once_and_again_when_settled() -> None:
    story = Story()
    assert story.checks("fail ok fail ok") == ["opened error", "resolved ok", "opened error", "flapping ok"]
    assert story.checks("fail ok " * 10) == []
    assert story.checks("ok " * 29) == []
    assert story.checks("ok ok") == ["settled ok"]
    assert story.state.incident is None
    assert story.checks("ok " * 60 + "fail") == ["opened error"]


def test_incident_that_settles_in_error_stays_open() -> None:
    story = Story()
    story.checks("fail ok fail ok fail")
    assert story.checks("fail " * 30) == ["settled error"]
    assert story.check("ok") == "resolved ok"


def test_change_that_still_applies_is_sent_after_a_silence() -> None:
    story = Story()
    assert story.checks("fail fail", silenced=True) == []
    assert story.check("fail") == "opened error"
    assert story.checks("ok ok", silenced=True) == []
    assert story.check("ok") == "resolved ok"


def test_change_that_ended_during_a_silence_is_never_sent() -> None:
    story = Story()
    assert story.checks("fail ok", silenced=True) == []
    assert story.checks("ok ok") == []


def test_acknowledged_incident_that_gets_worse_is_reported_and_reminds_again() -> None:
    story = Story(remind=timedelta(minutes=5))
    story.check("warn")
    story.state = acknowledge(story.state, "asha", story.now)
    assert story.checks("warn " * 9 + "fail") == ["worsened error"]
    assert story.checks("fail " * 5) == ["reminder error"]


def test_error_and_its_resolution_are_urgent_unless_switched_off() -> None:
    def urgencies(urgent: bool, word: str) -> list[tuple[Severity, bool]]:
        state, urgencies = MonitorState("web"), []
        for result in (word, "ok"):
            state = step(state, CheckResult(LEVELS[result], ""), AlertPolicy(urgent=urgent), NOON)
            assert state.pending
            urgencies.append((state.pending.severity, state.pending.urgent))
            state = mark_delivered(state)
        return urgencies

    assert urgencies(True, "fail") == [(Severity.CRITICAL, True), (Severity.INFO, True)]
    assert urgencies(True, "warn") == [(Severity.WARNING, False), (Severity.INFO, False)]
    assert urgencies(False, "fail") == [(Severity.CRITICAL, False), (Severity.INFO, False)]


def test_mails_of_each_incident_form_their_own_conversation() -> None:
    def thread(state: MonitorState) -> str:
        assert state.pending
        return state.pending.thread

    story = Story()
    opened = step(story.state, CheckResult(ERROR, ""), story.alert_policy, NOON)
    resolved = step(mark_delivered(opened), CheckResult(OK, ""), story.alert_policy, NOON + MINUTE)
    again = step(mark_delivered(resolved), CheckResult(ERROR, ""), story.alert_policy, NOON + 2 * MINUTE)
    assert thread(opened) == thread(resolved) != thread(again)


def simple_model(results: list[Level], failures: int, recoveries: int) -> list[Level]:
    """The level after each result, computed from all results before it: slow and simple."""
    levels: list[Level] = []
    level, tail = OK, list[Level]()
    for result in results:
        if result is level:
            tail = []
        elif not (result is UNKNOWN and level is not OK):
            worse = result.rank > level.rank
            tail = [*(earlier for earlier in tail if (tail[-1].rank > level.rank) is worse), result]
            if len(tail) >= (failures if worse else recoveries):
                level = (min if worse else max)(tail, key=lambda result: result.rank)
                tail = []
        levels.append(level)
    return levels


@given(
    st.lists(st.sampled_from(list(LEVELS)), max_size=40),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sets(st.integers(0, 39)),
)
@example(["fail", "warn", "warn"], 2, 1, set())
def test_levels_match_a_simple_model_and_messages_are_true(
    words: list[str], failures: int, recoveries: int, silent: set[int]
) -> None:
    story = Story(failures=failures, recoveries=recoveries)
    levels = simple_model([LEVELS[word] for word in words], failures, recoveries)
    last = OK
    for number, (word, level) in enumerate(zip(words, levels, strict=True)):
        sent = story.check(word, silenced=number in silent)
        assert story.state.level is level
        if sent:
            assert number not in silent
            last = Level(sent.split()[1])
            assert last is level  # what is sent is true
        elif number not in silent and not story.state.flapping:
            assert last is level  # and what is true was sent
    assert len(set(story.identities)) == len(story.identities)


@given(st.lists(st.sampled_from(["ok", "fail"]), min_size=200, max_size=200), st.integers(1, 3))
def test_flapping_monitor_sends_few_messages(words: list[str], failures: int) -> None:
    story = Story(failures=failures)
    sent_at = [story.now for word in words if story.check(word)]
    for at in sent_at:
        assert sum(at <= other < at + timedelta(minutes=30) for other in sent_at) <= 5


def test_changes_are_named_as_in_the_docs() -> None:
    assert [change.value for change in IncidentChange] == [
        "opened", "worsened", "eased", "reminder", "flapping", "settled", "resolved",
    ]  # fmt: skip


def test_latest_levels_are_kept_with_their_start() -> None:
    story = Story(failures=1, recoveries=1)
    for word in ("ok", "ok", "fail", "fail", "ok"):
        story.check(word)
    minutes = [(at - NOON) / MINUTE for at, _ in story.state.history]
    assert [level for _, level in story.state.history] == [OK, ERROR, OK]
    assert minutes == [1, 3, 5]
    for _ in range(MAX_HISTORY):
        story.check("fail")
        story.check("ok")
    assert len(story.state.history) == MAX_HISTORY
