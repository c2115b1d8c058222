"""The sweep: failed sends are retried, unknown outcomes resolved, and nothing waits forever."""

from datetime import timedelta

import pytest

from chalicelib.domain.delivery import Reason, State
from chalicelib.policy import outcome
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def test_transient_failure_is_retried(stage: Stage) -> None:
    stage.mail.answers.append(Answer.UNREACHABLE)
    stage.take(an_upload())
    assert stage.states() == {"email": "retry", "sms": "sent"}
    assert stage.sweep() == []  # not yet due
    stage.later(minutes=1)
    assert stage.sweep() == ["email sent"]
    assert stage.sweep() == []
    assert len(stage.sent) == 2


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (7, 60), (30, 60)])
def test_retry_delays_grow_to_an_hour_and_are_jittered(attempts: int, minutes: int) -> None:
    assert outcome.retry_delay(attempts, None, lambda: 1.0) == timedelta(minutes=minutes)
    assert outcome.retry_delay(attempts, None, lambda: 0.25) == timedelta(minutes=minutes) / 4


def test_retry_waits_for_the_providers_retry_after() -> None:
    assert outcome.retry_delay(1, timedelta(minutes=30), lambda: 1.0) == timedelta(minutes=30)


def test_delivery_fails_after_the_maximum_attempts_and_the_owner_is_notified(stage: Stage) -> None:
    stage.settings = some_settings(**{'bucket = "${UPLOAD_BUCKET}"': 'bucket = "${UPLOAD_BUCKET}"\nexpires = "7d"'})
    stage.deliverer, stage.bot = stage.container()
    stage.text.answers += [Answer.UNREACHABLE] * 99
    stage.take(an_upload())
    stage.sweep_for(days=1)
    row = stage.rows()["sms"]
    assert (row.state, row.reason, row.attempts) == (State.FAILED, Reason.ATTEMPTS, outcome.MAX_ATTEMPTS)
    assert stage.states("trouble") == {"email": "sent"}


def test_old_delivery_expires_and_the_owner_is_notified(stage: Stage) -> None:
    stage.text.answers += [Answer.THROTTLE] * 20_000
    stage.take(an_upload())
    stage.sweep_for(hours=26)
    assert (stage.states()["sms"], stage.states("trouble")) == ("expired", {"email": "sent"})


def test_throttled_attempts_do_not_count_towards_the_maximum(stage: Stage) -> None:
    stage.text.answers += [Answer.THROTTLE] * (outcome.MAX_ATTEMPTS + 2)
    stage.take(an_upload())
    stage.sweep_for(hours=23)
    assert stage.states()["sms"] == "sent"


def test_throttled_message_waits_for_its_slot_and_the_sweep_goes_on(stage: Stage) -> None:
    stage.text.answers += [Answer.UNREACHABLE] * 10
    stage.take(*[an_upload(f"in/{number}.pdf", sequencer=f"{number:02}") for number in range(10)])
    stage.later(minutes=2)
    stage.text.answers += [Answer.THROTTLE]
    assert stage.sweep() == ["sms retry", *["sms sent"] * 10]


def test_nothing_is_sent_to_a_person_no_longer_in_the_settings(stage: Stage) -> None:
    stage.mail.answers.append(Answer.UNREACHABLE)
    stage.take(an_upload())
    stage.deliverer.settings = some_settings(asha="carol")
    stage.later(minutes=1)
    assert stage.sweep() == ["email dropped"]


def test_sweep_stops_while_there_is_time_to_record_outcomes(stage: Stage) -> None:
    stage.mail.answers.append(Answer.UNREACHABLE)
    stage.take(an_upload())
    stage.later(minutes=1)
    assert stage.sweep(lambda: timedelta(seconds=5)) == []
    assert stage.sweep() == ["email sent"]


def test_concurrent_sweeps_send_once(stage: Stage) -> None:
    stage.text.answers += [Answer.UNREACHABLE] * 5
    stage.take(*[an_upload(f"in/{number}.pdf", sequencer=f"{number:02}") for number in range(5)])
    stage.later(minutes=2)
    _, other = stage.container()
    send = stage.text.send

    def send_while_another_sweeps(*arguments: object, **named: object) -> object:
        stage.text.send = send  # type: ignore[method-assign]
        other.sweep(plenty)
        return send(*arguments, **named)  # type: ignore[arg-type]

    stage.text.send = send_while_another_sweeps  # type: ignore[method-assign, assignment]
    stage.sweep()
    assert len(stage.text.accepted) == 5
