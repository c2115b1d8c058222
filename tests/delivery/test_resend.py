"""Resending: only what ended unsent, once, and with the name of who requested it."""

from datetime import timedelta

import pytest

from chalicelib.console.log.rows import steps_of
from chalicelib.delivery import resend as resending
from chalicelib.delivery.resend import Filter, ResendError
from chalicelib.domain.delivery import State
from chalicelib.domain.event import Batch, UnknownPayload
from chalicelib.sources.queues import unwrap
from chalicelib.store.rows import Parked
from tests.support.builders import NOON, an_upload
from tests.support.payloads import s3_notification, s3_record
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty

ALL = Filter(NOON - timedelta(days=7))


@pytest.fixture
def stage() -> Stage:
    """A stage whose text was rejected and whose e-mail was sent."""
    stage = memory_stage()
    stage.text.answers.append(Answer.REJECT)
    stage.take(an_upload())
    return stage


def test_failed_delivery_is_resent_and_records_who_requested_it(stage: Stage) -> None:
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    assert stage.sweep() == ["sms sent"]
    assert "requested by ben" in [step.detail for step in stage.rows()["sms"].steps]


def test_expired_delivery_gets_a_new_lifetime(stage: Stage) -> None:
    stage.text.answers += [Answer.THROTTLE] * 20_000
    stage.take(an_upload("in/late.pdf", sequencer="01"))
    stage.sweep_for(hours=26)
    assert stage.states()["sms"] == "expired"
    stage.text.answers.clear()
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    assert stage.sweep() == ["sms sent"]


def test_suppressed_address_is_tried_on_request(stage: Stage) -> None:
    stage.text.answers.append(Answer.BAD_ADDRESS)
    stage.take(an_upload("in/a.pdf", sequencer="01"))
    stage.take(an_upload("in/b.pdf", sequencer="02"))
    assert stage.states()["sms"] == "dropped"
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    assert stage.sweep() == ["sms sent"]
    history = [(step.state.value, step.reason.value) for step in steps_of(stage.rows()["sms"])]
    assert [state for state, _ in history] == ["dropped", "retry", "claimed", "sent"]  # also why it was not sent before
    assert history[0] == ("dropped", "bad-address")
    assert stage.deliverer.control.now().suppressed == {}


def test_sent_or_due_delivery_is_not_resent(stage: Stage) -> None:
    with pytest.raises(ResendError, match="it was sent at 2026-03-02 12:00:00 UTC, receipt email-1"):
        resending.resend(stage.bot.intake, stage.rows()["email"].id, "ben")
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    with pytest.raises(ResendError, match="already due"):
        resending.resend(stage.bot.intake, stage.rows()["sms"].id, "asha")
    with pytest.raises(ResendError, match="no delivery ffff"):
        resending.resend(stage.bot.intake, "f" * 32, "ben")


def test_delivery_with_unknown_outcome_can_be_resent(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload("in/a.pdf", sequencer="01"))
    assert resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben").state is State.RETRY


def test_redrive_selects_abandoned_deliveries_and_parked_payloads(stage: Stage) -> None:
    stage.bot.take(Batch(unknown=(UnknownPayload("s3", "missing 'Records'", {}),)), plenty)
    rows = list(resending.redrivable(stage.bot.intake, ALL))
    assert {type(row).__name__ for row in rows} == {"Delivery", "Parked"}
    assert list(resending.redrivable(stage.bot.intake, Filter(stage.now + timedelta(seconds=1)))) == []
    assert [row.id for row in resending.redrivable(stage.bot.intake, Filter(ALL.since, reason="refused"))] == [
        stage.rows()["sms"].id
    ]
    assert list(resending.redrivable(stage.bot.intake, Filter(ALL.since, rule="other"))) == []


def test_parked_payload_that_can_be_parsed_now_is_sent_once(stage: Stage) -> None:
    payload = s3_notification(s3_record("in/new.pdf", sequencer="09"))
    stage.bot.take(Batch(unknown=(UnknownPayload("s3", "a version we did not know", payload),)), plenty)
    (parked,) = [row for row in resending.redrivable(stage.bot.intake, ALL) if isinstance(row, Parked)]
    assert "2 deliveries" in resending.redrive(stage.bot.intake, parked, "ben")
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]
    assert not [row for row in resending.redrivable(stage.bot.intake, ALL) if isinstance(row, Parked)]
    stage.bot.take(Batch(events=tuple(unwrap(payload).events)), plenty)
    assert len(stage.text.accepted) == 1


def test_parked_payload_that_still_cannot_be_parsed_stays_parked(stage: Stage) -> None:
    stage.bot.take(Batch(unknown=(UnknownPayload("s3", "missing 'Records'", {"odd": 1}),)), plenty)
    (parked,) = [row for row in resending.redrivable(stage.bot.intake, ALL) if isinstance(row, Parked)]
    with pytest.raises(ResendError, match="still cannot be parsed"):
        resending.redrive(stage.bot.intake, parked, "ben")


@pytest.mark.parametrize("request_", [None, {}, {"id": 7, "who": "ben"}, {"id": "a", "who": ""}, []])
def test_invalid_requests_return_an_error(stage: Stage, request_: object) -> None:
    assert "pass " in resending.handle_resend(stage.bot.intake, request_)["error"]
    assert "pass " in resending.handle_redrive(stage.bot.intake, request_)["error"]


def test_functions_return_the_same_as_the_commands(stage: Stage) -> None:
    id_ = stage.rows()["sms"].id
    dry_run = resending.handle_redrive(stage.bot.intake, {"since": "24h", "who": "ben"})
    assert dry_run == {"rows": [{"id": id_, "what": "uploads to asha by sms", "becomes": "would be sent again"}]}
    error = resending.handle_redrive(stage.bot.intake, {"since": "soon", "who": "ben"})["error"]
    assert error.startswith("since: invalid duration 'soon'")
    result = resending.handle_redrive(stage.bot.intake, {"since": "24h", "who": "ben", "yes": True})
    assert [row["becomes"] for row in result["rows"]] == ["due now"]
    assert resending.handle_resend(stage.bot.intake, {"id": id_, "who": "ben"})["error"].startswith("it is retry")
