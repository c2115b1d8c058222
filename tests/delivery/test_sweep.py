"""The sweep: what surely did not go out goes out later, what nobody knows is looked into, nothing waits for ever."""

from datetime import timedelta

import pytest

from chalicelib.domain.delivery import Reason, State
from chalicelib.domain.settings import Settings
from chalicelib.policy import outcome
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def with_fallback(span: str = "10m") -> Settings:
    """Asha hears by text, and by mail where that fails."""
    return some_settings(**{'notify = ["email:asha", "sms:asha"]': f'notify = ["sms:asha"]\nfallback = "{span}"'})


class Died(BaseException):
    """The process was killed: nothing of ours runs any more."""


def die(*_: object, **__: object) -> None:
    raise Died


def test_transient_failure_is_retried(stage: Stage) -> None:
    stage.mail.answers.append(Answer.LATER)
    stage.take(an_upload())
    assert stage.states() == {"email": "retry", "sms": "sent"}
    assert stage.sweep() == []  # not yet due
    stage.later(minutes=1)
    assert stage.sweep() == ["email sent"]
    assert stage.sweep() == []
    assert len(stage.sent) == 2


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 2), (3, 4), (7, 60), (30, 60)])
def test_waits_grow_to_an_hour_and_are_spread(attempts: int, minutes: int) -> None:
    assert outcome.wait_before(attempts, None, lambda: 1.0) == timedelta(minutes=minutes)
    assert outcome.wait_before(attempts, None, lambda: 0.25) == timedelta(minutes=minutes) / 4


def test_provider_says_when_to_come_back() -> None:
    assert outcome.wait_before(1, timedelta(minutes=30), lambda: 1.0) == timedelta(minutes=30)


def test_attempts_are_used_up_and_the_owner_told(stage: Stage) -> None:
    stage.settings = some_settings(**{'bucket = "${UPLOAD_BUCKET}"': 'bucket = "${UPLOAD_BUCKET}"\nexpires = "7d"'})
    stage.deliverer, stage.bot = stage.container()
    stage.text.answers += [Answer.LATER] * 99
    stage.take(an_upload())
    stage.sweep_for(days=1)
    row = stage.rows()["sms"]
    assert (row.state, row.reason, row.attempts) == (State.FAILED, Reason.ATTEMPTS, outcome.ATTEMPTS)
    assert stage.states("trouble") == {"email": "sent"}


def test_stale_news_expires_and_the_owner_is_told(stage: Stage) -> None:
    stage.text.answers += [Answer.THROTTLE] * 999
    stage.take(an_upload())
    stage.sweep_for(hours=26)
    assert (stage.states()["sms"], stage.states("trouble")) == ("expired", {"email": "sent"})


def test_throttling_uses_up_no_attempts(stage: Stage) -> None:
    stage.text.answers += [Answer.THROTTLE] * (outcome.ATTEMPTS + 2)
    stage.take(an_upload())
    stage.sweep_for(hours=23)
    assert stage.states()["sms"] == "sent"


def test_throttled_channel_rests_until_the_next_sweep(stage: Stage) -> None:
    stage.text.answers += [Answer.LATER] * 10
    stage.take(*[an_upload(f"in/{number}.pdf", sequencer=f"{number:02}") for number in range(10)])
    stage.later(minutes=2)
    stage.text.answers += [Answer.THROTTLE]
    assert stage.sweep() == ["sms retry"]
    assert sorted(stage.sweep()) == ["sms sent"] * 9


def test_person_gone_from_the_settings_is_not_written_to(stage: Stage) -> None:
    stage.mail.answers.append(Answer.LATER)
    stage.take(an_upload())
    stage.deliverer.settings = some_settings(asha="carol")
    stage.later(minutes=1)
    assert stage.sweep() == ["email dropped"]


def test_sweep_stops_while_there_is_time_to_write_down(stage: Stage) -> None:
    stage.mail.answers.append(Answer.LATER)
    stage.take(an_upload())
    stage.later(minutes=1)
    assert stage.sweep(lambda: timedelta(seconds=5)) == []
    assert stage.sweep() == ["email sent"]


def test_two_sweepers_at_once_send_once(stage: Stage) -> None:
    stage.text.answers += [Answer.LATER] * 5
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
    assert len(stage.text.taken) == 5


# --- outcomes that nobody knows


def test_text_that_was_taken_is_found_and_not_sent_again(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    stage.later(minutes=2)
    assert stage.sweep() == []  # it has a minute to settle after its lease
    stage.later(minutes=1)
    assert stage.sweep() == ["sms sent"]
    row = stage.rows()["sms"]
    assert (row.receipt, row.reason, len(stage.text.taken)) == ("sms-1", Reason.FOUND, 1)


def test_text_that_is_not_found_twice_is_given_up_and_the_owner_told(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload())
    assert stage.sweep_for(minutes=5) == ["sms unknown", "sms failed"]
    assert stage.states("trouble") == {"email": "sent"}
    assert stage.rows()["sms"].reason is Reason.NOT_FOUND
    assert stage.text.taken == []


def test_text_that_is_not_found_twice_is_sent_again_where_the_settings_say_so(stage: Stage) -> None:
    stage.settings = some_settings(**{'from = "+15005550006"': 'from = "+15005550006"\nunknown = "resend"'})
    stage.deliverer, stage.bot = stage.container()
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload())
    assert stage.sweep_for(minutes=6) == ["sms unknown", "sms retry", "sms sent"]


def test_mail_is_sent_again_or_not_as_the_settings_say(stage: Stage) -> None:
    stage.mail.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    assert stage.sweep_for(minutes=6) == ["email retry", "email sent"]
    careful = memory_stage(some_settings(**{"[sms]\n": 'unknown = "give-up"\n[sms]\n'}))
    careful.mail.answers.append(Answer.LOST_AFTER)
    careful.take(an_upload())
    assert careful.sweep_for(minutes=6) == ["email failed"]
    assert careful.rows()["email"].reason is Reason.GIVEN_UP


def test_list_that_cannot_be_read_is_read_later(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    stage.text.silent = True
    assert set(stage.sweep_for(minutes=30)) == {"sms unknown"}
    stage.text.silent = False
    assert stage.sweep_for(minutes=2) == ["sms sent"]


def test_text_of_a_twin_is_not_taken_for_ones_own(stage: Stage) -> None:
    """The same file again within the minute: the words of both texts are the same."""
    stage.take(an_upload(sequencer="01"))
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload(sequencer="02"))
    stage.sweep_for(minutes=6)
    assert (stage.states()["sms"], len(stage.text.taken)) == ("failed", 1)


def test_text_of_a_twin_that_is_just_being_sent_is_left_to_it(stage: Stage) -> None:
    stage.text.lag = timedelta(0)
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload(sequencer="01"))
    stage.later(minutes=4)
    send = stage.text.send

    def send_while_another_sweeps(*arguments: object, **named: object) -> object:
        receipt = send(*arguments, **named)  # type: ignore[arg-type]
        assert stage.sweep() == ["sms unknown"]
        return receipt

    stage.text.send = send_while_another_sweeps  # type: ignore[method-assign, assignment]
    stage.take(an_upload(sequencer="02"))
    assert stage.rows()["sms"].receipt == "sms-1"
    assert sorted(stage.sweep_for(minutes=5)) == ["sms failed", "sms unknown"]


def test_of_two_unknown_twins_and_one_text_one_has_it(stage: Stage) -> None:
    stage.text.answers += [Answer.LOST_BEFORE, Answer.LOST_AFTER]
    stage.take(an_upload(sequencer="01"))
    stage.take(an_upload(sequencer="02"))
    assert sorted(stage.sweep_for(minutes=6)) == ["sms failed", "sms sent", "sms unknown"]


def test_each_of_two_unknown_twins_finds_a_text_of_its_own(stage: Stage) -> None:
    stage.text.answers += [Answer.LOST_AFTER, Answer.LOST_AFTER]
    stage.take(an_upload(sequencer="01"))
    stage.later(seconds=61)
    stage.take(an_upload(sequencer="02"))
    assert sorted(stage.sweep_for(minutes=6)) == ["sms sent", "sms sent"]
    assert len(stage.text.taken) == 2


def test_claim_of_a_dead_sender_is_looked_into(stage: Stage) -> None:
    send = stage.text.send
    stage.text.send = die  # type: ignore[method-assign, assignment]
    with pytest.raises(Died):
        stage.take(an_upload())
    stage.text.send = send  # type: ignore[method-assign]
    assert stage.states()["sms"] == "claimed"
    assert stage.sweep_for(minutes=8) == ["sms unknown", "sms unknown", "sms failed"]


def test_sender_that_was_taken_for_dead_and_was_not_keeps_what_it_sent(stage: Stage) -> None:
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


# --- the person's other channel


def test_dead_channel_falls_back_at_once(stage: Stage) -> None:
    stage = memory_stage(with_fallback())
    stage.text.answers.append(Answer.DEAD)
    stage.take(an_upload("in/a.pdf"))
    assert stage.addresses() == ["asha@example.com", "ben@example.com"]  # and the owner heard
    assert (stage.states(), stage.rows()["email"].instead_of) == ({"email": "sent", "sms": "failed"}, "sms")
    stage.take(an_upload("in/b.pdf", sequencer="01"))
    assert (len(stage.mail.taken), stage.states()["sms"]) == (3, "dropped")


def test_failing_channel_falls_back_after_a_while_and_says_it_once(stage: Stage) -> None:
    stage = memory_stage(with_fallback("10m"))
    stage.text.answers += [Answer.LATER] * 99
    stage.take(an_upload())
    stage.sweep_for(minutes=9)
    assert stage.addresses() == []
    stage.sweep_for(hours=2)
    assert stage.addresses() == ["asha@example.com", "ben@example.com"]
    assert stage.rows()["sms"].reason is Reason.FELL_BACK


def test_fallback_is_not_lost_when_the_sender_dies_in_between(stage: Stage) -> None:
    stage = memory_stage(with_fallback())
    stage.text.answers.append(Answer.DEAD)
    move, stage.ledger.transition = stage.ledger.transition, die
    with pytest.raises(Died):
        stage.take(an_upload())
    stage.ledger.transition = move
    stage.sweep_for(minutes=10)
    assert stage.addresses().count("asha@example.com") <= 2  # a mail whose mark was lost may come again
    assert "asha@example.com" in stage.addresses()


def test_fallback_does_not_fall_back(stage: Stage) -> None:
    stage = memory_stage(with_fallback())
    stage.text.answers += [Answer.DEAD] * 5
    stage.mail.answers += [Answer.DEAD]
    stage.take(an_upload())
    assert stage.states() == {"email": "failed", "sms": "failed"}


def test_rule_that_tells_both_channels_does_not_tell_one_twice(stage: Stage) -> None:
    both = memory_stage(some_settings(**{'"sms:asha"]': '"sms:asha"]\nfallback = "10m"'}))
    both.text.answers.append(Answer.DEAD)
    both.take(an_upload())
    assert both.addresses() == ["asha@example.com", "ben@example.com"]
