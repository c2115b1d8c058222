"""Receipts: accepted if signed, in any order; a final state never changes."""

from itertools import permutations
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from twilio.request_validator import RequestValidator

from chalicelib.channels.twilio_receipts import StatusUpdate
from chalicelib.delivery import receipts
from chalicelib.domain.delivery import Reason, State
from chalicelib.platform.secrets import Secrets
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty

PUBLIC, TOKEN = "https://abc.execute-api.eu-west-1.amazonaws.com/api", "secret-token"
ENVIRON = {"DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": TOKEN, "DROPNOTE_SECRET_PUBLIC_URL": PUBLIC + "/"}


@pytest.fixture
def stage() -> Stage:
    """A stage whose text was accepted."""
    return a_stage()


def a_stage(fallback: bool = False) -> Stage:
    replacements = {'notify = ["email:asha", "sms:asha"]': 'notify = ["sms:asha"]\nfallback = "10m"'} if fallback else {}
    stage = memory_stage(some_settings(**replacements))
    stage.bot.secrets = Secrets(lambda: None, "", ENVIRON, stage.clock)
    stage.take(an_upload())
    return stage


def post_receipt(stage: Stage, status: str, code: str = "", sid: str = "sms-1", token: str = TOKEN, url: str = PUBLIC) -> int:
    """Handle a receipt as received over HTTP; returns the response status."""
    id_ = stage.rows()["sms"].id
    fields = {"MessageSid": sid, "MessageStatus": status, "To": "+919812345678", **({"ErrorCode": code} if code else {})}
    signature = RequestValidator(token).compute_signature(f"{url}/receipts/twilio/{id_}", fields)
    return receipts.handle_callback(
        stage.deliverer, stage.bot.secrets, id_, urlencode(fields).encode(), {"X-Twilio-Signature": signature}, plenty
    )


def test_delivered_text_is_delivered(stage: Stage) -> None:
    assert (post_receipt(stage, "sent"), stage.states()["sms"]) == (204, "sent")
    assert (post_receipt(stage, "delivered"), stage.states()["sms"]) == (204, "delivered")


def test_receipt_that_is_faster_than_our_own_record_counts_as_sent() -> None:
    stage = a_stage()
    send = stage.text.send

    def send_and_receipt(*arguments: object, **named: object) -> object:
        receipt = send(*arguments, **named)  # type: ignore[arg-type]
        post_receipt(stage, "delivered", sid=receipt.id)
        return receipt

    stage.text.send = send_and_receipt  # type: ignore[method-assign, assignment]
    deliveries = stage.take(an_upload("in/fast.pdf", sequencer="01"))
    assert [(delivery.channel.value, delivery.state) for delivery in deliveries] == [("email", "sent"), ("sms", "delivered")]


@pytest.mark.parametrize("order", list(permutations(["sent", "delivered", "undelivered", "queued"])))
def test_final_state_never_changes_in_any_order(order: tuple[str, ...]) -> None:
    stage = a_stage()
    for status in [*order, *order]:
        post_receipt(stage, status)
    first_final = next(status for status in order if status in ("delivered", "undelivered"))
    assert stage.states()["sms"] == first_final


def test_undelivered_text_records_why_and_the_owner_is_notified(stage: Stage) -> None:
    post_receipt(stage, "undelivered", "30006")
    row = stage.rows()["sms"]
    assert (row.state, row.detail) == (State.UNDELIVERED, "Twilio reports undelivered 30006")
    assert stage.states("trouble") == {"email": "sent"}
    stage.take(an_upload("in/next.pdf", sequencer="01"))
    assert (stage.states()["sms"], stage.rows()["sms"].reason) == ("dropped", Reason.BAD_ADDRESS)  # a landline is suppressed


def test_undelivered_text_falls_back_to_mail_if_the_rule_says_so() -> None:
    stage = a_stage(fallback=True)
    post_receipt(stage, "undelivered", "30003")
    post_receipt(stage, "undelivered", "30003")
    assert stage.addresses().count("asha@example.com") == 1
    assert stage.rows()["email"].instead_of == "sms"


def test_receipt_resolves_an_unknown_outcome() -> None:
    stage = memory_stage()
    stage.bot.secrets = Secrets(lambda: None, "", ENVIRON, stage.clock)
    stage.text.answers.append(Answer.LOST_AFTER)
    stage.take(an_upload())
    assert stage.states()["sms"] == "unknown"
    post_receipt(stage, "delivered")
    assert (stage.states()["sms"], stage.rows()["sms"].receipt) == ("delivered", "sms-1")
    assert stage.sweep_for(minutes=10) == []


def test_outcome_recorded_after_the_receipt_changes_nothing(stage: Stage) -> None:
    send = stage.text.send

    def send_and_post_receipt(*arguments: object, **named: object) -> object:
        receipt = send(*arguments, **named)  # type: ignore[arg-type]
        post_receipt(stage, "delivered", sid="sms-2")
        return receipt

    stage.text.send = send_and_post_receipt  # type: ignore[method-assign, assignment]
    stage.take(an_upload("in/next.pdf", sequencer="01"))
    assert (stage.states()["sms"], len(stage.text.accepted)) == ("delivered", 2)


@pytest.mark.parametrize("forged", [{"token": "another"}, {"url": "https://evil.example.net"}, {"token": ""}])
def test_forged_receipt_is_rejected(stage: Stage, forged: dict[str, str]) -> None:
    assert (post_receipt(stage, "undelivered", "30006", **forged), stage.states()["sms"]) == (403, "sent")
    assert (
        receipts.handle_callback(stage.deliverer, stage.bot.secrets, stage.rows()["sms"].id, b"MessageStatus=failed", {}, plenty)
        == 403
    )


def test_receipt_of_another_message_changes_nothing(stage: Stage) -> None:
    assert (post_receipt(stage, "undelivered", sid="SM-other"), stage.states()["sms"]) == (204, "sent")


def test_invalid_receipts_are_rejected(stage: Stage) -> None:
    signature = RequestValidator(TOKEN).compute_signature(f"{PUBLIC}/receipts/twilio/x", {"a": "b"})
    assert (
        receipts.handle_callback(stage.deliverer, stage.bot.secrets, "x", b"a=b", {"X-Twilio-Signature": signature}, plenty)
        == 400
    )
    assert (
        receipts.handle_callback(stage.deliverer, stage.bot.secrets, "x", b"\xff%ff", {"X-Twilio-Signature": signature}, plenty)
        == 403
    )
    assert receipts.apply_status_update(stage.deliverer, "f" * 32, StatusUpdate("SM1", "delivered"), plenty) == ""


def test_receipt_is_not_rejected_while_the_parameter_store_throttles(stage: Stage) -> None:
    def throttle(**_: object) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "GetParameters")

    stage.bot.secrets = Secrets(lambda: SimpleNamespace(get_parameters=throttle), "/dropnote/prod/", {}, stage.clock)
    assert post_receipt(stage, "delivered") == 503


def test_receipts_are_rejected_without_a_public_url(stage: Stage) -> None:
    stage.bot.secrets = Secrets(lambda: None, "", {**ENVIRON, "DROPNOTE_SECRET_PUBLIC_URL": ""}, stage.clock)
    assert post_receipt(stage, "delivered") == 403
