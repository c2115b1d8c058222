"""SES's events: rows advance, addresses are suppressed, and nothing else happens."""

from itertools import permutations
from typing import Any

import pytest

from chalicelib.delivery.feedback.mail_events import handle_mail_events
from chalicelib.delivery.feedback.opt_outs import key_of
from chalicelib.domain.delivery import Reason, State
from chalicelib.domain.people import Channel, Recipient
from chalicelib.policy.controls import MAX_SOFT_BOUNCES
from tests.support.builders import an_upload, some_settings
from tests.support.log_scan import LogLines
from tests.support.mail_events import TOPIC, VALIDATION, from_sns, mail_event
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty

SOFT = {"bounceType": "Transient", "bounceSubType": "MailboxFull"}


@pytest.fixture
def stage() -> Stage:
    """A stage whose mail was accepted."""
    stage = memory_stage()
    stage.take(an_upload())
    return stage


def publish(stage: Stage, type_: str, delivery: str = "", message: str = "email-1", **details: Any) -> int:
    """Let SES publish an event about the newest mail, or about another delivery."""
    event = mail_event(type_, delivery or stage.rows()["email"].id, message, **details)
    return handle_mail_events(stage.deliverer, from_sns(event), TOPIC, plenty)


def suppression(stage: Stage) -> tuple[Reason, str] | None:
    asha = Recipient(Channel.EMAIL, stage.settings.people["asha"])
    address = stage.deliverer.control.fresh().suppressed.get(key_of(stage.deliverer, asha))
    return (address.reason, address.detail) if address else None


def test_delivered_mail_is_delivered(stage: Stage) -> None:
    assert publish(stage, "Delivery") == 1
    assert (stage.states()["email"], stage.rows()["email"].detail) == ("delivered", "SES reports delivered")
    assert suppression(stage) is None


def test_hard_bounce_suppresses_the_address_at_once_and_notifies_the_owner(stage: Stage) -> None:
    publish(stage, "Bounce", bounceSubType="NoEmail")
    assert (stage.states()["email"], suppression(stage)) == (
        "undelivered",
        (Reason.BAD_ADDRESS, "SES reports hard bounce NoEmail 5.1.1"),
    )
    assert stage.states("trouble") == {"email": "sent"}
    stage.take(an_upload("in/next.pdf", sequencer="01"))
    assert (stage.states()["email"], stage.rows()["email"].reason) == ("dropped", Reason.BAD_ADDRESS)


def test_hard_bounce_falls_back_to_a_text_if_the_rule_says_so() -> None:
    stage = memory_stage(some_settings(**{'notify = ["email:asha", "sms:asha"]': 'notify = "email:asha"\nfallback = "10m"'}))
    stage.take(an_upload())
    for _ in range(2):
        publish(stage, "Bounce")
    assert [to for channel, to, _ in stage.sent if channel == "sms"] == ["+919812345678"]
    assert stage.rows()["sms"].instead_of == "email"


def test_complaint_opts_the_person_out_although_the_mail_arrived(stage: Stage) -> None:
    publish(stage, "Delivery")
    stage.later(days=2)
    for _ in range(2):
        publish(stage, "Complaint")
    assert (stage.states()["email"], suppression(stage)) == ("delivered", (Reason.OPTED_OUT, "marked a mail as spam"))
    notices = [message.text for _, to, message in stage.sent if to == "ben@example.com"]
    assert len(notices) == 1
    assert "asha marked a mail as spam, and receives nothing more by e-mail" in notices[0]


def test_mail_that_left_the_spam_folder_is_no_complaint(stage: Stage) -> None:
    publish(stage, "Complaint", complaintFeedbackType="not-spam")
    assert (stage.states()["email"], suppression(stage)) == ("delivered", None)


def test_complaint_before_means_that_ses_did_not_send_the_mail(stage: Stage) -> None:
    publish(stage, "Complaint", complaintSubType="OnAccountSuppressionList")
    assert stage.states()["email"] == "undelivered"
    assert suppression(stage) is not None


def test_soft_bounces_suppress_only_after_several_in_a_row(stage: Stage) -> None:
    for number in range(MAX_SOFT_BOUNCES):
        assert suppression(stage) is None, number
        stage.take(an_upload(f"in/{number}.pdf", sequencer=f"0{number}"))
        for _ in range(2):  # delivered twice, counted once
            publish(stage, "Bounce", message=stage.rows()["email"].receipt, **SOFT)
        assert stage.states()["email"] == "undelivered"
    assert suppression(stage) == (Reason.BAD_ADDRESS, "5 soft bounces in a row, the last MailboxFull 5.1.1")


def test_arrived_mail_and_time_reset_the_soft_bounces(stage: Stage) -> None:
    for number in range(4 * MAX_SOFT_BOUNCES):
        stage.take(an_upload(f"in/{number}.pdf", sequencer=f"{number:02}"))
        arrives = number % MAX_SOFT_BOUNCES == MAX_SOFT_BOUNCES - 1
        if number == 2 * MAX_SOFT_BOUNCES + 1:
            stage.later(days=30)
        elif arrives:
            publish(stage, "Delivery", message=stage.rows()["email"].receipt)
            continue
        publish(stage, "Bounce", message=stage.rows()["email"].receipt, **SOFT)
    assert suppression(stage) is None


def test_undetermined_bounce_is_a_soft_one_and_a_rejected_mail_says_nothing_about_the_address(stage: Stage) -> None:
    publish(stage, "Bounce", bounceType="Undetermined", bounceSubType="Undetermined")
    assert (stage.states()["email"], suppression(stage)) == ("undelivered", None)
    stage.take(an_upload("in/next.pdf", sequencer="01"))
    publish(stage, "Reject", message="email-3")  # the second went to the owner
    assert (stage.states()["email"], suppression(stage)) == ("undelivered", None)


@pytest.mark.parametrize("order", list(permutations(["Delivery", "Bounce", "Complaint"])))
def test_final_state_never_changes_in_any_order(order: tuple[str, ...]) -> None:
    stage = memory_stage()
    stage.take(an_upload())
    for type_ in [*order, *order]:
        publish(stage, type_)
    assert stage.states()["email"] == ("undelivered" if order[0] == "Bounce" else "delivered")
    assert suppression(stage)


def test_event_resolves_an_unknown_outcome_so_that_the_mail_is_not_sent_again() -> None:
    stage = memory_stage()
    stage.mail.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    assert stage.states()["email"] == "unknown"
    publish(stage, "Delivery")
    assert (stage.states()["email"], stage.sweep_for(minutes=10), len(stage.mail.accepted)) == ("delivered", [], 1)


def test_late_bounce_does_not_suppress_a_corrected_address(stage: Stage) -> None:
    id_ = stage.rows()["email"].id
    stage.settings = some_settings(**{"asha@example.com": "asha@example.net"})
    stage.deliverer, stage.bot = stage.container()
    publish(stage, "Bounce", id_)
    assert (stage.states()["email"], suppression(stage)) == ("undelivered", None)


def test_event_of_an_earlier_attempt_changes_no_state(stage: Stage) -> None:
    publish(stage, "Delivery", message="another")
    assert stage.states()["email"] == "sent"


@pytest.mark.parametrize(
    "payload",
    [
        from_sns(VALIDATION),
        from_sns(mail_event("Bounce", "")),  # another application's mail
        from_sns(mail_event("Bounce", "f" * 32)),
        from_sns(mail_event("Bounce", "not an id")),
        from_sns(mail_event("Send", "f" * 32)),
        from_sns('{"eventType": "Bounce", "mail": 1}', "[]", "null"),
        {"Records": [{"EventSource": "aws:sns", "Sns": 1}]},
        {"odd": 1},
        None,
    ],
)
def test_other_payloads_change_nothing_and_do_not_fail(stage: Stage, payload: object) -> None:
    assert handle_mail_events(stage.deliverer, payload, TOPIC, plenty) == 0
    assert (stage.states()["email"], suppression(stage)) == ("sent", None)


@pytest.mark.parametrize("other", [{"topic": TOPIC + "-2"}, {"source": "aws:sqs"}])
def test_another_topic_is_refused(stage: Stage, other: dict[str, str]) -> None:
    event = mail_event("Bounce", stage.rows()["email"].id)
    assert handle_mail_events(stage.deliverer, from_sns(event, **other), TOPIC, plenty) == 0
    assert stage.states()["email"] == "sent"


def test_event_about_a_text_changes_nothing(stage: Stage) -> None:
    assert publish(stage, "Bounce", stage.rows()["sms"].id, message="sms-1") == 0
    assert stage.rows()["sms"].state is State.SENT


def test_no_address_and_no_words_of_a_server_are_stored_or_logged(
    stage: Stage, caplog: pytest.LogCaptureFixture, logged: LogLines
) -> None:
    caplog.set_level("INFO")
    publish(stage, "Bounce", bounceSubType="<script>", bouncedRecipients=[{"status": "recipient@example.com"}])
    publish(stage, "Complaint", complaintFeedbackType="recipient@example.com")
    row = stage.rows()["email"]
    assert row.detail == "SES reports hard bounce"
    assert "recipient@" not in caplog.text + logged.text + repr(row) + repr(suppression(stage))
