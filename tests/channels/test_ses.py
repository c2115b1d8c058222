"""E-mail by SES: on a local AWS, and with every fault that HTTP has between us and it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.channels.ses import _PERMANENT, _TRANSIENT, CLIENT_CONFIG, FRESH, Ses
from chalicelib.domain.delivery import DeliveryError, Reason
from tests.channels.parts import FROM, ID, IN_A_THREAD, MAIL, ROOT, refused
from tests.support.builders import NOON
from workbench.local.mailbox import Mailbox
from workbench.local.ministack import MiniStack, free_port, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault


@pytest.fixture
def proxy(ministack: MiniStack) -> Iterator[Proxy]:
    """Between us and a local SES that knows our sender."""
    ministack.client("sesv2").create_email_identity(EmailIdentity="drops@example.com")
    with Proxy(ministack.endpoint) as running:
        yield running


def ses_at(url: str) -> Ses:
    """As Lambda makes it, but that it waits a second only."""
    retries = CLIENT_CONFIG.retries  # type: ignore[attr-defined]
    return Ses(local_client(url, "sesv2", connect_timeout=1, read_timeout=1, retries=retries), FROM)


def send(url: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        ses_at(url).send(MAIL, to="asha@example.com", delivery_id=ID)
    assert "asha" not in str(caught.value)
    return caught.value


def error(status: int, code: str) -> Answer:
    headers = (("x-amzn-ErrorType", code), ("Content-Type", "application/json"))
    return Answer(status, b'{"message": "no, asha@example.com"}', headers)


def test_mail_from_a_verified_sender_is_taken(proxy: Proxy, ministack: MiniStack) -> None:
    receipt = ses_at(proxy.url).send(MAIL, to="asha@example.com", delivery_id=ID)
    (mail,) = Mailbox(ministack.endpoint).read().mails
    assert receipt.id
    assert (mail.subject, mail.text) == (MAIL.subject, MAIL.text)


def test_request_carries_headers_and_one_recipient(proxy: Proxy) -> None:
    ses_at(proxy.url).send(MAIL, to="asha@example.com", delivery_id=ID)
    (seen,) = proxy.requests()
    body: dict[str, Any] = json.loads(seen.body)
    headers = {each["Name"]: each["Value"] for each in body["Content"]["Simple"]["Headers"]}
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Dropnote-Delivery"] == ID
    assert body["Destination"] == {"ToAddresses": ["asha@example.com"]}


def test_mails_of_a_thread_refer_to_the_same_message(proxy: Proxy) -> None:
    ses = ses_at(proxy.url)
    ses.send(MAIL, to="asha@example.com", delivery_id=ID)
    ses.send(IN_A_THREAD, to="asha@example.com", delivery_id=ID)
    alone, in_a_thread = (
        {each["Name"]: each["Value"] for each in json.loads(seen.body)["Content"]["Simple"]["Headers"]}
        for seen in proxy.requests()
    )
    assert {"References", "In-Reply-To"}.isdisjoint(alone)
    assert in_a_thread["References"] == in_a_thread["In-Reply-To"] == ROOT


def test_unverified_sender_is_refused_for_good(ministack: MiniStack) -> None:
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
def test_each_answer_has_a_meaning_and_is_asked_for_once(
    proxy: Proxy, status: int, code: str, meaning: tuple[Reason, bool, bool]
) -> None:
    proxy.fail_next(error(status, code))
    assert refused(send(proxy.url)) == meaning
    assert proxy.operations() == ["SendEmail"]


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (Fault.RESET_BEFORE, 0),
        (Fault.RESET_AFTER, 1),
        (Fault.HALF, 1),
        (Fault.MALFORMED, 1),
        (Fault.SILENT, 1),
        (Answer(502, b"<html>"), 0),
        *(
            (Answer(200, body), 0)
            for body in (b"", b"<html>", b"{}", b"[]", b"null", b'"words"', b"\xff", b'{"MessageId": null}')
        ),
    ],
)
def test_lost_or_odd_answer_leaves_the_outcome_unknown_and_is_not_repeated(
    proxy: Proxy, ministack: MiniStack, fault: Fault | Answer, taken: int
) -> None:
    proxy.fail_next(fault)
    assert refused(send(proxy.url))[1:] == (False, True)
    assert proxy.operations() == ["SendEmail"]
    assert len(Mailbox(ministack.endpoint).read().mails) == taken


def test_out_of_reach_is_surely_not_sent() -> None:
    assert refused(send(f"http://127.0.0.1:{free_port()}")) == (Reason.UNREACHABLE, False, False)


def test_without_credentials_nothing_leaves(proxy: Proxy) -> None:
    client = local_client(proxy.url, "sesv2")
    client._request_signer._credentials = None  # whatever the machine has
    with pytest.raises(DeliveryError) as caught:
        Ses(client, FROM).send(MAIL, to="asha@example.com", delivery_id=ID)
    assert (refused(caught.value), proxy.requests()) == ((Reason.UNREACHABLE, False, False), [])


@pytest.mark.parametrize(("idle", "reused"), [(FRESH, True), (FRESH + timedelta(seconds=1), False)])
def test_connection_is_used_again_only_while_it_is_fresh(proxy: Proxy, idle: timedelta, reused: bool) -> None:
    times = [NOON, NOON, NOON + idle]
    ses = Ses(local_client(proxy.url, "sesv2"), FROM, clock=lambda: times.pop(0))
    for _ in range(2):
        ses.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert [seen.reused for seen in proxy.requests()] == [False, reused]


def test_connection_that_broke_while_nobody_looked_costs_no_mail(proxy: Proxy, ministack: MiniStack) -> None:
    """A frozen container wakes up with connections that SES has closed long ago: each breaks at the first request by it."""
    proxy.fail_while(lambda seen: seen.reused, Fault.RESET_BEFORE)
    times = [NOON, NOON, NOON + timedelta(minutes=5)]
    ses = Ses(local_client(proxy.url, "sesv2"), FROM, clock=lambda: times.pop(0))
    for _ in range(2):
        ses.send(MAIL, to="asha@example.com", delivery_id=ID)
    assert (proxy.operations(), len(Mailbox(ministack.endpoint).read().mails)) == (["SendEmail"] * 2, 2)
