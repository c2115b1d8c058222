"""E-mail through SMTP, against a real server on loopback with its own certificate."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from msgspec.structs import replace

from chalicelib.channels.limits import QUOTA_RETRY
from chalicelib.channels.smtp import Smtp
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from chalicelib.domain.settings import EmailSettings
from tests.channels.parts import FROM, ID, IN_A_THREAD, MAIL, ROOT, listening, meaning_of
from workbench.local.ministack import free_port

SILENCE = b"(nothing)"


class Server:
    """An SMTP server that stores e-mails; `data_reply` and `rcpt_reply` are its replies, "" closes the connection without one."""

    def __init__(self, delay_s: float = 0) -> None:
        self.delay_s = delay_s
        self.mails: list[EmailMessage] = []
        self.rcpt_reply = "250 OK"
        self.data_reply = "250 OK"

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.delay_s)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.delay_s)
        if self.rcpt_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        if not self.data_reply:
            server.transport.abort()
        return self.data_reply or "250 OK"


@contextmanager
def talking(*replies: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that sends the first reply on connecting and one more for each line, and then closes the connection.

    At SILENCE it waits for the client to disconnect.
    """

    def talk(peer: socket.socket) -> None:
        lines = peer.makefile("rb")
        for reply in replies:
            if reply is SILENCE:
                lines.read()
            peer.sendall(reply)
            last_line = b".\r\n" if reply.startswith(b"354") else b""
            while (line := lines.readline()) and last_line and line != last_line:
                pass
        lines.close()

    def serve(accepted: socket.socket) -> None:
        with tls.wrap_socket(accepted, server_side=True) if tls else accepted as peer:
            talk(peer)

    with listening(serve) as port:
        yield port


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def contexts(authority: trustme.CA) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's TLS context, and that of a client that trusts it."""
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(serving)
    authority.configure_trust(trusting)
    return serving, trusting


@contextmanager
def smtp(authority: trustme.CA, handler: Server, security: str, password: str = "right") -> Iterator[Smtp]:
    """A transport connected to a real server on a free port."""
    serving_tls, trusting = contexts(authority)

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
        email = EmailSettings(FROM, "smtp", "127.0.0.1", controller.port, security, "drops")  # type: ignore[arg-type]
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


def test_mails_of_a_thread_refer_to_the_same_message(authority: trustme.CA) -> None:
    server = Server()
    with smtp(authority, server, "tls") as transport:
        transport.send(MAIL, to="asha@example.com", delivery_id=ID)
        transport.send(IN_A_THREAD, to="asha@example.com", delivery_id=ID)
    alone, in_a_thread = server.mails
    assert (alone["References"], alone["In-Reply-To"]) == (None, None)
    assert in_a_thread["References"] == in_a_thread["In-Reply-To"] == ROOT
    assert in_a_thread["Message-ID"] != ROOT


def test_thread_id_of_a_long_domain_is_not_encoded() -> None:
    domain = "notifications.of-a-company-with-a-very-long-name.example.com"
    transport = Smtp(EmailSettings(f"Acme drops <drops@{domain}>", "smtp", "127.0.0.1"), "")
    mail = transport._compose(IN_A_THREAD, "asha@example.com", ID).as_bytes()
    assert mail.count(f"<{IN_A_THREAD.thread}.dropnote@{domain}>".encode()) == 2


@pytest.mark.parametrize(
    ("rcpt", "data", "meaning"),
    [
        ("550 No such user", "250 OK", (Reason.BAD_ADDRESS, True, False)),
        ("550 5.1.1 No such user", "250 OK", (Reason.BAD_ADDRESS, True, False)),
        ("550 5.7.1 We know your kind", "250 OK", (Reason.REFUSED, True, False)),
        ("552 Mailbox full", "250 OK", (Reason.REFUSED, True, False)),
        ("450 Mailbox busy", "250 OK", (Reason.PROVIDER, False, False)),
        ("451 Try later", "250 OK", (Reason.PROVIDER, False, False)),
        ("421 Going down", "250 OK", (Reason.PROVIDER, False, False)),
        ("250 OK", "451 Try later", (Reason.PROVIDER, False, False)),
        ("250 OK", "554 Spam", (Reason.REFUSED, True, False)),
        ("250 OK", "452 Full", (Reason.PROVIDER, False, False)),
    ],
)
def test_each_reply_has_a_meaning(authority: trustme.CA, rcpt: str, data: str, meaning: tuple[Reason, bool, bool]) -> None:
    server = Server()
    server.rcpt_reply, server.data_reply = rcpt, data
    with smtp(authority, server, "starttls") as transport, pytest.raises(DeliveryError) as caught:
        transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert meaning_of(caught.value) == meaning


QUOTA = [  # as Gmail, Amazon SES and Exchange Online report it
    "550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to asha@example.com",
    "550-5.4.5 Daily SMTP relay limit exceeded for user.\r\n550 5.4.5 https://support.google.com/a/answer/166852",
    "550 5.4.5 https://support.google.com/mail/?p=DailyLimitExceeded",
    "454 Throttling failure: Daily message quota exceeded.",
    "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending email to external",
]
RATE = [
    "454 Throttling failure: Maximum sending rate exceeded.",
    "421 4.4.2 Message submission rate for this client has exceeded the configured limit",
    "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
    "450 4.2.1 Peak SMTP relay limit exceeded for this customer.",
    "450 4.7.1 Error: too much mail from 192.0.2.1",
    "452 4.4.5 Messages per second limit exceeded",
]
NEITHER = [  # the mailbox or the content, or a sender that is blocked
    "450 4.2.1 The user you are trying to contact is receiving mail too quickly.",
    "452 4.2.2 The recipient's inbox is out of storage space",
    "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.MapiExceptionQuotaExceeded",
    "550 5.2.253 Sender throttled due to continuous invalid license errors.",
    "451 4.7.1 Greylisted, try again in 300 seconds",
]


@pytest.mark.parametrize("at", ["rcpt_reply", "data_reply"])
@pytest.mark.parametrize(
    ("reply", "reason"),
    [*((text, Reason.QUOTA) for text in QUOTA), *((text, Reason.RATE) for text in RATE), *((text, None) for text in NEITHER)],
)
def test_exhausted_quota_and_throttling_are_told_from_other_replies(
    authority: trustme.CA, at: str, reply: str, reason: Reason | None
) -> None:
    server = Server()
    setattr(server, at, reply)
    with smtp(authority, server, "tls") as transport, pytest.raises(DeliveryError) as caught:
        transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    error = caught.value
    if reason:
        wait = QUOTA_RETRY if reason is Reason.QUOTA else None
        assert (meaning_of(error), error.retry_after) == ((reason, False, False), wait)
    assert (error.reason in (Reason.QUOTA, Reason.RATE)) is bool(reason)
    assert "asha" not in str(error)


def test_wrong_password_is_reported_without_the_password(authority: trustme.CA) -> None:
    with smtp(authority, Server(), "starttls", "wr0ng") as transport, pytest.raises(DeliveryError) as caught:
        transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert meaning_of(caught.value) == (Reason.AUTH, True, False)
    assert "wr0ng" not in str(caught.value)


def test_unreachable_server_has_certainly_not_accepted() -> None:
    email = EmailSettings(FROM, "smtp", "127.0.0.1", free_port())
    with pytest.raises(DeliveryError) as caught:
        Smtp(email, "").send(MAIL, to="asha@example.com", delivery_id=ID)
    assert meaning_of(caught.value) == (Reason.UNREACHABLE, False, False)


def test_untrusted_certificate_is_rejected(authority: trustme.CA) -> None:
    with smtp(authority, Server(), "tls") as transport, pytest.raises(DeliveryError) as caught:
        Smtp(transport._email, "right").send(MAIL, to="asha@example.com", delivery_id=ID)
    assert caught.value.permanent


def test_connection_lost_after_the_final_dot_leaves_the_outcome_unknown(authority: trustme.CA) -> None:
    server = Server()
    server.data_reply = ""
    with smtp(authority, server, "starttls") as transport, pytest.raises(OutcomeUnknown):
        transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("greeting", "meaning"),
    [
        (b"421 Service not available\r\n", (Reason.PROVIDER, False, False)),
        (b"421 Too many connections\r\n", (Reason.RATE, False, False)),
        (b"554 No service for you\r\n", (Reason.REFUSED, True, False)),
        (SILENCE, (Reason.UNREACHABLE, False, False)),
        (b"SSH-2.0-OpenSSH\r\n", (Reason.PROVIDER, False, False)),
    ],
)
def test_server_without_a_greeting_has_certainly_not_accepted(greeting: bytes, meaning: tuple[Reason, bool, bool]) -> None:
    with talking(greeting) as port, pytest.raises(DeliveryError) as caught:
        Smtp(EmailSettings(FROM, "smtp", "127.0.0.1", port), "", timeout_s=0.5).send(MAIL, to="asha@example.com", delivery_id=ID)
    assert meaning_of(caught.value) == meaning


HELLO = (b"220 hello\r\n", b"250-hello\r\n250 AUTH PLAIN\r\n")
IN = (*HELLO, b"235 in\r\n")
READY = (*IN, b"250 ok\r\n", b"250 ok\r\n")


@pytest.mark.parametrize(
    ("replies", "meaning"),
    [
        (HELLO[:1], (Reason.UNREACHABLE, False, False)),
        ((*HELLO, b"454 4.7.0 Cannot check that now\r\n"), (Reason.AUTH, False, False)),
        ((*HELLO, b"535 5.7.8 No\r\n"), (Reason.AUTH, True, False)),
        ((*HELLO, b"432 4.3.2 Concurrent connections limit exceeded.\r\n"), (Reason.RATE, False, False)),
        ((*IN, b"553 Not your address\r\n"), (Reason.ACCOUNT, True, False)),
        ((*IN, b"421 Going down\r\n"), (Reason.PROVIDER, False, False)),
        (READY, (Reason.UNREACHABLE, False, False)),
        ((*READY, SILENCE), (Reason.UNREACHABLE, False, False)),
        ((*READY, b"421 Going down\r\n"), (Reason.PROVIDER, False, False)),
        ((*READY, b"554 No\r\n"), (Reason.REFUSED, True, False)),
        ((*READY, b"454 Throttling failure: Daily message quota exceeded\r\n"), (Reason.QUOTA, False, False)),
        ((*READY, b"354 Go on\r\n"), (Reason.TIMEOUT, False, True)),
        ((*READY, b"354 Go on\r\n", SILENCE), (Reason.TIMEOUT, False, True)),
        ((*READY, b"354 Go on\r\n", b"what?\r\n"), (Reason.PROVIDER, False, True)),
        ((*READY, b"354 Go on\r\n", b"354 Go on\r\n"), (Reason.PROVIDER, False, True)),
        ((*READY, b"354 Go on\r\n", b"421 Going down\r\n"), (Reason.PROVIDER, False, False)),
    ],
)
def test_outcome_is_unknown_only_after_the_final_dot(
    authority: trustme.CA, replies: tuple[bytes, ...], meaning: tuple[Reason, bool, bool]
) -> None:
    serving, trusting = contexts(authority)
    with talking(*replies, tls=serving) as port, pytest.raises(DeliveryError) as caught:
        Smtp(EmailSettings(FROM, "smtp", "127.0.0.1", port, "tls", "drops"), "s3cret", trusting, 0.5).send(
            MAIL, to="asha@example.com", delivery_id=ID
        )
    assert meaning_of(caught.value) == meaning
    assert not re.search(r"s3cret|asha", str(caught.value))


def test_line_with_only_a_dot_does_not_end_the_mail(authority: trustme.CA) -> None:
    server, mail = Server(), replace(MAIL, text="one\n.\n..two\n", html="<p>three</p>\n.\n")
    with smtp(authority, server, "tls") as transport:
        transport.send(mail, to="asha@example.com", delivery_id=ID)
    received = [part.get_content().splitlines() for part in server.mails[0].iter_parts()]
    assert received == [mail.text.splitlines(), mail.html.splitlines()]


def test_server_without_starttls_gets_no_password_and_no_mail(authority: trustme.CA) -> None:
    server = Server()
    controller = Controller(server, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        email = EmailSettings(FROM, "smtp", "127.0.0.1", controller.port, "starttls", "drops")
        with pytest.raises(DeliveryError) as caught:
            Smtp(email, "right").send(MAIL, to="asha@example.com", delivery_id=ID)
    finally:
        controller.stop()
    assert (meaning_of(caught.value), server.mails) == ((Reason.ACCOUNT, True, False), [])


def test_server_with_slow_replies_gets_no_mail_after_the_deadline(authority: trustme.CA) -> None:
    server = Server(delay_s=0.35)
    with smtp(authority, server, "starttls") as trusting:
        transport = Smtp(trusting._email, "right", trusting._tls, timeout_s=0.6)
        with pytest.raises(DeliveryError) as caught:
            transport.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert (meaning_of(caught.value), server.mails) == ((Reason.UNREACHABLE, False, False), [])
