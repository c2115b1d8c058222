"""SES's reports over HTTPS, through the route: what SNS signed counts, and nothing else changes anything."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from chalice.app import Chalice
from chalice.test import Client, HTTPResponse

from chalicelib.console.parts import Console
from chalicelib.console.routes import register
from chalicelib.delivery.feedback.opt_outs import key_of
from chalicelib.domain.people import Channel, Recipient
from chalicelib.platform.secrets import Secrets
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.log_scan import LogLines
from tests.support.mail_events import VALIDATION, mail_event
from tests.support.sns import TOPIC, SnsServer, certificate, confirmation, key, notification, signed, sns_server
from tests.support.stages import Stage, memory_stage

WITH_TOPIC = some_settings(**{"[email]\n": f'[email]\nregion = "us-west-2"\nevents_topic = "{TOPIC}"\n'})


@dataclass
class Route:
    """The app with the route, its stage and SNS."""

    stage: Stage
    sns: SnsServer
    app: Chalice

    def post(self, body: bytes, content_type: str = "text/plain; charset=UTF-8", **headers: str) -> HTTPResponse:
        headers = {"Content-Type": content_type, "Host": "abc.execute-api.eu-west-1.amazonaws.com", **headers}
        with Client(self.app) as client:
            return client.http.request("POST", "/receipts/ses", headers=headers, body=body)

    def report(self, type_: str = "Bounce", **changes: Any) -> bytes:
        """The body of a report about the newest mail."""
        row = self.stage.rows()["email"]
        return signed(notification(json.dumps(mail_event(type_, row.id, row.receipt)), **{"at": self.stage.now, **changes}))

    @property
    def state(self) -> tuple[str, str]:
        """The mail's state, and why its address is suppressed."""
        asha = Recipient(Channel.EMAIL, self.stage.settings.people["asha"])
        address = self.stage.deliverer.control.fresh().suppressed.get(key_of(self.stage.deliverer, asha))
        return self.stage.states()["email"], address.reason.value if address else ""


@pytest.fixture
def route() -> Iterator[Route]:
    """A stage whose mail was accepted."""
    stage = memory_stage(WITH_TOPIC)
    stage.take(an_upload())
    with sns_server() as sns:
        console = Console(stage.bot.intake, Secrets(lambda: None, "", {}, stage.clock), stage.clients, fetch=sns.fetch)
        app = Chalice("dropnote")
        register(app, stage.settings, lambda: console)
        yield Route(stage, sns, app)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("content_type", ["text/plain; charset=UTF-8", "application/json"])
def test_signed_bounce_suppresses_the_address(route: Route, content_type: str, version: str) -> None:
    response = route.post(route.report(SignatureVersion=version), content_type)
    assert (response.status_code, response.body) == (204, b"")
    assert route.state == ("undelivered", "bad-address")


def test_report_without_a_subject_counts(route: Route) -> None:
    assert route.post(route.report("Delivery", Subject=None)).status_code == 204
    assert route.state == ("delivered", "")


def test_same_report_changes_nothing_the_second_time(route: Route) -> None:
    body = route.report()
    for _ in range(2):
        assert route.post(body).status_code == 204
    assert route.stage.states("trouble") == {"email": "sent"}
    assert len([to for to in route.stage.addresses() if to == "ben@example.com"]) == 1


def test_complaint_opts_out_and_text_to_validate_the_topic_changes_nothing(route: Route) -> None:
    assert route.post(signed(notification(VALIDATION))).status_code == 204
    assert route.state == ("sent", "")
    assert route.post(route.report("Complaint")).status_code == 204
    assert route.state == ("delivered", "opted-out")


def forgeries(route: Route) -> dict[str, bytes]:
    genuine = json.loads(route.report())
    other = TOPIC.replace("123456789012", "999999999999")
    return {
        "another key": signed({name: text for name, text in genuine.items() if name != "Signature"}, key(number=1)),
        "no real signature": json.dumps(genuine | {"Signature": "QQ=="}).encode(),
        "altered": json.dumps(genuine | {"Message": genuine["Message"].replace("Permanent", "Transient")}).encode(),
        "altered topic": json.dumps(genuine | {"TopicArn": other}).encode(),
        "signed for another topic": route.report(TopicArn=other),
        "another topic's message renamed": json.dumps(json.loads(route.report(TopicArn=other)) | {"TopicArn": TOPIC}).encode(),
        "version changed": json.dumps(genuine | {"SignatureVersion": "2"}).encode(),
        "too old": route.report(at=route.stage.now - timedelta(hours=3)),
        "from the future": route.report(at=route.stage.now + timedelta(hours=1)),
        "another host": route.report(SigningCertURL="https://sns.us-west-2.amazonaws.com.evil.example/x.pem"),
    }


def test_forged_reports_get_403_and_no_information(route: Route, caplog: pytest.LogCaptureFixture, logged: LogLines) -> None:
    for name, body in forgeries(route).items():
        response = route.post(body)
        assert (response.status_code, response.body) == (403, b""), name
        assert route.state == ("sent", ""), name
    assert len(route.sns.requested) == 1
    assert "recipient@example.com" not in caplog.text + logged.text
    assert "evil.example" not in caplog.text + logged.text
    assert route.post(route.report()).status_code == 204, "the genuine one"


def test_nothing_is_fetched_for_a_message_of_another_topic(route: Route) -> None:
    assert route.post(route.report(TopicArn=TOPIC + "-2")).status_code == 403
    assert route.sns.requested == []


def test_expired_certificate_is_refused(route: Route) -> None:
    route.sns.pem = certificate(starts=NOON - timedelta(days=400))
    assert (route.post(route.report()).status_code, route.state) == (403, ("sent", ""))


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff", b"x" * 600_000, b'{"Type": "Notification"}'])
def test_malformed_body_gets_400(route: Route, body: bytes) -> None:
    response = route.post(body)
    assert (response.status_code, response.body) == (400, b"")


def test_sns_repeats_a_report_whose_certificate_could_not_be_read(route: Route) -> None:
    route.sns.status = 500
    assert (route.post(route.report()).status_code, route.state) == (503, ("sent", ""))
    route.sns.status = 200
    assert (route.post(route.report()).status_code, route.state[0]) == (204, "undelivered")


def test_other_content_types_and_other_sites_are_refused(route: Route) -> None:
    assert route.post(route.report(), "application/x-www-form-urlencoded").status_code == 415
    assert route.post(route.report(), Origin="https://evil.example").status_code == 403
    assert route.state == ("sent", "")


def confirmed(route: Route) -> list[str]:
    return [url for url in route.sns.requested if "ConfirmSubscription" in url]


@pytest.mark.parametrize("version", ["1", "2"])
def test_subscription_to_our_topic_is_confirmed(route: Route, version: str) -> None:
    message = confirmation(at=route.stage.now, SignatureVersion=version)
    assert route.post(signed(message)).status_code == 204
    assert confirmed(route) == [message["SubscribeURL"]]


def test_subscription_is_confirmed_again_if_sns_failed(route: Route) -> None:
    body = signed(confirmation())
    assert route.post(route.report("Delivery")).status_code == 204  # now the certificate is known
    route.sns.status = 500
    assert route.post(body).status_code == 503
    route.sns.status = 200
    assert (route.post(body).status_code, len(confirmed(route))) == (204, 2)


def test_no_other_subscription_is_confirmed(route: Route) -> None:
    now, elsewhere = route.stage.now, "https://evil.example/?Action=ConfirmSubscription"
    genuine = json.loads(signed(confirmation(at=now)))
    bodies = {
        "another topic": signed(confirmation(at=now, TopicArn=TOPIC + "-2")),
        "another key": signed(confirmation(at=now), key(number=1)),
        "signed, but it leads elsewhere": signed(confirmation(at=now, SubscribeURL=elsewhere)),
        "altered address": json.dumps(genuine | {"SubscribeURL": elsewhere}).encode(),
        "another token": json.dumps(genuine | {"Token": "1"}).encode(),
        "as a notification": json.dumps(genuine | {"Type": "Notification"}).encode(),
    }
    for name, body in bodies.items():
        assert route.post(body).status_code == 403, name
    assert confirmed(route) == []


def test_replayed_confirmation_is_refused_after_an_hour(route: Route) -> None:
    body = signed(confirmation(at=route.stage.now))
    assert route.post(body).status_code == 204
    route.stage.later(minutes=61)
    assert (route.post(body).status_code, len(confirmed(route))) == (403, 1)


def test_redirect_of_a_confirmation_is_not_followed(route: Route) -> None:
    assert route.post(route.report("Delivery")).status_code == 204
    with sns_server() as other:
        route.sns.elsewhere = other.url
        assert route.post(signed(confirmation())).status_code == 503


def test_end_of_the_subscription_is_logged_and_not_undone(route: Route, logged: LogLines) -> None:
    assert route.post(signed(confirmation("UnsubscribeConfirmation"))).status_code == 204
    assert confirmed(route) == []
    assert "mail-events-unsubscribed" in logged.text


def test_route_exists_only_if_the_settings_name_a_topic() -> None:
    app, stage = Chalice("dropnote"), memory_stage()
    register(app, stage.settings, lambda: Console(stage.bot.intake, Secrets(lambda: None, "", {}, stage.clock), stage.clients))
    assert "/receipts/ses" not in app.routes
