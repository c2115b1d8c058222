"""Twilio's list of texts, searched for those without a response."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.channels.twilio import _MAX_LISTED, Twilio
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown
from tests.channels.parts import ID, TEXT, twilio_at
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault
from workbench.local.twilio.double import TwilioDouble
from workbench.ports import free_port

ASHA = "+919812345678"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NOON = "Mon, 02 Mar 2026 12:00:00 +0000"


def find_error(transport: Twilio) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        transport.find(to=ASHA, since=LONG_AGO)
    assert "9812345678" not in str(caught.value)
    return caught.value


def a_list(*texts: object) -> bytes:
    return json.dumps({"messages": texts, "next_page_uri": None}).encode()


def test_list_is_read_page_by_page_back_to_a_time(twilio: Twilio, double: TwilioDouble) -> None:
    sent = [twilio.send(TEXT, to=ASHA, delivery_id=ID).id for _ in range(120)]
    twilio.send(TEXT, to="+919812300000", delivery_id=ID)
    now = datetime.now(UTC)
    candidates = twilio.find(to=ASHA, since=now - timedelta(minutes=1))
    assert [candidate.id for candidate in candidates] == sent[::-1]
    assert {candidate.body_hash for candidate in candidates} == {TEXT.body_hash}
    assert twilio.find(to=ASHA, since=now + timedelta(minutes=1)) == []


def test_older_text_ends_the_list(proxy: Proxy) -> None:
    """Newest first: nothing after the first text that is too old is read."""
    new, old = (
        {"sid": "SM2", "body": "x", "date_created": NOON},
        {"sid": "SM1", "date_created": "Sun, 01 Mar 2026 12:00:00 +0000"},
    )
    proxy.fail_next(Answer(200, a_list(new, old, {"unreadable": True})))
    candidates = twilio_at(proxy.url).find(to=ASHA, since=datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert [candidate.id for candidate in candidates] == ["SM2"]


@pytest.mark.parametrize(
    "failure",
    [
        Fault.RESET_BEFORE,
        Fault.RESET_AFTER,
        Fault.HALF,
        Fault.MALFORMED,
        Fault.SILENT,
        Answer(401),
        Answer(429, b"{}", (("Retry-After", "1"),)),
        Answer(500, b"{}"),
        Answer(503, b"<html>"),
        *(Answer(200, body) for body in (b"", b"[]", b"{}", b"null", b'{"messages": null}', a_list([]), a_list({}))),
        Answer(200, a_list({"sid": "SM1", "body": "x", "date_created": "one day"})),
        Answer(200, a_list({"sid": "SM1", "body": "x", "date_created": 1})),
        Answer(
            200, a_list(*[{"sid": "SM1", "body": "x", "date_created": NOON}] * _MAX_LISTED)
        ),  # ours may be among those left out
    ],
)
def test_unreadable_list_is_not_an_empty_one(proxy: Proxy, twilio: Twilio, failure: Fault | Answer) -> None:
    twilio.send(TEXT, to=ASHA, delivery_id=ID)
    proxy.fail_next(failure)
    error = find_error(twilio_at(proxy.url))
    assert not error.permanent
    assert not isinstance(error, OutcomeUnknown)


def test_list_with_an_unreadable_second_page_is_not_a_shorter_one(proxy: Proxy, twilio: Twilio) -> None:
    for _ in range(101):
        twilio.send(TEXT, to=ASHA, delivery_id=ID)
    proxy.fail_while(lambda request: "PageToken" in request.path, Answer(500, b"{}"))
    assert not find_error(twilio_at(proxy.url)).permanent
    assert [request.status for request in proxy.requests()] == [200, 500]


def test_list_of_an_unreachable_twilio_cannot_be_read() -> None:
    assert not find_error(twilio_at(f"http://127.0.0.1:{free_port()}")).permanent
