"""Incidents: stories of results, a line each, and what is told of them; and what must hold of any story."""

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.event import Severity
from chalicelib.domain.monitor import AlertPolicy, CheckResult, MonitorState
from chalicelib.domain.payloads import IncidentChange, Level
from chalicelib.policy.incident import acknowledge, delivered, step
from tests.support.builders import NOON

OK, UNKNOWN, WARNING, ERROR = Level.OK, Level.UNKNOWN, Level.WARNING, Level.ERROR
LEVELS = {"ok": OK, "warn": WARNING, "bad": ERROR, "gone": UNKNOWN}
MINUTE = timedelta(minutes=1)


class Story:
    """A monitor that is looked at once a minute."""

    def __init__(self, **alert_policy: object) -> None:
        self.alert_policy = replace(AlertPolicy(every=MINUTE), **alert_policy)
        self.standing = MonitorState("web")
        self.now = NOON
        self.identities: list[str] = []

    def probe(self, word: str, *, silenced: bool = False) -> str:
        """One result; what is told of it, "" for nothing."""
        self.now += MINUTE
        result = CheckResult(LEVELS[word], f"says {word}")
        self.standing = step(self.standing, result, self.alert_policy, self.now, silenced=silenced)
        event = self.standing.untold
        if event is None or event.news is None:
            return ""
        self.identities.append(event.identity)
        self.standing = delivered(self.standing)
        return f"{event.news.change.value} {event.news.level.value}"

    def looks(self, words: str, *, silenced: bool = False) -> list[str]:
        """Several, told or not."""
        return [told for word in words.split() if (told := self.probe(word, silenced=silenced))]


def test_fail_fail_alarm_remind_ack_pass_pass_resolved_with_duration() -> None:
    story = Story(failures=2, recoveries=2, remind=timedelta(minutes=10))
    assert story.looks("ok bad") == []
    assert story.probe("bad") == "opened error"
    assert story.looks("bad " * 9) == []
    assert story.probe("bad") == "reminder error"
    story.standing = acknowledge(story.standing, "asha", story.now)
    assert story.looks("bad " * 25 + "ok") == []
    event_before = story.standing.incident
    assert event_before is not None
    assert story.probe("ok") == "resolved ok"
    assert (story.standing.incident, story.standing.level) == (None, OK)


def test_resolved_tells_how_long_it_lasted_from_the_first_failing_look() -> None:
    story = Story(failures=3, recoveries=2)
    story.looks("bad bad bad bad bad ok")
    standing = step(story.standing, CheckResult(OK, "answered 200"), story.alert_policy, story.now + MINUTE)
    assert standing.untold
    assert standing.untold.news
    news = standing.untold.news
    assert news.until is not None
    assert (news.opened_at, news.until - news.opened_at) == (NOON + MINUTE, timedelta(minutes=5))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("ok ok ok", []),
        ("bad", ["opened error"]),
        ("bad bad ok ok", ["opened error", "resolved ok"]),
        ("warn bad", ["opened warning", "worsened error"]),
        ("bad warn ok", ["opened error", "eased warning", "resolved ok"]),
        ("gone gone ok", ["opened unknown", "resolved ok"]),
        ("gone bad", ["opened unknown", "worsened error"]),
        ("bad gone gone bad ok", ["opened error", "resolved ok"]),  # not to know is no evidence
    ],
)
def test_each_change_is_told_once(words: str, told: list[str]) -> None:
    assert Story().looks(words) == told


def test_thresholds_have_two_sides_and_other_results_begin_them_anew() -> None:
    story = Story(failures=3, recoveries=2)
    assert story.looks("bad bad ok bad bad ok") == []
    assert story.looks("bad bad bad") == ["opened error"]
    assert story.looks("ok bad ok bad ok") == []
    assert story.looks("ok") == ["resolved ok"]


def test_what_is_at_least_a_warning_three_times_is_one() -> None:
    assert Story(failures=3).looks("bad warn bad") == ["opened warning"]


def test_flapping_is_told_once_and_then_when_it_has_settled() -> None:
    story = Story()
    assert story.looks("bad ok bad ok") == ["opened error", "resolved ok", "opened error", "flapping ok"]
    assert story.looks("bad ok " * 10) == []
    assert story.looks("ok " * 29) == []
    assert story.looks("ok ok") == ["settled ok"]
    assert story.standing.incident is None
    assert story.looks("ok " * 60 + "bad") == ["opened error"]


def test_what_settles_badly_stays_an_incident() -> None:
    story = Story()
    story.looks("bad ok bad ok bad")
    assert story.looks("bad " * 30) == ["settled error"]
    assert story.probe("ok") == "resolved ok"


def test_silence_tells_afterwards_what_is_still_so() -> None:
    story = Story()
    assert story.looks("bad bad", silenced=True) == []
    assert story.probe("bad") == "opened error"
    assert story.looks("ok ok", silenced=True) == []
    assert story.probe("ok") == "resolved ok"


def test_what_came_and_went_in_a_silence_is_never_told() -> None:
    story = Story()
    assert story.looks("bad ok", silenced=True) == []
    assert story.looks("ok ok") == []


def test_acknowledged_incident_that_gets_worse_is_told_and_reminds_again() -> None:
    story = Story(remind=timedelta(minutes=5))
    story.probe("warn")
    story.standing = acknowledge(story.standing, "asha", story.now)
    assert story.looks("warn " * 9 + "bad") == ["worsened error"]
    assert story.looks("bad " * 5) == ["reminder error"]


def test_error_is_urgent_and_its_end_too_unless_the_settings_say_no() -> None:
    def urgencies(urgent: bool, word: str) -> list[tuple[Severity, bool]]:
        standing, found = MonitorState("web"), []
        for each in (word, "ok"):
            standing = step(standing, CheckResult(LEVELS[each], ""), AlertPolicy(urgent=urgent), NOON)
            assert standing.untold
            found.append((standing.untold.severity, standing.untold.urgent))
            standing = delivered(standing)
        return found

    assert urgencies(True, "bad") == [(Severity.CRITICAL, True), (Severity.INFO, True)]
    assert urgencies(True, "warn") == [(Severity.WARNING, False), (Severity.INFO, False)]
    assert urgencies(False, "bad") == [(Severity.CRITICAL, False), (Severity.INFO, False)]


def test_mails_of_an_incident_are_one_conversation_and_the_next_has_another() -> None:
    def thread(standing: MonitorState) -> str:
        assert standing.untold
        return standing.untold.thread

    story = Story()
    opened = step(story.standing, CheckResult(ERROR, ""), story.alert_policy, NOON)
    resolved = step(delivered(opened), CheckResult(OK, ""), story.alert_policy, NOON + MINUTE)
    again = step(delivered(resolved), CheckResult(ERROR, ""), story.alert_policy, NOON + 2 * MINUTE)
    assert thread(opened) == thread(resolved) != thread(again)


def obvious(results: list[Level], failures: int, recoveries: int) -> list[Level]:
    """The level after each result, found by looking at all that came before: slow, and plain."""
    levels: list[Level] = []
    level, tail = OK, list[Level]()
    for result in results:
        if result is level:
            tail = []
        elif not (result is UNKNOWN and level is not OK):
            worse = result.rank > level.rank
            tail = [*(each for each in tail if tail and (tail[-1].rank > level.rank) is worse), result]
            if len(tail) >= (failures if worse else recoveries):
                level = (min if worse else max)(tail, key=lambda each: each.rank)
                tail = []
        levels.append(level)
    return levels


@given(
    some.lists(some.sampled_from(list(LEVELS)), max_size=40),
    some.integers(1, 4),
    some.integers(1, 4),
    some.sets(some.integers(0, 39)),
)
@example(["bad", "warn", "warn"], 2, 1, set())
def test_levels_are_those_of_an_obvious_model_and_told_is_true(
    words: list[str], failures: int, recoveries: int, silent: set[int]
) -> None:
    story = Story(failures=failures, recoveries=recoveries)
    levels = obvious([LEVELS[word] for word in words], failures, recoveries)
    last = OK
    for number, (word, level) in enumerate(zip(words, levels, strict=True)):
        told = story.probe(word, silenced=number in silent)
        assert story.standing.level is level
        if told:
            assert number not in silent
            last = Level(told.split()[1])
            assert last is level  # nothing is told that is not so
        elif number not in silent and not story.standing.flapping:
            assert last is level  # and whatever is so is told
    assert len(set(story.identities)) == len(story.identities)


@given(some.lists(some.sampled_from(["ok", "bad"]), min_size=200, max_size=200), some.integers(1, 3))
def test_nobody_is_flooded_by_a_monitor_that_flaps(words: list[str], failures: int) -> None:
    story = Story(failures=failures)
    told = [story.now for word in words if story.probe(word)]
    for at in told:
        assert sum(at <= each < at + timedelta(minutes=30) for each in told) <= 5


def test_change_words_are_those_of_the_docs() -> None:
    assert [change.value for change in IncidentChange] == [
        "opened", "worsened", "eased", "reminder", "flapping", "settled", "resolved",
    ]  # fmt: skip
