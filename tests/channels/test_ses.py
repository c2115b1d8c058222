"""E-mail by SES: on a local AWS, and against each answer that SES documents."""

from typing import Any

import boto3
import pytest
from flask import Flask, request

from chalicelib.channels import DeliveryError, OutcomeUnknown
from chalicelib.channels.ses import CLIENT_CONFIG, Ses
from chalicelib.delivery import Reason
from tests.channels.parts import FROM, ID, MAIL, hanging_up, refused
from tests.workbench.serving import serving
from workbench.mailbox import Mailbox
from workbench.ministack import MiniStack, free_port


def test_ses_takes_a_mail_from_a_verified_sender(ministack: MiniStack) -> None:
    client: Any = ministack.client("sesv2")
    client.create_email_identity(EmailIdentity="drops@example.com")
    receipt = Ses(client, FROM).send(MAIL, to="asha@example.com", delivery_id=ID)
    (mail,) = Mailbox(ministack.endpoint).read().mails
    assert receipt.id
    assert (mail.subject, mail.text) == (MAIL.subject, MAIL.text)


def test_ses_refuses_an_unverified_sender_for_good(ministack: MiniStack) -> None:
    with pytest.raises(DeliveryError) as caught:
        Ses(ministack.client("sesv2"), FROM).send(MAIL, to="asha@example.com", delivery_id=ID)
    assert caught.value.permanent
    assert "example.com" not in str(caught.value)


def ses_at(endpoint: str) -> Ses:
    client = boto3.client(
        "sesv2",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=CLIENT_CONFIG,
    )
    return Ses(client, FROM)


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (429, "TooManyRequestsException", (Reason.RATE, False, False)),
        (400, "LimitExceededException", (Reason.RATE, False, False)),
        (400, "MessageRejected", (Reason.REFUSED, True, False)),
        (400, "SendingPausedException", (Reason.ACCOUNT, True, False)),
        (403, "AccessDeniedException", (Reason.AUTH, True, False)),
        (400, "SomethingNew", (Reason.REFUSED, True, False)),
        (500, "InternalServiceErrorException", (Reason.PROVIDER, False, True)),
        (503, "ServiceUnavailable", (Reason.PROVIDER, False, True)),
    ],
)
def test_each_answer_of_ses_has_a_meaning_and_is_asked_once(status: int, code: str, meaning: tuple[Reason, bool, bool]) -> None:
    app, asked = Flask("ses"), []

    @app.post("/v2/email/outbound-emails")
    def answer() -> tuple[dict[str, str], int, dict[str, str]]:
        asked.append(1)
        return {"message": "no, asha@example.com"}, status, {"x-amzn-ErrorType": code}

    with serving(app) as url, pytest.raises(DeliveryError) as caught:
        ses_at(url).send(MAIL, to="asha@example.com", delivery_id=ID)
    assert refused(caught.value) == meaning
    assert len(asked) == 1
    assert "asha" not in str(caught.value)


def test_ses_request_carries_headers_and_one_recipient() -> None:
    app, bodies = Flask("ses"), []

    @app.post("/v2/email/outbound-emails")
    def answer() -> dict[str, str]:
        bodies.append(request.get_json(force=True))
        return {"MessageId": "1"}

    with serving(app) as url:
        ses_at(url).send(MAIL, to="asha@example.com", delivery_id=ID)
    (body,) = bodies
    headers = {each["Name"]: each["Value"] for each in body["Content"]["Simple"]["Headers"]}
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Dropnote-Delivery"] == ID
    assert body["Destination"] == {"ToAddresses": ["asha@example.com"]}


def test_ses_out_of_reach_is_surely_not_sent() -> None:
    with pytest.raises(DeliveryError) as caught:
        ses_at(f"http://127.0.0.1:{free_port()}").send(MAIL, to="asha@example.com", delivery_id=ID)
    assert refused(caught.value) == (Reason.UNREACHABLE, False, False)


def test_ses_that_hangs_up_leaves_the_outcome_unknown() -> None:
    with hanging_up() as port, pytest.raises(OutcomeUnknown):
        ses_at(f"http://127.0.0.1:{port}").send(MAIL, to="asha@example.com", delivery_id=ID)
