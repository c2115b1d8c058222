"""Silences: a muted rule sends nothing for a while, and the ledger says why."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.delivery.send_test import send_test
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.policy.controls import MAX_SILENCE, active_silence, new_silence
from chalicelib.store.control import CACHE_TIME
from tests.support.builders import NOON, an_upload
from tests.support.stages import Stage, memory_stage, plenty
from workbench.cli.main import main

RULE = "uploads"


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def mute(stage: Stage, **lasts: float) -> None:
    stage.deliverer.control.silence(new_silence(RULE, stage.now, timedelta(**lasts), "asha", "migration"))


def deliveries(stage: Stage) -> list[Delivery]:
    return [row for row in stage.all_rows() if isinstance(row, Delivery)]


def test_silenced_rule_sends_nothing_and_the_ledger_says_why(stage: Stage) -> None:
    mute(stage, hours=2)
    stage.take(an_upload())
    assert stage.sent == []
    for row in deliveries(stage):
        assert (row.state, row.reason) == (State.DROPPED, Reason.SILENCED)
        assert "by asha: migration" in row.detail


def test_silence_expires_and_the_messages_it_dropped_stay_unsent(stage: Stage) -> None:
    mute(stage, hours=2)
    stage.take(an_upload("in/during.pdf"))
    stage.later(hours=2)
    stage.take(an_upload("in/during.pdf"))  # redelivered by AWS
    stage.take(an_upload("in/after.pdf"))
    assert {"after" in (message.subject or message.text) for _, _, message in stage.sent} == {True}


def test_other_containers_apply_it_within_30_seconds(stage: Stage) -> None:
    _, other = stage.container()
    other.deliverer.control.now()
    mute(stage, hours=2)
    stage.later(seconds=CACHE_TIME.total_seconds() + 1)
    assert other.deliverer.control.now().silences[RULE].reason == "migration"


def test_test_message_of_a_silenced_rule_is_sent(stage: Stage) -> None:
    mute(stage, hours=2)
    assert {delivery.state for delivery in send_test(stage.deliverer, RULE, "r1", plenty)} == {State.SENT}


def test_ended_silence_no_longer_mutes(stage: Stage) -> None:
    mute(stage, hours=2)
    stage.deliverer.control.unsilence(RULE)
    stage.take(an_upload())
    assert stage.sent


def test_expired_silences_are_removed_when_another_starts(stage: Stage) -> None:
    mute(stage, hours=1)
    stage.later(hours=3)
    stage.deliverer.control.silence(new_silence("another", stage.now, timedelta(hours=1), "ben", "why not"))
    assert list(stage.deliverer.control.now().silences) == ["another"]


@given(before=some.timedeltas(timedelta(0), timedelta(days=40)), lasts=some.timedeltas(timedelta(seconds=1), MAX_SILENCE))
def test_silence_is_active_from_its_start_until_its_end(before: timedelta, lasts: timedelta) -> None:
    silence = new_silence(RULE, NOON, lasts, "asha", "why")
    assert (active_silence({RULE: silence}, RULE, NOON + before) is not None) == (before < lasts)
    assert active_silence({RULE: silence}, "another", NOON) is None


@pytest.mark.parametrize(("lasts", "reason"), [(timedelta(days=31), "long"), (timedelta(hours=1), "  ")])
def test_silence_without_a_reason_or_longer_than_thirty_days_is_rejected(lasts: timedelta, reason: str) -> None:
    with pytest.raises(ValueError, match=r"reason|days"):
        new_silence(RULE, NOON, lasts, "asha", reason)


class Account:
    """An account whose bot is a test's stage."""

    def __init__(self, stage: Stage) -> None:
        self.bot, self.settings, self.stage = (lambda: stage.bot), stage.settings, "local"


@pytest.fixture
def account(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: Account(stage))
    monkeypatch.setattr("workbench.cli.silences.utc_now", lambda: stage.now)
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_commands_start_list_and_end_a_silence(account: Stage) -> None:
    assert run("silences").output == "No active silences.\n"
    started = run("silence", RULE, "2h", "--reason", "migration")
    assert (started.exit_code, f"Silenced {RULE} until" in started.output) == (0, True), started.output
    account.take(an_upload())
    assert account.sent == []
    (silence,) = json.loads(run("silences", "--json").output)
    assert (silence["rule"], silence["reason"]) == (RULE, "migration")
    assert run("unsilence", RULE).exit_code == 0
    assert "not silenced" in run("unsilence", RULE).output


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["uplods", "2h", "--reason", "x"], "did you mean 'uploads'?"),
        ([RULE, "soon", "--reason", "x"], "'soon'"),
        ([RULE, "40d", "--reason", "x"], "30 days"),
        ([RULE, "2h", "--reason", " "], "needs a reason"),
    ],
)
def test_invalid_input_is_one_sentence(account: Stage, arguments: list[str], error: str) -> None:
    result = run("silence", *arguments)
    assert result.exit_code == 1
    assert error in result.output
