"""Channels: what leaves, and what each failure of a provider means. SES on a local AWS, SMTP and Twilio over their protocols."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import boto3
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from flask import Flask

from chalicelib.channels import DeliveryError, OutcomeUnknown
from chalicelib.channels.ses import CLIENT_CONFIG, Ses
from chalicelib.channels.smtp import Smtp
from chalicelib.channels.twilio import Twilio
from chalicelib.delivery import Reason
from chalicelib.message import Channel, Message
from chalicelib.settings import Email, Sms
from tests.workbench.serving import serving
from workbench.mailbox import Mailbox
from workbench.ministack import MiniStack
from workbench.twilio_double import TwilioDouble

MAIL = Message(Channel.EMAIL, "It arrived: résumé 🎉\n", "résumé 🎉 arrived", "<p>It arrived</p>")
TEXT = Message(Channel.SMS, "acme-drops: report.pdf arrived")
FROM = "Acme drops <drops@example.com>"
ID = "0123456789abcdef0123456789abcdef"
ACCOUNT = "AC" + "0" * 32


def refused(error: DeliveryError) -> tuple[Reason, bool, bool]:
    """Reason, permanent, and whether it may have been accepted all the same."""
    return error.reason, error.permanent, isinstance(error, OutcomeUnknown)


# --- SES


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
        from flask import request

        bodies.append(request.get_json(force=True))
        return {"MessageId": "1"}

    with serving(app) as url:
        ses_at(url).send(MAIL, to="asha@example.com", delivery_id=ID)
    (body,) = bodies
    headers = {each["Name"]: each["Value"] for each in body["Content"]["Simple"]["Headers"]}
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Dropnote-Delivery"] == ID
    assert body["Destination"] == {"ToAddresses": ["asha@example.com"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_ses_out_of_reach_is_surely_not_sent() -> None:
    with pytest.raises(DeliveryError) as caught:
        ses_at(f"http://127.0.0.1:{free_port()}").send(MAIL, to="asha@example.com", delivery_id=ID)
    assert refused(caught.value) == (Reason.UNREACHABLE, False, False)


@contextmanager
def hanging_up() -> Iterator[int]:
    """A server that reads a request and hangs up without a word."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)

    threading.Thread(target=serve, daemon=True).start()
    with server:
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_ses_that_hangs_up_leaves_the_outcome_unknown() -> None:
    with hanging_up() as port, pytest.raises(OutcomeUnknown):
        ses_at(f"http://127.0.0.1:{port}").send(MAIL, to="asha@example.com", delivery_id=ID)


# --- SMTP


class Server:
    """What an SMTP server was given; `data_reply` and `rcpt_reply` are its answers."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.rcpt_reply = "250 OK"
        self.data_reply = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.rcpt_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.data_reply


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def smtp(authority: trustme.CA, handler: Server, security: str, password: str = "right") -> Iterator[Smtp]:
    """A real server on a free port, and a transport that trusts it."""
    serving_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(serving_tls)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=False)

    options: dict[str, Any] = {"authenticator": login, "auth_required": True}
    if security == "tls":
        options |= {"ssl_context": serving_tls, "auth_require_tls": False}
    else:
        options |= {"tls_context": serving_tls, "require_starttls": True}
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    try:
        email = Email(FROM, "smtp", "127.0.0.1", controller.port, security, "drops")  # type: ignore[arg-type]
        yield Smtp(email, password, trusting)
    finally:
        controller.stop()


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_smtp_server_gets_both_parts_and_the_headers(authority: trustme.CA, security: str) -> None:
    server = Server()
    with smtp(authority, server, security) as transport:
        receipt = transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    (mail,) = server.mails
    assert (mail["Subject"], mail["To"], mail["Auto-Submitted"]) == (MAIL.subject, "asha@example.com", "auto-generated")
    assert receipt.id == mail["Message-ID"] == f"<{ID}@example.com>"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("rcpt", "data", "meaning"),
    [
        ("550 No such user", "250 OK", (Reason.BAD_ADDRESS, True, False)),
        ("451 Try later", "250 OK", (Reason.PROVIDER, False, False)),
        ("250 OK", "554 Spam", (Reason.REFUSED, True, False)),
        ("250 OK", "452 Full", (Reason.PROVIDER, False, False)),
    ],
)
def test_each_reply_of_smtp_has_a_meaning(
    authority: trustme.CA, rcpt: str, data: str, meaning: tuple[Reason, bool, bool]
) -> None:
    server = Server()
    server.rcpt_reply, server.data_reply = rcpt, data
    with smtp(authority, server, "starttls") as transport, pytest.raises(DeliveryError) as caught:
        transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert refused(caught.value) == meaning


def test_wrong_password_is_told_without_telling_it(authority: trustme.CA) -> None:
    with smtp(authority, Server(), "starttls", "wr0ng") as transport, pytest.raises(DeliveryError) as caught:
        transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert refused(caught.value) == (Reason.AUTH, True, False)
    assert "wr0ng" not in str(caught.value)


def test_smtp_out_of_reach_is_surely_not_sent() -> None:
    email = Email(FROM, "smtp", "127.0.0.1", free_port())
    with pytest.raises(DeliveryError) as caught:
        Smtp(email, "").send(MAIL, to="asha@example.com", delivery_id=ID)
    assert refused(caught.value) == (Reason.UNREACHABLE, False, False)


def test_certificate_nobody_vouches_for_is_refused(authority: trustme.CA) -> None:
    with smtp(authority, Server(), "tls") as transport, pytest.raises(DeliveryError) as caught:
        Smtp(transport._email, "right").send(MAIL, to="asha@example.com", delivery_id=ID)
    assert caught.value.permanent


# --- Twilio


@pytest.fixture
def double() -> TwilioDouble:
    return TwilioDouble(ACCOUNT, "secret-token")


@pytest.fixture
def twilio(double: TwilioDouble) -> Iterator[Twilio]:
    app = Flask("twilio")
    app.register_blueprint(double.blueprint)
    with serving(app) as url:
        yield Twilio(Sms(ACCOUNT, "+15005550006"), "secret-token", url)


def test_twilio_takes_a_text(twilio: Twilio, double: TwilioDouble) -> None:
    receipt = twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    (row,) = double.messages()
    assert (row.sid, row.to, row.body, row.from_) == (receipt.id, "+919812345678", TEXT.text, "+15005550006")


def test_twilio_sends_by_a_messaging_service(twilio: Twilio, double: TwilioDouble) -> None:
    twilio._sms = replace(twilio._sms, from_="", messaging_service="MG" + "0" * 32)
    twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert double.messages()[0].messaging_service_sid == "MG" + "0" * 32


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (21211, (Reason.BAD_ADDRESS, True, False)),
        (21610, (Reason.OPTED_OUT, True, False)),
        (21614, (Reason.BAD_ADDRESS, True, False)),
        (21408, (Reason.BLOCKED, True, False)),
        (21606, (Reason.ACCOUNT, True, False)),
        (21611, (Reason.RATE, False, False)),
    ],
)
def test_each_code_of_twilio_has_a_meaning(
    twilio: Twilio, double: TwilioDouble, code: int, meaning: tuple[Reason, bool, bool]
) -> None:
    double.fail_to("+919812345678", code)
    with pytest.raises(DeliveryError) as caught:
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert refused(caught.value) == meaning
    assert "+91" not in str(caught.value)


def test_twilio_says_when_to_come_back(twilio: Twilio, double: TwilioDouble) -> None:
    double.fail_next(status=429, retry_after_s=30)
    with pytest.raises(DeliveryError) as caught:
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert refused(caught.value) == (Reason.RATE, False, False)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 30


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503, "accepted": True}, {"status": 201, "malformed": True}])
def test_answer_that_says_nothing_leaves_the_outcome_unknown(twilio: Twilio, double: TwilioDouble, fault: dict[str, Any]) -> None:
    double.fail_next(**fault)
    with pytest.raises(OutcomeUnknown):
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert len(double.requests()) == 1


def test_wrong_token_is_told_without_telling_it(twilio: Twilio) -> None:
    twilio._token = "other-token"
    with pytest.raises(DeliveryError) as caught:
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert refused(caught.value) == (Reason.AUTH, True, False)
    assert "other-token" not in str(caught.value)


def test_twilio_out_of_reach_is_surely_not_sent() -> None:
    transport = Twilio(Sms(ACCOUNT, "+15005550006"), "t", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(DeliveryError) as caught:
        transport.send(TEXT, to="+919812345678", delivery_id=ID)
    assert refused(caught.value) == (Reason.UNREACHABLE, False, False)


def test_twilio_that_hangs_up_leaves_the_outcome_unknown() -> None:
    with hanging_up() as port, pytest.raises(OutcomeUnknown):
        Twilio(Sms(ACCOUNT, "+15005550006"), "t", f"http://127.0.0.1:{port}").send(TEXT, to="+919812345678", delivery_id=ID)
