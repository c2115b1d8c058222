"""What each reply of an SMTP server means, and at which moment the outcome becomes unknown."""

import re

import pytest
import trustme

from chalicelib.channels.limits import QUOTA_RETRY
from chalicelib.channels.smtp import Smtp
from chalicelib.domain.delivery import DeliveryError, Reason
from chalicelib.domain.settings import EmailSettings
from tests.channels.parts import FROM, ID, MAIL, meaning_of
from tests.channels.smtp_servers import SILENCE, Server, contexts, smtp, talking


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
