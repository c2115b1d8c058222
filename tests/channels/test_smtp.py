"""E-mail through SMTP, against a real server on loopback with its own certificate."""

import pytest
import trustme
from aiosmtpd.controller import Controller
from msgspec.structs import replace

from chalicelib.channels.smtp import Smtp
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from chalicelib.domain.settings import EmailSettings
from tests.channels.parts import FROM, ID, IN_A_THREAD, MAIL, ROOT, meaning_of
from tests.channels.smtp_servers import Server, smtp
from workbench.ports import free_port


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
