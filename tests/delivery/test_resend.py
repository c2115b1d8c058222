"""Sending again what ended unsent: only that, once, and with the name of who asked."""

from datetime import timedelta

import pytest

from chalicelib.delivery import resend as resending
from chalicelib.delivery.resend import Filter, ResendError
from chalicelib.domain.delivery import State
from chalicelib.domain.event import Batch, Unknown
from chalicelib.sources.queues import unwrap
from chalicelib.store.rows import Parked
from tests.support.builders import NOON, an_upload
from tests.support.payloads import s3_notification, s3_record
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty

ALL = Filter(NOON - timedelta(days=7))


@pytest.fixture
def stage() -> Stage:
    """One text was refused; the mail arrived."""
    stage = memory_stage()
    stage.text.answers.append(Answer.REFUSE)
    stage.take(an_upload())
    return stage


def test_failed_delivery_is_sent_again_and_says_who_asked(stage: Stage) -> None:
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    assert stage.sweep() == ["sms sent"]
    assert "asked for by ben" in [step.detail for step in stage.rows()["sms"].steps]


def test_expired_delivery_is_young_again(stage: Stage) -> None:
    stage.text.answers += [Answer.THROTTLE] * 999
    stage.take(an_upload("in/late.pdf", sequencer="01"))
    stage.sweep_for(hours=26)
    assert stage.states()["sms"] == "expired"
    stage.text.answers.clear()
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    assert stage.sweep() == ["sms sent"]


def test_opted_out_address_is_tried_when_somebody_asks(stage: Stage) -> None:
    stage.text.answers.append(Answer.DEAD)
    stage.take(an_upload("in/a.pdf", sequencer="01"))
    stage.take(an_upload("in/b.pdf", sequencer="02"))
    assert stage.states()["sms"] == "dropped"
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    assert stage.sweep() == ["sms sent"]
    assert stage.deliverer.control.now().dead == {}


def test_what_was_sent_or_is_on_its_way_is_not_sent_again(stage: Stage) -> None:
    with pytest.raises(ResendError, match="it was sent at 2026-03-02 12:00:00 UTC, receipt email-1"):
        resending.resend(stage.bot.intake, stage.rows()["email"].id, "ben")
    resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben")
    with pytest.raises(ResendError, match="on its way already"):
        resending.resend(stage.bot.intake, stage.rows()["sms"].id, "asha")
    with pytest.raises(ResendError, match="no delivery ffff"):
        resending.resend(stage.bot.intake, "f" * 32, "ben")


def test_unknown_outcome_may_be_decided_by_hand(stage: Stage) -> None:
    stage.text.answers.append(Answer.LOST_BEFORE)
    stage.take(an_upload("in/a.pdf", sequencer="01"))
    assert resending.resend(stage.bot.intake, stage.rows()["sms"].id, "ben").state is State.RETRY


def test_redrive_is_about_what_ended_unsent(stage: Stage) -> None:
    stage.bot.take(Batch(unknown=(Unknown("s3", "it has no Records", {}),)), plenty)
    found = list(resending.redrivable(stage.bot.intake, ALL))
    assert {type(row).__name__ for row in found} == {"Delivery", "Parked"}
    assert list(resending.redrivable(stage.bot.intake, Filter(stage.now + timedelta(seconds=1)))) == []
    assert [row.id for row in resending.redrivable(stage.bot.intake, Filter(ALL.since, reason="refused"))] == [
        stage.rows()["sms"].id
    ]
    assert list(resending.redrivable(stage.bot.intake, Filter(ALL.since, rule="other"))) == []


def test_parked_payload_that_is_understood_now_is_told_once(stage: Stage) -> None:
    payload = s3_notification(s3_record("in/new.pdf", sequencer="09"))
    stage.bot.take(Batch(unknown=(Unknown("s3", "a version we did not know", payload),)), plenty)
    (parked,) = [row for row in resending.redrivable(stage.bot.intake, ALL) if isinstance(row, Parked)]
    assert "2 deliveries" in resending.redrive(stage.bot.intake, parked, "ben")
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]
    assert not [row for row in resending.redrivable(stage.bot.intake, ALL) if isinstance(row, Parked)]
    stage.bot.take(Batch(events=tuple(unwrap(payload).events)), plenty)
    assert len(stage.text.taken) == 1


def test_parked_payload_that_is_still_not_understood_stays(stage: Stage) -> None:
    stage.bot.take(Batch(unknown=(Unknown("s3", "it has no Records", {"odd": 1}),)), plenty)
    (parked,) = [row for row in resending.redrivable(stage.bot.intake, ALL) if isinstance(row, Parked)]
    with pytest.raises(ResendError, match="still not understood"):
        resending.redrive(stage.bot.intake, parked, "ben")


@pytest.mark.parametrize("request_", [None, {}, {"id": 7, "who": "ben"}, {"id": "a", "who": ""}, []])
def test_odd_requests_get_a_sentence(stage: Stage, request_: object) -> None:
    assert "say " in resending.handle_resend(stage.bot.intake, request_)["error"]
    assert "say " in resending.handle_redrive(stage.bot.intake, request_)["error"]


def test_functions_answer_like_the_commands(stage: Stage) -> None:
    id_ = stage.rows()["sms"].id
    dry = resending.handle_redrive(stage.bot.intake, {"since": "24h", "who": "ben"})
    assert dry == {"rows": [{"id": id_, "what": "uploads to asha by sms", "becomes": "would be sent again"}]}
    assert resending.handle_redrive(stage.bot.intake, {"since": "soon", "who": "ben"})["error"].startswith("since: 'soon'")
    done = resending.handle_redrive(stage.bot.intake, {"since": "24h", "who": "ben", "yes": True})
    assert [row["becomes"] for row in done["rows"]] == ["due at once"]
    assert resending.handle_resend(stage.bot.intake, {"id": id_, "who": "ben"})["error"].startswith("it is retry")
