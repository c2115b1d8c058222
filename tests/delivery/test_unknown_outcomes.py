"""Unknown outcomes: resolved by the provider's list of messages, or by the policy in the settings."""

from datetime import timedelta

import pytest

from chalicelib.domain.delivery import Reason, State
from chalicelib.domain.people import Channel
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer, Died, die
from tests.support.stages import Stage, memory_stage


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def test_accepted_text_is_found_in_the_list_and_not_sent_again(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    stage.later(minutes=2)
    assert stage.sweep() == []  # the list has a minute to settle after the lease
    stage.later(minutes=1)
    assert stage.sweep() == ["sms sent"]
    row = stage.rows()["sms"]
    assert (row.receipt, row.reason, len(stage.text.accepted)) == ("sms-1", Reason.FOUND, 1)


def test_text_not_found_twice_is_sent_again(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload())
    assert stage.sweep_for(minutes=6) == ["sms unknown"]  # four minutes between the two looks
    assert stage.sweep_for(minutes=2) == ["sms retry", "sms sent"]
    assert len(stage.text.accepted) == 1


def test_text_that_appears_late_in_the_list_is_not_sent_again(stage: Stage) -> None:
    stage.text.list_delay = timedelta(minutes=6)
    stage.text.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    assert stage.sweep_for(minutes=9) == ["sms unknown", "sms sent"]
    assert len(stage.text.accepted) == 1


def test_text_not_found_twice_is_abandoned_if_the_settings_say_so() -> None:
    stage = memory_stage(some_settings(**{'from = "+15005550006"': 'from = "+15005550006"\nunknown = "give-up"'}))
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload())
    assert stage.sweep_for(minutes=8) == ["sms unknown", "sms failed"]
    assert stage.states("trouble") == {"email": "sent"}
    assert stage.rows()["sms"].reason is Reason.NOT_FOUND
    assert stage.text.accepted == []


def test_mail_with_unknown_outcome_is_resent_or_not_as_the_settings_say(stage: Stage) -> None:
    stage.mail.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    assert stage.sweep_for(minutes=6) == ["email retry", "email sent"]
    careful = memory_stage(some_settings(**{"[sms]\n": 'unknown = "give-up"\n[sms]\n'}))
    careful.mail.answers.append(Answer.LOST_AFTER)
    careful.take(an_upload())
    assert careful.sweep_for(minutes=6) == ["email failed"]
    assert careful.rows()["email"].reason is Reason.GIVEN_UP


def test_unreadable_list_is_read_again_later(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    stage.text.list_fails = True
    assert set(stage.sweep_for(minutes=30)) == {"sms unknown"}
    stage.text.list_fails = False
    assert stage.sweep_for(minutes=2) == ["sms sent"]


def test_text_of_a_twin_is_not_mistaken_for_the_deliverys_own(stage: Stage) -> None:
    """The same file is uploaded twice within a minute: both texts read the same."""
    stage.take(an_upload(sequencer="01"))
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload(sequencer="02"))
    stage.sweep_for(minutes=9)
    assert (stage.states()["sms"], len(stage.text.accepted)) == ("sent", 2)
    assert len({row.receipt for row in stage.ledger.rows.values() if row.channel is Channel.SMS}) == 2


def test_text_of_a_twin_that_is_being_sent_is_left_to_it(stage: Stage) -> None:
    stage.text.list_delay = timedelta(0)
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload(sequencer="01"))
    stage.later(minutes=4)
    send = stage.text.send

    def send_while_another_sweeps(*arguments: object, **named: object) -> object:
        stage.text.send = send  # type: ignore[method-assign]
        receipt = send(*arguments, **named)  # type: ignore[arg-type]
        assert stage.sweep() == ["sms unknown"]
        return receipt

    stage.text.send = send_while_another_sweeps  # type: ignore[method-assign, assignment]
    stage.take(an_upload(sequencer="02"))
    assert stage.rows()["sms"].receipt == "sms-1"
    assert stage.sweep_for(minutes=12) == ["sms unknown", "sms retry", "sms sent"]


def test_one_text_is_matched_with_one_of_two_unknown_twins(stage: Stage) -> None:
    stage.text.answers += [Answer.LOST_BEFORE, Answer.LOST_AFTER]
    stage.take(an_upload(sequencer="01"))
    stage.take(an_upload(sequencer="02"))
    assert stage.sweep_for(minutes=9) == ["sms sent", "sms unknown", "sms retry", "sms sent"]


def test_each_of_two_unknown_twins_is_matched_with_its_own_text(stage: Stage) -> None:
    stage.text.answers += [Answer.LOST_AFTER, Answer.LOST_AFTER]
    stage.take(an_upload(sequencer="01"))
    stage.later(seconds=61)
    stage.take(an_upload(sequencer="02"))
    assert sorted(stage.sweep_for(minutes=6)) == ["sms sent", "sms sent"]
    assert len(stage.text.accepted) == 2


def test_claim_of_a_dead_sender_is_resolved(stage: Stage) -> None:
    send = stage.text.send
    stage.text.send = die  # type: ignore[method-assign, assignment]
    with pytest.raises(Died):
        stage.take(an_upload())
    stage.text.send = send  # type: ignore[method-assign]
    assert stage.states()["sms"] == "claimed"
    assert stage.sweep_for(minutes=10) == ["sms unknown", "sms unknown", "sms retry", "sms sent"]


def test_slow_sender_whose_lease_lapsed_is_still_recorded_as_sent(stage: Stage) -> None:
    send = stage.text.send

    def send_slowly(*arguments: object, **named: object) -> object:
        receipt = send(*arguments, **named)  # type: ignore[arg-type]
        stage.later(minutes=2)
        stage.sweep()
        return receipt

    stage.text.send = send_slowly  # type: ignore[method-assign, assignment]
    stage.take(an_upload())
    assert stage.states()["sms"] == "sent"
    assert [step.state for step in stage.rows()["sms"].steps] == [State.UNKNOWN, State.SENT]
