"""SMS through Twilio's own package, against a double that follows Twilio's documentation."""

import re
import socket
import ssl
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import trustme
from msgspec.structs import replace

from chalicelib.channels.limits import QUOTA_RETRY
from chalicelib.channels.twilio import _PERMANENT, _TRANSIENT, Twilio, reason_of
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from tests.channels.parts import ID, TEXT, listening, meaning_of, twilio_at
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault
from workbench.local.twilio.double import TwilioDouble
from workbench.local.twilio.rules import api_error
from workbench.ports import free_port


def send(transport: Twilio) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        transport.send(TEXT, to="+919812345678", delivery_id=ID)
    assert not re.search(r"\+?919812345678|secret-token", str(caught.value))
    return caught.value


def test_twilio_accepts_a_text(twilio: Twilio, double: TwilioDouble) -> None:
    receipt = twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    (row,) = double.messages()
    assert (row.sid, row.to, row.body, row.from_) == (receipt.id, "+919812345678", TEXT.text, "+15005550006")


def test_twilio_sends_through_a_messaging_service(twilio: Twilio, double: TwilioDouble) -> None:
    twilio._sms = replace(twilio._sms, from_="", messaging_service="MG" + "0" * 32)
    twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert double.messages()[0].messaging_service_sid == "MG" + "0" * 32


def test_text_to_a_country_that_is_not_allowed_never_leaves(twilio: Twilio, double: TwilioDouble) -> None:
    twilio._sms = replace(twilio._sms, countries=("DE",))
    error = send(twilio)
    assert (error.reason, error.permanent, str(error)) == (Reason.BLOCKED, True, "[sms] countries does not allow IN")
    assert double.requests() == []
    twilio._sms = replace(twilio._sms, countries=("DE", "IN"))
    assert twilio.send(TEXT, to="+919812345678", delivery_id=ID).id


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        *((code, (reason, True, False)) for code, reason in _PERMANENT.items()),
        *((code, (reason, False, False)) for code, reason in _TRANSIENT.items()),
        (21999, (Reason.REFUSED, True, False)),
    ],
)
def test_each_error_code_has_a_meaning_and_is_requested_once(
    twilio: Twilio, double: TwilioDouble, code: int, meaning: tuple[Reason, bool, bool]
) -> None:
    double.fail_to("+919812345678", code)
    assert meaning_of(send(twilio)) == meaning
    assert len(double.requests()) == 1


@pytest.mark.parametrize("code", [*_PERMANENT, *_TRANSIENT])
def test_double_has_twilios_error_messages(code: int) -> None:
    assert api_error(code).message != f"Error {code}"


@pytest.mark.parametrize(("seconds", "wait"), [(30, timedelta(seconds=30)), (None, None)])
def test_retry_after_is_passed_on(twilio: Twilio, double: TwilioDouble, seconds: int | None, wait: timedelta | None) -> None:
    double.fail_next(status=429, retry_after_s=seconds)
    error = send(twilio)
    assert (meaning_of(error), error.retry_after) == ((Reason.RATE, False, False), wait)
    assert len(double.requests()) == 1


@pytest.mark.parametrize("seconds", [None, 7200])
def test_exhausted_quota_is_told_from_throttling_although_both_have_the_status_429(
    twilio: Twilio, double: TwilioDouble, seconds: int | None
) -> None:
    double.fail_next(status=429, code=63038, retry_after_s=seconds)
    error = send(twilio)
    wait = timedelta(seconds=seconds) if seconds else QUOTA_RETRY
    assert (meaning_of(error), error.retry_after) == ((Reason.QUOTA, False, False), wait)


def test_account_with_a_daily_limit_sends_no_more_than_that(twilio: Twilio, double: TwilioDouble) -> None:
    double.daily_limit = 2
    for _ in range(2):
        twilio.send(TEXT, to="+919812345678", delivery_id=ID)
    assert send(twilio).reason is Reason.QUOTA
    assert len(double.messages()) == 2


@pytest.mark.parametrize(("code", "reason"), [(30022, Reason.RATE), (30023, Reason.QUOTA), (30003, Reason.NOT_ARRIVED)])
def test_receipt_tells_a_carriers_daily_cap_from_its_rate(code: int, reason: Reason) -> None:
    assert reason_of(code) is reason


@pytest.mark.parametrize(
    ("response", "meaning"),
    [
        (Answer(429, b"<html>slow down</html>"), (Reason.RATE, False, False)),
        (Answer(400, b"<html>"), (Reason.REFUSED, True, False)),
        (Answer(400, b"[]"), (Reason.REFUSED, True, False)),
        (Answer(400, b'{"type": "u", "title": "x", "status": 400, "code": 21211}'), (Reason.BAD_ADDRESS, True, False)),
        (Answer(401), (Reason.AUTH, True, False)),
        (Answer(403, b"<html>"), (Reason.AUTH, True, False)),
        (Answer(408), (Reason.UNREACHABLE, False, False)),
    ],
)
def test_error_without_twilios_fields_is_an_error_too(proxy: Proxy, response: Answer, meaning: tuple[Reason, bool, bool]) -> None:
    proxy.fail_next(response)
    assert meaning_of(send(twilio_at(proxy.url))) == meaning
    assert len(proxy.requests()) == 1


@pytest.mark.parametrize(
    ("fault", "accepted"),
    [
        (Fault.RESET_BEFORE, 0),
        (Fault.RESET_AFTER, 1),
        (Fault.HALF, 1),
        (Fault.MALFORMED, 1),
        (Fault.SILENT, 1),
        (Answer(500, b'{"code": 20500, "message": "to +919812345678", "status": 500}'), 0),
        (Answer(500, b"[]"), 0),
        (Answer(503, b"<html>busy</html>"), 0),
        *((Answer(201, body), 0) for body in (b"", b"[]", b"null", b'"text"', b'{"status": "queued"}', b'{"sid": null}')),
    ],
)
def test_lost_or_unreadable_response_leaves_the_outcome_unknown_and_is_not_repeated(
    proxy: Proxy, double: TwilioDouble, fault: Fault | Answer, accepted: int
) -> None:
    proxy.fail_next(fault)
    assert isinstance(send(twilio_at(proxy.url)), OutcomeUnknown)
    assert (len(proxy.requests()), len(double.messages())) == (1, accepted)


def test_connections_are_not_reused(proxy: Proxy, double: TwilioDouble) -> None:
    """A thawed container has connections that Twilio closed long ago: the first request over one fails."""
    proxy.fail_while(lambda request: request.reused, Fault.RESET_BEFORE)
    transport = twilio_at(proxy.url)
    for _ in range(2):
        transport.send(TEXT, to="+919812345678", delivery_id=ID)
    assert (len(proxy.requests()), len(double.messages())) == (2, 2)


def offer_untrusted_certificate(peer: socket.socket) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    tls.wrap_socket(peer, server_side=True)


def reset(peer: socket.socket) -> None:
    peer.recv(1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stay_silent(peer: socket.socket) -> None:
    while peer.recv(1024):
        pass


@pytest.mark.parametrize(
    "handshake",
    [offer_untrusted_certificate, reset, stay_silent, socket.socket.close, lambda peer: peer.sendall(b"HTTP/1.1 400\r\n")],
)
def test_nothing_is_sent_before_the_handshake_completes(handshake: Callable[[socket.socket], object]) -> None:
    with listening(handshake) as port:
        assert meaning_of(send(twilio_at(f"https://127.0.0.1:{port}"))) == (Reason.UNREACHABLE, False, False)


def test_wrong_token_is_reported_without_the_token(twilio: Twilio) -> None:
    twilio._token = "other-token"
    error = send(twilio)
    assert meaning_of(error) == (Reason.AUTH, True, False)
    assert "other-token" not in str(error)


def test_unreachable_twilio_has_certainly_not_accepted() -> None:
    assert meaning_of(send(twilio_at(f"http://127.0.0.1:{free_port()}"))) == (Reason.UNREACHABLE, False, False)


def test_concurrent_first_sends_all_reach_the_base_url(double: TwilioDouble, url: str) -> None:
    with ThreadPoolExecutor(max_workers=8) as pool:
        for _ in range(5):
            send = twilio_at(url).send
            sending = [pool.submit(send, TEXT, to="+919812345678", delivery_id=ID) for _ in range(8)]
            assert all(future.result() for future in sending)
    assert len(double.messages()) == 40
