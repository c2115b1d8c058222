"""The Twilio double, driven by Twilio's own package: what it takes, what it refuses, the faults it is told to have."""

from collections.abc import Iterator

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from tests.workbench.local.twilio.server import ACCOUNT, ASHA, BEN, OWN, SERVICE, Desk, running_desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with running_desk() as desk:
        yield desk


def test_a_text_is_answered_with_the_whole_resource(desk: Desk) -> None:
    sent = desk.send(body="caf\u00e9 ☕ +1 & more")
    assert (sent.to, sent.from_, sent.body) == (ASHA, OWN, "caf\u00e9 ☕ +1 & more")
    assert (sent.status, sent.direction, sent.num_media, sent.error_code) == (
        "queued",
        "outbound-api",
        "0",
        None,
    )
    assert sent.date_created == desk.clock.now
    assert sent.uri == f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sent.sid}.json"
    assert len(sent.sid) == 34


def test_a_text_is_kept_with_its_segments(desk: Desk) -> None:
    desk.send(body="a" * 161)
    desk.send(to=BEN, body="☕" * 71)
    assert [(row.to, row.num_segments, row.status) for row in desk.double.messages()] == [
        (BEN, 2, "delivered"),
        (ASHA, 2, "delivered"),
    ]


def test_a_messaging_service_has_no_sender_yet_in_its_first_answer(desk: Desk) -> None:
    sent = desk.client.messages.create(to=ASHA, messaging_service_sid=SERVICE, body="hello")
    assert (sent.status, sent.num_segments, sent.from_) == ("accepted", "0", None)
    later = desk.client.messages(sent.sid).fetch()
    assert (later.num_segments, later.from_, later.messaging_service_sid) == ("1", "+447700900999", SERVICE)


@pytest.mark.parametrize(
    ("given", "code"),
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
def test_the_magic_numbers_fail_as_documented(desk: Desk, given: dict[str, str], code: int) -> None:
    error = desk.refusal(**given)
    assert (error.status, error.code, error.method) == (400, code, "POST")
    assert desk.double.messages() == []


@pytest.mark.parametrize(
    ("given", "code"),
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
    ],
)
def test_a_bad_request_is_refused_with_its_code(desk: Desk, given: dict[str, str], code: int) -> None:
    assert desk.refusal(**given).code == code


def test_1600_characters_are_still_taken(desk: Desk) -> None:
    assert desk.send(body="x" * 1600).num_segments == "11"


def test_an_error_has_the_documented_body(desk: Desk) -> None:
    answer = requests.post(
        f"{desk.url}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
        data={"From": OWN, "Body": "x"},
        auth=(ACCOUNT, "invented-token"),
        timeout=5,
    )
    assert answer.json() == {
        "code": 21604,
        "message": "A 'To' phone number is required.",
        "more_info": "https://www.twilio.com/docs/errors/21604",
        "status": 400,
    }


@pytest.mark.parametrize(("account", "token"), [(ACCOUNT, "wrong"), ("AC" + "f" * 32, "invented-token")])
def test_a_wrong_login_is_refused(desk: Desk, account: str, token: str) -> None:
    with pytest.raises(TwilioRestException) as caught:
        desk.client_with(token, account).messages.create(to=ASHA, from_=OWN, body="hello")
    assert (caught.value.status, caught.value.code) == (401, 20003)


def test_a_login_for_another_account_in_the_path_is_refused(desk: Desk) -> None:
    with pytest.raises(TwilioRestException) as caught:
        desk.client.api.v2010.accounts("AC" + "e" * 32).messages.create(to=ASHA, from_=OWN, body="hello")
    assert caught.value.code == 20003


def test_an_unknown_message_is_not_found(desk: Desk) -> None:
    with pytest.raises(TwilioRestException) as caught:
        desk.client.messages("SM" + "0" * 32).fetch()
    assert (caught.value.status, caught.value.code) == (404, 20404)


def test_an_outage_hits_only_the_requests_it_was_scripted_for(desk: Desk) -> None:
    desk.double.fail_next(503)
    error = desk.refusal()
    assert (error.status, error.code) == (503, 20503)
    assert desk.send().status == "queued"
    assert len(desk.double.requests()) == 2


def test_a_throttled_request_says_when_to_come_back(desk: Desk) -> None:
    desk.double.fail_next(429, retry_after_s=7)
    assert desk.refusal().code == 20429
    assert desk.client.http_client._test_only_last_response.headers["Retry-After"] == "7"


def test_a_lost_answer_leaves_the_text_taken(desk: Desk) -> None:
    desk.double.fail_next(500, accepted=True)
    assert desk.refusal().status == 500
    assert [row.body for row in desk.double.messages()] == ["hello"]


def test_a_malformed_answer_is_no_json(desk: Desk) -> None:
    desk.double.fail_next(201, malformed=True, accepted=True)
    with pytest.raises(ValueError, match=r"line 1"):
        desk.send()


def test_a_fault_for_reading_leaves_sending_alone(desk: Desk) -> None:
    desk.double.fail_next(500, method="GET")
    desk.send()
    with pytest.raises(Exception, match="Unable to fetch page"):
        desk.client.messages.list()


def test_one_number_can_be_made_to_fail(desk: Desk) -> None:
    desk.double.fail_to(ASHA, code=21610)
    assert desk.refusal().code == 21610
    assert desk.send(to=BEN).status == "queued"


def test_a_taken_text_can_end_undelivered(desk: Desk) -> None:
    desk.double.undeliver_to(ASHA, code=30006)
    sent = desk.send()
    later = sent.fetch()
    assert (sent.status, later.status, later.error_code) == ("queued", "undelivered", 30006)


def test_a_reset_forgets_texts_and_faults(desk: Desk) -> None:
    desk.send()
    desk.double.fail_to(ASHA, code=21610)
    desk.double.fail_next()
    desk.double.reset()
    assert desk.double.messages() == []
    desk.send()
    assert len(desk.double.requests()) == 1
