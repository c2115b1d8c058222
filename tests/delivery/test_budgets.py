"""Hard budgets: what does not fit is not sent, what was surely not accepted takes nothing, and some are never stopped."""

from typing import Any

import pytest

from chalicelib.delivery.resend import resend
from chalicelib.domain.budget import Usage
from chalicelib.domain.delivery import Reason, State
from chalicelib.policy import outcome
from chalicelib.store.budgets import BudgetsBusy
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.bundles import uploads
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage

ASHA = "person asha"
MAIL, TEXT = '["email:asha"]', '["sms:asha"]'


def stage_with(budget: str, notify: str, more: str = "", **replaced: str) -> Stage:
    replaced = {"[people.asha]": f"[people.asha]\nbudget = {budget}", '["email:asha", "sms:asha"]': notify, **replaced}
    return memory_stage(some_settings(more, **replaced))


def outcomes(stage: Stage, channel: str) -> list[tuple[State, Reason]]:
    rows = [row for row in stage.ledger.rows.values() if row.channel == channel and row.rule == "uploads"]
    return [(row.state, row.reason) for row in rows]


def test_third_text_becomes_a_mail_at_once_and_no_control_item_is_needed() -> None:
    stage = stage_with('"2 segments per day"', TEXT)
    stage.take(*uploads(3))
    assert len(stage.text.accepted) == 2
    assert outcomes(stage, "sms")[-1] == (State.DROPPED, Reason.OVER_BUDGET)
    assert outcomes(stage, "email") == [(State.SENT, Reason.ACCEPTED)]


def test_third_mail_is_deferred_and_sent_when_the_hour_ends() -> None:
    stage = stage_with('"2 per hour"', MAIL)
    stage.take(*uploads(4))
    assert outcomes(stage, "email")[2:] == [(State.BUNDLED, Reason.OVER_BUDGET)] * 2
    stage.sweep_for(minutes=62)
    assert len(stage.mail.accepted) == 3


@pytest.mark.parametrize("scope", ["rule uploads", "all"])
def test_rule_and_bot_have_hard_budgets_too(scope: str) -> None:
    budgets = {"rule uploads": {'then = "off"': 'then = "off"\nbudget = "2 per day"'}}
    budgets["all"] = {'owner = "ben"': 'owner = "ben"\nbudget = "2 per day"'}
    stage = stage_with("[]", MAIL, **budgets[scope])
    stage.take(*uploads(4))
    assert len(stage.mail.accepted) == 2
    assert stage.ledger.usage(scope, NOON) == Usage(messages=2, in_hour=2)
    assert stage.ledger.usage(ASHA, NOON) == Usage()  # without limits nothing is reserved


def test_burst_over_budget_tries_one_transaction_and_not_one_per_message() -> None:
    stage = stage_with('"1 per hour"', MAIL)
    tried: list[Any] = []
    insert = stage.ledger.insert

    def counted(delivery: Any, *limits: Any) -> Any:
        if delivery.reserved:
            tried.append(delivery)
        return insert(delivery, *limits)

    stage.ledger.insert = counted
    stage.take(*uploads(20))
    assert len(tried) == 2  # the one that fits, and the first that does not; the others are deferred immediately


def test_due_message_that_does_not_fit_is_deferred_until_it_does() -> None:
    stage = stage_with('"1 per hour"', MAIL)
    stage.bot.intake.hold(an_upload(), Reason.LATE)
    stage.take(*uploads(1))
    stage.sweep()
    assert outcomes(stage, "email") == [(State.HELD, Reason.OVER_BUDGET), (State.SENT, Reason.ACCEPTED)]
    stage.sweep_for(minutes=61)
    assert outcomes(stage, "email") == [(State.SENT, Reason.ACCEPTED)] * 2


def test_messages_that_the_provider_did_not_accept_use_up_nothing() -> None:
    stage = stage_with('"2 per hour"', MAIL)
    for answer in (Answer.UNREACHABLE, Answer.REJECT, Answer.THROTTLE):
        stage.answer(answer)
        stage.take(an_upload(f"in/{answer.name}", sequencer=answer.name))
    assert stage.ledger.usage(ASHA, NOON) == Usage()
    stage.sweep_for(minutes=10)
    assert len([mail for mail in stage.mail.accepted if mail.to == "asha@example.com"]) == 2
    assert stage.ledger.usage(ASHA, NOON) == Usage(messages=2, in_hour=2)


def test_urgent_mails_and_tests_are_never_stopped_but_count() -> None:
    stage = stage_with('"1 per hour"', MAIL, **{'then = "off"': 'then = "off"\nurgent = true'})
    stage.take(*uploads(3))
    assert len(stage.mail.accepted) == 3
    stage.bot.test({"to": "asha"}, "request", lambda: stage.deliverer.lease)
    assert stage.ledger.usage(ASHA, NOON).in_hour == 5  # the test is a mail and a text


def test_reports_to_the_owner_are_never_stopped() -> None:
    stage = memory_stage(some_settings(**{"[people.ben]": '[people.ben]\nbudget = "1 per hour"'}))
    for number in range(3):
        stage.deliverer.notify_owner(f"topic {number}", "something is wrong", lambda: stage.deliverer.lease)
    assert stage.addresses() == ["ben@example.com"] * 3
    assert stage.ledger.usage("person ben", NOON).in_hour == 3


def test_resent_message_counts_and_waits_for_its_budget() -> None:
    stage = stage_with('"1 per hour"', MAIL)
    stage.answer(Answer.REJECT)
    stage.take(*uploads(1))
    failed = stage.ledger.get(next(row.id for row in stage.ledger.rows.values() if row.state is State.FAILED))
    stage.take(an_upload("in/other.pdf", sequencer="FF"))
    resend(stage.bot.intake, failed.id, "ben")
    stage.sweep()
    assert stage.ledger.get(failed.id).reason is Reason.OVER_BUDGET
    stage.sweep_for(minutes=61)
    assert stage.ledger.get(failed.id).state is State.SENT


def test_message_whose_budget_is_busy_is_left_to_the_sweep() -> None:
    stage = stage_with('"5 per hour"', MAIL)
    insert = stage.ledger.insert

    def busy(delivery: Any, *limits: Any) -> Any:
        if delivery.reserved:
            raise BudgetsBusy
        return insert(delivery, *limits)

    stage.ledger.insert = busy
    stage.take(*uploads(1))
    assert outcomes(stage, "email") == [(State.HELD, Reason.WAITING)]
    transition, stage.ledger.transition = stage.ledger.transition, busy_transition
    assert stage.sweep() == []
    assert outcomes(stage, "email") == [(State.HELD, Reason.WAITING)]  # stays due
    stage.ledger.transition = transition
    assert stage.sweep() == ["email sent"]


def busy_transition(*_: object) -> bool:
    raise BudgetsBusy


def test_text_that_was_sent_is_not_sent_as_a_mail_when_its_event_comes_again_over_budget() -> None:
    stage = stage_with('"2 segments per day"', TEXT)
    first, second, third = uploads(3)
    stage.take(first, second, third)
    assert len(stage.mail.accepted) == 1
    stage.take(first, second, third)
    assert (len(stage.text.accepted), len(stage.mail.accepted)) == (2, 1)


def test_text_longer_than_its_limit_is_never_tried() -> None:
    stage = stage_with('"1 segments per day"', TEXT)
    stage.take(an_upload("in/Квартальный отчёт, версия для печати.pdf"))
    assert not stage.text.accepted
    assert outcomes(stage, "email") == [(State.SENT, Reason.ACCEPTED)]
    stage.take(an_upload("in/short.pdf", sequencer="FF"))
    assert stage.ledger.usage(ASHA, NOON).segments <= 1


def test_every_attempt_after_a_reserved_one_has_an_entry_so_that_a_failed_one_removes_its_own() -> None:
    stage = stage_with('"5 per hour"', MAIL)
    stage.answer(Answer.LOST_AFTER)
    stage.take(*uploads(1))
    (unknown,) = stage.ledger.rows.values()
    assert len(unknown.reserved) == 1
    without_limits = outcome.reserve(unknown, (), stage.now)
    assert [entry.scopes for entry in without_limits.reserved] == [(ASHA,), ()]
