"""E-mail through SES: on the local AWS emulator, with every fault that HTTP can have."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.channels.limits import QUOTA_RETRY
from chalicelib.channels.ses import _PERMANENT, _TRANSIENT, CLIENT_CONFIG, IAM_SETTLES, MAX_IDLE, Ses
from chalicelib.domain.delivery import DeliveryError, Reason
from tests.channels.parts import FROM, ID, IN_A_THREAD, MAIL, ROOT, meaning_of
from tests.support.builders import NOON
from workbench.local.mailbox import Mailbox
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault
from workbench.local.proxy.ses import QUOTA_EXHAUSTED, THROTTLED, ses_error
from workbench.ports import free_port


@pytest.fixture
def proxy(ministack: MiniStack) -> Iterator[Proxy]:
    """A proxy to a local SES that has verified our sender."""
    ministack.client("sesv2").create_email_identity(EmailIdentity="drops@example.com")
    with Proxy(ministack.endpoint) as running:
        yield running


def ses_at(url: str) -> Ses:
    """A transport as in Lambda, but with a timeout of one second."""
    retries = CLIENT_CONFIG.retries  # type: ignore[attr-defined]
    return Ses(local_client(url, "sesv2", connect_timeout=1, read_timeout=1, retries=retries), FROM)


def send(url: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        ses_at(url).send(MAIL, to="asha@example.com", delivery_id=ID)
    assert "asha" not in str(caught.value)
    return caught.value


def test_mail_from_a_verified_sender_is_accepted(proxy: Proxy, ministack: MiniStack) -> None:
    receipt = ses_at(proxy.url).send(MAIL, to="asha@example.com", delivery_id=ID)
    (mail,) = Mailbox(ministack.endpoint).read().mails
    assert receipt.id
    assert (mail.subject, mail.text) == (MAIL.subject, MAIL.text)


def test_request_carries_headers_and_one_recipient(proxy: Proxy) -> None:
    ses_at(proxy.url).send(MAIL, to="asha@example.com", delivery_id=ID)
    (request,) = proxy.requests()
    body: dict[str, Any] = json.loads(request.body)
    headers = {header["Name"]: header["Value"] for header in body["Content"]["Simple"]["Headers"]}
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Dropnote-Delivery"] == ID
    assert body["Destination"] == {"ToAddresses": ["asha@example.com"]}


def test_mails_of_a_thread_refer_to_the_same_message(proxy: Proxy) -> None:
    ses = ses_at(proxy.url)
    ses.send(MAIL, to="asha@example.com", delivery_id=ID)
    ses.send(IN_A_THREAD, to="asha@example.com", delivery_id=ID)
    alone, in_a_thread = (
        {header["Name"]: header["Value"] for header in json.loads(request.body)["Content"]["Simple"]["Headers"]}
        for request in proxy.requests()
    )
    assert {"References", "In-Reply-To"}.isdisjoint(alone)
    assert in_a_thread["References"] == in_a_thread["In-Reply-To"] == ROOT


def test_unverified_sender_is_a_permanent_error(ministack: MiniStack) -> None:
    assert send(ministack.endpoint).permanent


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        *((400, code, (reason, False, False)) for code, reason in _TRANSIENT.items()),
        *((400, code, (reason, True, False)) for code, reason in _PERMANENT.items()),
        (429, "SomethingNew", (Reason.RATE, False, False)),
        (400, "SomethingNew", (Reason.REFUSED, True, False)),
        (403, "SomethingNew", (Reason.AUTH, True, False)),
        (408, "SomethingNew", (Reason.UNREACHABLE, False, False)),
        (503, "Throttling", (Reason.RATE, False, False)),
        (500, "InternalServiceErrorException", (Reason.PROVIDER, False, True)),
        (503, "ServiceUnavailable", (Reason.PROVIDER, False, True)),
    ],
)
def test_each_response_has_a_meaning_and_is_requested_once(
    proxy: Proxy, status: int, code: str, meaning: tuple[Reason, bool, bool]
) -> None:
    proxy.fail_next(ses_error(status, code, "no, asha@example.com"))
    error = send(proxy.url)
    assert meaning_of(error) == meaning
    assert error.grace == (IAM_SETTLES if meaning[:2] == (Reason.AUTH, True) else timedelta(0))
    assert proxy.operations() == ["SendEmail"]


@pytest.mark.parametrize(
    ("answer", "reason", "wait"),
    [
        (THROTTLED, Reason.RATE, None),
        (QUOTA_EXHAUSTED, Reason.QUOTA, QUOTA_RETRY),
        (ses_error(400, "ThrottlingException", "Maximum sending rate exceeded."), Reason.RATE, None),
        (ses_error(400, "ThrottlingException", "Daily message quota exceeded."), Reason.QUOTA, QUOTA_RETRY),
        (ses_error(400, "Throttling", "Daily sending quota exceeded"), Reason.QUOTA, QUOTA_RETRY),
        (ses_error(400, "LimitExceededException", "Daily message quota exceeded"), Reason.QUOTA, QUOTA_RETRY),
        (ses_error(429, "SomethingNew", "daily message quota exceeded"), Reason.QUOTA, QUOTA_RETRY),
        (ses_error(400, "MessageRejected", "Daily message quota exceeded"), Reason.REFUSED, None),
    ],
)
def test_exhausted_quota_is_told_from_throttling(proxy: Proxy, answer: Answer, reason: Reason, wait: timedelta | None) -> None:
    proxy.fail_next(answer)
    error = send(proxy.url)
    assert (error.reason, error.retry_after) == (reason, wait)


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault.RESET_BEFORE, 0),
        (Fault.RESET_AFTER, 1),
        (Fault.HALF, 1),
        (Fault.MALFORMED, 1),
        (Fault.SILENT, 1),
        (Answer(502, b"<html>"), 0),
        *((Answer(200, body), 0) for body in (b"", b"<html>", b"{}", b"[]", b"null", b'"text"', b"\xff", b'{"MessageId": null}')),
    ],
)
def test_lost_or_unreadable_response_leaves_the_outcome_unknown_and_is_not_repeated(
    proxy: Proxy, ministack: MiniStack, fault: Fault | Answer, accepted: int
) -> None:
    proxy.fail_next(fault)
    assert meaning_of(send(proxy.url))[1:] == (False, True)
    assert proxy.operations() == ["SendEmail"]
    assert len(Mailbox(ministack.endpoint).read().mails) == accepted


def test_unreachable_ses_has_certainly_not_accepted() -> None:
    assert meaning_of(send(f"http://127.0.0.1:{free_port()}")) == (Reason.UNREACHABLE, False, False)


def test_without_credentials_nothing_is_sent(proxy: Proxy) -> None:
    client = local_client(proxy.url, "sesv2")
    client._request_signer._credentials = None  # whatever this machine is configured with
    with pytest.raises(DeliveryError) as caught:
        Ses(client, FROM).send(MAIL, to="asha@example.com", delivery_id=ID)
    assert (meaning_of(caught.value), proxy.requests()) == ((Reason.UNREACHABLE, False, False), [])


@pytest.mark.parametrize(("idle", "reused"), [(MAX_IDLE, True), (MAX_IDLE + timedelta(seconds=1), False)])
def test_connection_is_reused_only_if_it_was_not_idle_for_long(proxy: Proxy, idle: timedelta, reused: bool) -> None:
    times = [NOON, NOON, NOON + idle]
    ses = Ses(local_client(proxy.url, "sesv2"), FROM, clock=lambda: times.pop(0))
    for _ in range(2):
        ses.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert [request.reused for request in proxy.requests()] == [False, reused]


def test_connection_that_broke_while_idle_loses_no_mail(proxy: Proxy, ministack: MiniStack) -> None:
    """A thawed container has connections that SES closed long ago: the first request over one fails."""
    proxy.fail_while(lambda request: request.reused, Fault.RESET_BEFORE)
    times = [NOON, NOON, NOON + timedelta(minutes=5)]
    ses = Ses(local_client(proxy.url, "sesv2"), FROM, clock=lambda: times.pop(0))
    for _ in range(2):
        ses.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert (proxy.operations(), len(Mailbox(ministack.endpoint).read().mails)) == (["SendEmail"] * 2, 2)
