"""Deferring: quiet hours and exhausted budgets delay messages, which are then sent as one."""

from datetime import timedelta

from chalicelib.domain.budget import DEFAULT_PERSON_LIMITS, ExhaustedBudget
from chalicelib.domain.delivery import Reason, State
from tests.support.builders import NOON, an_upload
from tests.support.bundles import NOTIFY, bundled, uploads
from tests.support.providers import Answer
from tests.support.stages import memory_stage


def test_messages_deferred_by_quiet_hours_are_sent_as_one_and_urgent_ones_are_not_deferred() -> None:
    quiet = 'timezone = "UTC"\nquiet = "12:00-13:30"\n'
    stage = memory_stage(bundled("", NOTIFY, quiet))
    stage.take(*uploads(5))
    assert not stage.sent
    assert {row.reason for row in stage.ledger.rows.values()} == {"quiet"}
    stage.sweep_for(minutes=95)
    stage.take(*uploads(5))
    assert (len(stage.mail.accepted), len(stage.text.accepted)) == (1, 1)
    urgent = memory_stage(bundled("urgent = true", NOTIFY, quiet))
    urgent.take(*uploads(1))
    assert len(urgent.sent) == 2


def test_retry_due_in_quiet_hours_is_deferred_until_they_end() -> None:
    stage = memory_stage(bundled("", person='timezone = "UTC"\nquiet = "12:01-13:00"\n'))
    stage.answer(Answer.UNREACHABLE)
    stage.take(*uploads(1))
    stage.sweep_for(minutes=30)
    assert stage.states() == {"email": "held"}
    stage.sweep_for(minutes=32)
    assert stage.states() == {"email": "sent"}


def test_over_budget_texts_become_mails_and_mails_are_sent_as_one_after_the_hour() -> None:
    stage = memory_stage(bundled("", NOTIFY))
    until = NOON + timedelta(hours=1)
    messages, _, segments = DEFAULT_PERSON_LIMITS
    stage.bot.deliverer.control.record_exhausted(ExhaustedBudget("person asha", segments, NOON, until))
    stage.take(*uploads(1))
    assert {row.reason for row in stage.ledger.rows.values() if row.channel == "sms"} == {"over-budget"}
    assert len(stage.mail.accepted) == 1  # the fallback of the text is the e-mail that the rule sends anyway
    stage.bot.deliverer.control.record_exhausted(ExhaustedBudget("person asha", messages, NOON, until))
    stage.take(*uploads(20))
    assert len(stage.mail.accepted) == 1
    stage.sweep_for(minutes=62)
    assert len(stage.mail.accepted) == 2
    assert not stage.text.accepted


def test_held_delivery_is_deferred_by_an_exhausted_budget_too() -> None:
    stage = memory_stage(bundled(""))
    stage.bot.deliverer.control.record_exhausted(
        ExhaustedBudget("person asha", DEFAULT_PERSON_LIMITS[0], NOON, NOON + timedelta(hours=1))
    )
    stage.bot.intake.hold(an_upload(), Reason.LATE)
    stage.sweep_for(minutes=30)
    assert [(row.state, row.reason) for row in stage.ledger.rows.values()] == [(State.HELD, Reason.OVER_BUDGET)]
    stage.sweep_for(minutes=31)
    assert stage.states() == {"email": "sent"}
