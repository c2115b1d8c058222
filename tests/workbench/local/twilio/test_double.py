"""The Twilio double, used with Twilio's own package: accepted texts, rejected texts and scripted faults."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from tests.workbench.local.twilio.server import ACCOUNT, ASHA, BEN, OWN, SERVICE, TwilioServer, running_server


@pytest.fixture
def server() -> Iterator[TwilioServer]:
    with running_server() as server:
        yield server


def test_response_to_a_text_is_the_complete_resource(server: TwilioServer) -> None:
    sent = server.send(body="caf\u00e9 ☕ +1 & more")
    assert (sent.to, sent.from_, sent.body) == (ASHA, OWN, "caf\u00e9 ☕ +1 & more")
    assert (sent.status, sent.direction, sent.num_media, sent.error_code) == (
        "queued",
        "outbound-api",
        "0",
        None,
    )
    assert sent.date_created == server.clock.now
    assert sent.uri == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sent.sid}.json"
    assert len(sent.sid) == 34


def test_text_is_stored_with_its_segments(server: TwilioServer) -> None:
    server.send(body="a" * 161)
    server.send(to=BEN, body="☕" * 71)
    assert [(row.to, row.num_segments, row.status) for row in server.double.messages()] == [
        (BEN, 2, "delivered"),
        (ASHA, 2, "delivered"),
    ]


def test_first_response_of_a_messaging_service_has_no_sender_yet(server: TwilioServer) -> None:
    sent = server.client.messages.create(to=ASHA, messaging_service_sid=SERVICE, body="hello")
    assert (sent.status, sent.num_segments, sent.from_) == ("accepted", "0", None)
    later = server.client.messages(sent.sid).fetch()
    assert (later.num_segments, later.from_, later.messaging_service_sid) == ("1", "+447700900999", SERVICE)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "+15005550001"}, 21211),
        ({"to": "+15005550002"}, 21612),
        ({"to": "+15005550003"}, 21408),
        ({"to": "+15005550004"}, 21610),
        ({"to": "+15005550009"}, 21614),
        ({"from_": "+15005550001"}, 21212),
        ({"from_": "+15005550007"}, 21606),
        ({"from_": "+15005550008"}, 21611),
    ],
)
def test_magic_numbers_fail_as_documented(server: TwilioServer, fields: dict[str, str], code: int) -> None:
    error = server.rejection(**fields)
    assert (error.status, error.code, error.method) == (400, code, "POST")
    assert server.double.messages() == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": ""}, 21604),
        ({"from_": ""}, 21603),
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"to": "9812345678"}, 21211),
        ({"to": "+1555"}, 21211),
        ({"to": "+91 98123 45678"}, 21211),
        ({"to": OWN}, 21266),
        ({"from_": "my shop!"}, 21212),
        ({"from_": "+447700900111"}, 21606),
        ({"messaging_service_sid": "MG1"}, 21701),
        ({"status_callback": "example.com/receipts/1"}, 21609),
        ({"status_callback": "https://my_shop.example.com/receipts/1"}, 21609),
        ({"status_callback": "https://example.com/" + "x" * 3981}, 21609),
    ],
)
def test_invalid_request_is_rejected_with_its_code(server: TwilioServer, fields: dict[str, str], code: int) -> None:
    assert server.rejection(**fields).code == code


def test_1600_characters_are_still_accepted(server: TwilioServer) -> None:
    assert server.send(body="x" * 1600).num_segments == "11"


def test_error_has_the_documented_body(server: TwilioServer) -> None:
    response = requests.post(
        f"{server.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        data={"From": OWN, "Body": "x"},
        auth=(ACCOUNT, "invented-token"),
        timeout=5,
    )
    assert response.json() == {
        "code": 21604,
        "message": "A 'To' phone number is required.",
        "more_info": "https://www.twilio.com/docs/errors/21604",
        "status": 400,
    }


@pytest.mark.parametrize(("account", "token"), [(ACCOUNT, "wrong"), ("AC" + "f" * 32, "invented-token")])
def test_wrong_login_is_rejected(server: TwilioServer, account: str, token: str) -> None:
    with pytest.raises(TwilioRestException) as caught:
        server.client_with(token, account).messages.create(to=ASHA, from_=OWN, body="hello")
    assert (caught.value.status, caught.value.code) == (401, 20003)


def test_path_of_another_account_is_rejected(server: TwilioServer) -> None:
    with pytest.raises(TwilioRestException) as caught:
        server.client.api.v2010.accounts("AC" + "e" * 32).messages.create(to=ASHA, from_=OWN, body="hello")
    assert caught.value.code == 20003


def test_unknown_message_is_not_found(server: TwilioServer) -> None:
    with pytest.raises(TwilioRestException) as caught:
        server.client.messages("SM" + "0" * 32).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_scripted_outage_affects_only_its_requests(server: TwilioServer) -> None:
    server.double.fail_next(503)
    error = server.rejection()
    assert (error.status, error.code) == (503, 20503)
    assert server.send().status == "queued"
    assert len(server.double.requests()) == 2


def test_throttled_request_has_a_retry_after_header(server: TwilioServer) -> None:
    server.double.fail_next(429, retry_after_s=7)
    assert server.rejection().code == 20429
    assert server.client.http_client._test_only_last_response.headers["Retry-After"] == "7"


def test_daily_limit_counts_the_last_24_hours(server: TwilioServer) -> None:
    server.double.daily_limit = 2
    server.send()
    server.clock.now += timedelta(hours=12)
    server.send()
    error = server.rejection()
    assert (error.status, error.code) == (429, 63038)
    server.clock.now += timedelta(hours=12)
    server.send()
    assert server.rejection().code == 63038


def test_lost_response_leaves_the_text_accepted(server: TwilioServer) -> None:
    server.double.fail_next(500, accepted=True)
    assert server.rejection().status == 500
    assert [row.body for row in server.double.messages()] == ["hello"]


def test_malformed_response_is_not_json(server: TwilioServer) -> None:
    server.double.fail_next(201, malformed=True, accepted=True)
    with pytest.raises(ValueError, match=r"line 1"):
        server.send()


def test_fault_of_reading_does_not_affect_sending(server: TwilioServer) -> None:
    server.double.fail_next(500, method="GET")
    server.send()
    with pytest.raises(Exception, match="Unable to fetch page"):
        server.client.messages.list()


def test_one_number_can_be_made_to_fail(server: TwilioServer) -> None:
    server.double.fail_to(ASHA, code=21610)
    assert server.rejection().code == 21610
    assert server.send(to=BEN).status == "queued"


def test_accepted_text_can_end_undelivered(server: TwilioServer) -> None:
    server.double.undeliver_to(ASHA, code=30006)
    sent = server.send()
    later = sent.fetch()
    assert (sent.status, later.status, later.error_code) == ("queued", "undelivered", 30006)


def test_reset_forgets_texts_and_faults(server: TwilioServer) -> None:
    server.send()
    server.double.fail_to(ASHA, code=21610)
    server.double.fail_next()
    server.double.reset()
    assert server.double.messages() == []
    server.send()
    assert len(server.double.requests()) == 1
