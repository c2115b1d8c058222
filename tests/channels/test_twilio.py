"""SMS by Twilio's own package, against a double that follows Twilio's documentation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from chalicelib.channels import DeliveryError, OutcomeUnknown
from chalicelib.channels.twilio import _PERMANENT, _TRANSIENT, Twilio
from chalicelib.delivery import Reason
from chalicelib.settings import Sms
from tests.channels.parts import ID, TEXT, refused
from tests.workbench.serving import serving
from workbench.ministack import free_port
from workbench.proxy import Answer, Fault, Proxy
from workbench.twilio_double import TwilioDouble

ACCOUNT = "AC" + "0" * 32


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
        *((code, (reason, True, False)) for code, reason in _PERMANENT.items()),
        *((code, (reason, False, False)) for code, reason in _TRANSIENT.items()),
        (21999, (Reason.REFUSED, True, False)),
    ],
)
def test_each_code_of_twilio_has_a_meaning_and_is_asked_for_once(
    twilio: Twilio, double: TwilioDouble, code: int, meaning: tuple[Reason, bool, bool]
) -> None:
    double.fail_to("+919812345678", code)
    with pytest.raises(DeliveryError) as caught:
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert refused(caught.value) == meaning
    assert "+91" not in str(caught.value)
    assert len(double.requests()) == 1


def test_twilio_says_when_to_come_back(twilio: Twilio, double: TwilioDouble) -> None:
    double.fail_next(status=429, retry_after_s=30)
    with pytest.raises(DeliveryError) as caught:
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert refused(caught.value) == (Reason.RATE, False, False)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 30


def test_twilio_that_does_not_say_when_to_come_back(twilio: Twilio, double: TwilioDouble) -> None:
    double.fail_next(status=429)
    with pytest.raises(DeliveryError) as caught:
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert (refused(caught.value), caught.value.retry_after) == ((Reason.RATE, False, False), None)


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (Fault.RESET_BEFORE, 0),
        (Fault.RESET_AFTER, 1),
        (Fault.HALF, 1),
        (Fault.SILENT, 1),
        (Answer(500, b'{"code": 20500, "message": "to +919812345678", "status": 500}'), 0),
        (Answer(503, b"<html>busy</html>"), 0),
        (Answer(201, b'{"sid": "SM01'), 0),
        (Answer(201, b'{"status": "queued"}'), 0),
        (Answer(201, b"[]"), 0),
    ],
)
def test_lost_or_odd_answer_leaves_the_outcome_unknown_and_is_not_repeated(
    double: TwilioDouble, fault: Fault | Answer, taken: int
) -> None:
    app = Flask("twilio")
    app.register_blueprint(double.blueprint)
    with serving(app) as url, Proxy(url) as proxy:
        transport = Twilio(Sms(ACCOUNT, "+15005550006"), "secret-token", proxy.url, timeout_s=1)
        proxy.fail_next(fault)
        with pytest.raises(OutcomeUnknown) as caught:
            transport.send(TEXT, to="+919812345678", delivery_id=ID)
        assert "+91" not in str(caught.value)
        assert (len(proxy.requests()), len(double.messages())) == (1, taken)


def test_connection_that_went_stale_meanwhile_is_not_used_again(double: TwilioDouble) -> None:
    """A frozen container wakes up with a connection that the other end has closed long ago."""
    app = Flask("twilio")
    app.register_blueprint(double.blueprint)
    with serving(app) as url, Proxy(url) as proxy:
        transport = Twilio(Sms(ACCOUNT, "+15005550006"), "secret-token", proxy.url)
        transport.send(TEXT, to="+919812345678", delivery_id=ID)
        proxy.down()
        proxy.up()
        transport.send(TEXT, to="+919812345678", delivery_id=ID)
    assert len(double.messages()) == 2


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


def test_threads_that_send_first_all_reach_the_same_place(double: TwilioDouble) -> None:
    app = Flask("twilio")
    app.register_blueprint(double.blueprint)
    with serving(app) as url, ThreadPoolExecutor(max_workers=8) as pool:
        for _ in range(5):
            send = Twilio(Sms(ACCOUNT, "+15005550006"), "secret-token", url).send
            sending = [pool.submit(send, TEXT, to="+919812345678", delivery_id=ID) for _ in range(8)]
            assert all(each.result() for each in sending)
    assert len(double.messages()) == 40


def test_list_is_read_over_its_pages_as_far_back_as_asked(twilio: Twilio, double: TwilioDouble) -> None:
    sent = [twilio.send(TEXT, to="+919812345678", delivery_id=ID).id for _ in range(120)]
    twilio.send(TEXT, to="+919812300000", delivery_id=ID)
    now = datetime.now(UTC)
    found = twilio.find(to="+919812345678", since=now - timedelta(minutes=1))
    assert [candidate.id for candidate in found] == sent[::-1]
    assert {candidate.body_hash for candidate in found} == {TEXT.body_hash}
    assert twilio.find(to="+919812345678", since=now + timedelta(minutes=1)) == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 200, "malformed": True}, {"status": 429, "retry_after_s": 1}])
def test_list_that_cannot_be_read_says_so(twilio: Twilio, double: TwilioDouble, fault: dict[str, Any]) -> None:
    double.fail_next(method="GET", **fault)
    with pytest.raises(DeliveryError) as caught:
        twilio.find(to="+919812345678", since=datetime.now(UTC))
    assert "+91" not in str(caught.value)
