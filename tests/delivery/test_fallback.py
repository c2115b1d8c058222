"""The fallback channel: used immediately for a suppressed address, later for one that keeps failing."""

import pytest

from chalicelib.domain.delivery import Reason
from chalicelib.domain.settings import Settings
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer, Died, die
from tests.support.stages import Stage, memory_stage


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def with_fallback(span: str = "10m") -> Settings:
    """Asha is notified by text, with e-mail as the fallback."""
    return some_settings(**{'notify = ["email:asha", "sms:asha"]': f'notify = ["sms:asha"]\nfallback = "{span}"'})


def test_suppressed_address_falls_back_immediately(stage: Stage) -> None:
    stage = memory_stage(with_fallback())
    stage.text.answers.append(Answer.BAD_ADDRESS)
    stage.take(an_upload("in/a.pdf"))
    assert stage.addresses() == ["asha@example.com", "ben@example.com"]  # and the owner is notified
    assert (stage.states(), stage.rows()["email"].instead_of) == ({"email": "sent", "sms": "failed"}, "sms")
    stage.take(an_upload("in/b.pdf", sequencer="01"))
    assert (len(stage.mail.accepted), stage.states()["sms"]) == (3, "dropped")


def test_failing_channel_falls_back_after_the_configured_time_and_sends_once(stage: Stage) -> None:
    stage = memory_stage(with_fallback("10m"))
    stage.text.answers += [Answer.UNREACHABLE] * 99
    stage.take(an_upload())
    stage.sweep_for(minutes=9)
    assert stage.addresses() == []
    stage.sweep_for(hours=2)
    assert stage.addresses() == ["asha@example.com", "ben@example.com"]
    assert stage.rows()["sms"].reason is Reason.FELL_BACK


def test_fallback_is_not_lost_if_the_sender_dies(stage: Stage) -> None:
    stage = memory_stage(with_fallback())
    stage.text.answers.append(Answer.BAD_ADDRESS)
    transition, stage.ledger.transition = stage.ledger.transition, die
    with pytest.raises(Died):
        stage.take(an_upload())
    stage.ledger.transition = transition
    stage.sweep_for(minutes=10)
    assert stage.addresses().count("asha@example.com") <= 2  # an e-mail whose outcome was not recorded may be sent again
    assert "asha@example.com" in stage.addresses()


def test_fallback_does_not_fall_back(stage: Stage) -> None:
    stage = memory_stage(with_fallback())
    stage.text.answers += [Answer.BAD_ADDRESS] * 5
    stage.mail.answers += [Answer.BAD_ADDRESS]
    stage.take(an_upload())
    assert stage.states() == {"email": "failed", "sms": "failed"}


def test_rule_that_notifies_both_channels_does_not_send_twice_on_one(stage: Stage) -> None:
    both = memory_stage(some_settings(**{'"sms:asha"]': '"sms:asha"]\nfallback = "10m"'}))
    both.text.answers.append(Answer.BAD_ADDRESS)
    both.take(an_upload())
    assert both.addresses() == ["asha@example.com", "ben@example.com"]
