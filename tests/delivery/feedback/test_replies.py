"""Texts from people: signed, from known numbers, acted on and answered once."""

from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from chalicelib.channels.twilio_receipts import is_signed_by_twilio
from chalicelib.delivery.feedback.replies import HELP, handle_text
from chalicelib.domain.delivery import Reason
from chalicelib.platform.secrets import MissingSecret, Secrets
from chalicelib.platform.sms_text import count_segments, is_gsm
from chalicelib.policy.controls import active_silence
from tests.support.builders import ENVIRON, an_upload, some_settings
from tests.support.incidents import MONITORS, open_incident
from tests.support.log_scan import LogLines
from tests.support.stages import Stage, memory_stage, plenty

PUBLIC, TOKEN, ASHA = "https://abc.execute-api.eu-west-1.amazonaws.com/api", "secret-token", "+919812345678"
SECRETS = {"DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": TOKEN, "DROPNOTE_SECRET_PUBLIC_URL": PUBLIC}


@pytest.fixture
def stage() -> Stage:
    return memory_stage(some_settings(MONITORS))


def fields(body: str, sid: str = "SM1", sender: str = ASHA, **more: str) -> dict[str, str]:
    """A text as Twilio sends it (Twilio docs, "Twilio's request to your incoming message webhook URL")."""
    account = ENVIRON["TWILIO_ACCOUNT_SID"]
    ours = {"MessageSid": sid, "SmsSid": sid, "AccountSid": account, "From": sender, "To": "+15005550006", "Body": body}
    return {**ours, "NumMedia": "0", "NumSegments": "1", "SmsStatus": "received", "ApiVersion": "2010-04-01", **more}


def text(stage: Stage, body: str, sid: str = "SM1", *, token: str = TOKEN, url: str = PUBLIC, **more: str) -> int:
    """Let Twilio post a text; returns our response's status."""
    form = fields(body, sid, **more)
    signature = RequestValidator(token).compute_signature(f"{url}/replies/twilio", form)
    secrets = Secrets(lambda: None, "", SECRETS, stage.clock)
    headers = {"X-Twilio-Signature": signature}
    return handle_text(stage.deliverer, secrets, lambda: stage.incidents, urlencode(form).encode(), headers, plenty)


def answers(stage: Stage) -> list[str]:
    return [message.text.removeprefix("acme-drops: ") for channel, to, message in stage.sent if channel == "sms" and to == ASHA]


def silence(stage: Stage, rule: str) -> Any:
    return active_silence(stage.deliverer.control.fresh().silences, rule, stage.now)


def test_ack_acknowledges_the_newest_incident_that_the_person_was_notified_of(stage: Stage) -> None:
    for name in ("shop", "feed", "private"):
        open_incident(stage, name)
        stage.later(minutes=5)
    assert text(stage, " Ack ") == 200
    assert answers(stage) == ["Acknowledged feed: no reminders until it gets worse."]
    acked = {name: state.incident.acked_by for name, state in stage.incidents.rows.items()}
    assert acked == {"shop": "", "feed": "asha", "private": ""}
    text(stage, "ack", "SM2")  # the newest that nobody has acknowledged yet
    text(stage, "ack private", "SM3")
    text(stage, "ACK shop", "SM4")
    assert answers(stage)[1:] == [
        "Acknowledged shop: no reminders until it gets worse.",
        "No open incident of private. Open: feed, shop.",
        "shop was acknowledged 0 seconds ago by asha.",
    ]


def test_mute_silences_the_rule_of_the_newest_text_until_an_end(stage: Stage) -> None:
    stage.take(an_upload())
    text(stage, "MUTE 30m")
    assert answers(stage)[-1] == "Muted uploads for 30 minutes, for everybody. To end it: UNMUTE uploads"
    assert (silence(stage, "uploads").by, silence(stage, "uploads").reason) == ("asha", "by text")
    stage.take(an_upload("in/next.pdf", sequencer="01"))
    assert stage.rows()["sms"].reason is Reason.SILENCED
    stage.later(minutes=31)
    assert silence(stage, "uploads") is None


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("mute", "No text of a rule was sent to you lately. Add its name: MUTE invoices 2h"),
        ("mute SHOP 1h", "Muted shop for 60 minutes, for everybody. To end it: UNMUTE shop"),
        ("mute up 1h", "Muted uploads for 60 minutes, for everybody. To end it: UNMUTE uploads"),
        ("mute private", "No rule private notifies you; use one of: feed, shop, uploads"),
        ("mute shop 31d", "MUTE lasts at most 30 days."),
        ("mute shop 0h", "0 minutes are over already; for example: MUTE 2h"),
        ("unmute", "Nothing is muted."),
        ("unmute shop", "shop is not muted."),
        ("ack", "No open incident was sent to you."),
        ("status", "No open incidents."),
        ("help", HELP),
    ],
)
def test_answer(stage: Stage, body: str, answer: str) -> None:
    text(stage, body)
    assert answers(stage) == [answer]


def test_unmute_without_a_name_ends_the_only_silence(stage: Stage) -> None:
    text(stage, "mute shop")
    text(stage, "unmute", "SM2")
    assert (answers(stage)[-1], silence(stage, "shop")) == ("shop notifies again.", None)
    text(stage, "mute shop", "SM3")
    text(stage, "mute feed", "SM4")
    text(stage, "unmute", "SM5")
    assert answers(stage)[-1] == "Muted: shop, feed. Add the name: UNMUTE shop"


def test_status_names_open_incidents_and_silences(stage: Stage) -> None:
    open_incident(stage, "shop")
    text(stage, "mute feed")
    stage.later(minutes=10)
    text(stage, "status", "SM2")
    assert answers(stage)[-1] == "shop: error for 10 minutes. Muted: feed."


def test_webhook_that_comes_twice_acts_and_answers_once(stage: Stage) -> None:
    text(stage, "mute shop 1h")
    until = silence(stage, "shop").until
    stage.later(minutes=5)
    assert text(stage, "mute shop 1h") == 200
    assert (len(answers(stage)), silence(stage, "shop").until) == (1, until)
    rows = [row for row in stage.all_rows() if getattr(row, "rule", "") == "message message"]
    assert len(rows) == 1


def test_stop_and_start_keep_step_with_twilio_and_get_no_answer(stage: Stage) -> None:
    text(stage, "STOP")
    stage.take(an_upload())
    assert (stage.states()["sms"], stage.rows()["sms"].reason) == ("dropped", Reason.OPTED_OUT)
    assert "texted STOP" in stage.rows()["sms"].detail
    assert [to for channel, to, _ in stage.sent if channel == "email"].count("ben@example.com") == 1  # the owner is notified
    text(stage, "help", "SM2")  # Twilio would reject an answer
    text(stage, "start", "SM3")
    text(stage, "STOP")  # delivered again, late
    stage.take(an_upload("in/next.pdf", sequencer="01"))
    assert (stage.states()["sms"], len(answers(stage))) == ("sent", 1)
    reasons = [getattr(row, "detail", "") for row in stage.all_rows() if getattr(row, "rule", "") == "message message"]
    assert "asha texted STOP; Twilio answers" in reasons


def test_word_of_advanced_opt_out_is_not_answered_twice(stage: Stage) -> None:
    text(stage, "arret", OptOutType="STOP")
    stage.take(an_upload())
    assert stage.states()["sms"] == "dropped"
    text(stage, "aide", "SM2", OptOutType="HELP")
    assert answers(stage) == []


def test_unknown_text_is_answered_once_an_hour(stage: Stage) -> None:
    for number in range(3):
        text(stage, "I am driving", f"SM{number}")
    assert len(answers(stage)) == 1
    assert answers(stage)[0].startswith("Unknown command. ACK")


@pytest.mark.parametrize(
    "other", [{"sender": "+15551234567"}, {"To": "+15557654321"}, {"AccountSid": "AC" + "1" * 32}, {"sender": "+15005550006"}]
)
def test_stranger_and_other_senders_of_the_account_get_no_answer(stage: Stage, other: dict[str, str]) -> None:
    assert text(stage, "mute uploads", **other) == 200
    assert (stage.sent, silence(stage, "uploads")) == ([], None)


def test_text_through_our_messaging_service_is_ours() -> None:
    service = "MG" + "0" * 32
    stage = memory_stage(some_settings(**{'from = "+15005550006"': f'messaging_service = "{service}"'}))
    text(stage, "help", To="+15557654321", MessagingServiceSid=service)
    assert answers(stage) == [HELP]


@pytest.mark.parametrize(
    "forged", [{"token": "another"}, {"url": "https://evil.example.net"}, {"url": PUBLIC.removesuffix("/api")}]
)
def test_forged_text_is_rejected(stage: Stage, forged: dict[str, str]) -> None:
    assert text(stage, "mute uploads", **forged) == 403
    assert (stage.sent, silence(stage, "uploads")) == ([], None)


def test_text_is_rejected_without_public_url_and_unanswered_without_token(stage: Stage) -> None:
    def post(environ: dict[str, str]) -> int:
        secrets = Secrets(lambda: None, "", environ, stage.clock)
        return handle_text(stage.deliverer, secrets, lambda: stage.incidents, b"MessageSid=SM1&From=1", {}, plenty)

    assert post({**SECRETS, "DROPNOTE_SECRET_PUBLIC_URL": ""}) == 403
    with pytest.raises((MissingSecret, AttributeError)):
        post({"DROPNOTE_SECRET_PUBLIC_URL": PUBLIC})


def test_help_fits_into_one_text_in_plain_characters() -> None:
    answer = f"[staging] acme-drops-europe: {HELP}"
    assert is_gsm(answer)
    assert (len(answer) <= 160, count_segments(answer).segments) == (True, 1)


def test_published_example_of_twilio_is_valid() -> None:
    """Twilio docs, "Webhooks security": Auth Token 12345, this URL and these fields, in any order."""
    url, signature = "https://mycompany.com/myapp.php?foo=1&bar=2", "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    body = b"To=%2B18005551212&CallSid=CA1234567890ABCDE&Digits=1234&From=%2B12349013030&Caller=%2B12349013030"
    assert is_signed_by_twilio(url, body, signature, "12345")
    assert is_signed_by_twilio(url.replace(".com/", ".com:443/"), body, signature, "12345")  # with or without the port
    assert not is_signed_by_twilio(url, body.replace(b"1234&", b"9999&"), signature, "12345")
    assert not is_signed_by_twilio(url.replace("foo=1&bar=2", "bar=2&foo=1"), body, signature, "12345")
    assert not is_signed_by_twilio(url, body, "", "12345")


@pytest.mark.parametrize(
    "pairs",
    [
        [("Body", "1 + 1 = 2 & more"), ("From", "+15551234567")],  # a plus, encoded
        [("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "a"), ("Body", "")],  # repeated: each value once, sorted
        [("Body", "Grüße \N{WAVING HAND SIGN}\r\n "), ("City", "")],
    ],
)
def test_signature_covers_every_field_as_sent(pairs: list[tuple[str, str]]) -> None:
    """Twilio signs the URL, then each name with each of its different values, sorted (twilio-python, RequestValidator)."""
    import base64
    import hmac

    url = f"{PUBLIC}/replies/twilio"
    signed = url + "".join(name + value for name, value in sorted(set(pairs)))
    signature = base64.b64encode(hmac.digest(TOKEN.encode(), signed.encode(), "sha1")).decode()
    assert is_signed_by_twilio(url, urlencode(pairs).encode(), signature, TOKEN)
    assert not is_signed_by_twilio(url, urlencode(pairs[:-1]).encode(), signature, TOKEN)


def test_no_number_and_no_text_of_a_person_is_logged(stage: Stage, caplog: pytest.LogCaptureFixture, logged: LogLines) -> None:
    caplog.set_level("INFO")
    text(stage, "my secret words")
    text(stage, "stop", "SM2")
    text(stage, "hello", "SM3", sender="+15551234567")
    text(stage, "hello", "SM4", token="other")
    assert not any(word in caplog.text + logged.text for word in ("secret words", "9812345678", "5551234567"))
