"""The bindings of app.py, called through Chalice's test client: payloads in, messages out."""

import gc
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from chalice.test import Client
from msgspec.structs import replace
from twilio.request_validator import RequestValidator

from chalicelib.channels.transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S
from chalicelib.channels.twilio import TIMEOUT_S
from chalicelib.delivery.deliver import SEND_RESERVE
from chalicelib.delivery.pacing.queue_sweep import SWEEP_TIME
from chalicelib.delivery.record import LEASE
from chalicelib.domain.settings import Settings
from chalicelib.platform.function_names import function_name, stream_variable
from chalicelib.platform.secrets import Secrets
from tests.support.builders import ENVIRON, NOON
from tests.support.mail_events import TOPIC, from_sns, mail_event
from tests.support.payloads import TEST_EVENT, bus_event, s3_notification, s3_record
from tests.support.stages import Stage, plenty, real_stage
from tests.support.stream_records import record
from tests.support.streams import batch, sent_records
from workbench.deployment.config import read_stage, stages
from workbench.local.ministack import MiniStack
from workbench.paths import PROJECT

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/dropnote-prod-ledger/stream/2026-03-02T00:00:00.000"

ITEMS_STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-03-02T12:00:00.000"


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    """The app, loaded with a stage's environment as in Lambda."""
    before = dict(os.environ)
    streams = {"DROPNOTE_STREAM": STREAM, stream_variable("orders"): ITEMS_STREAM}
    os.environ.update(ENVIRON, UPLOAD_QUEUE="dropnote-uploads", DROPNOTE_MAIL_EVENTS=TOPIC, **streams)
    import app

    yield app
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def stage(ministack: MiniStack, app: Any) -> Iterator[Stage]:
    settings: Settings = app.settings
    stage = real_stage(ministack, settings)
    secrets = {"DROPNOTE_SECRET_PUBLIC_URL": "https://abc.example.com/api", "DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": "secret-token"}
    stage.bot.secrets = Secrets(lambda: None, "", secrets, stage.clock)
    real, app.bot, app.time_left = (app.bot, app.time_left), lambda: stage.bot, lambda context: plenty
    yield stage  # Chalice's test client gives an invocation 3 s: too short to send
    app.bot, app.time_left = real


def test_collections_resume_after_the_start_and_leave_its_objects_alone(app: Any) -> None:
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_every_handler_is_bound_and_each_bucket_has_one(app: Any) -> None:
    pages = {entry.view_function.__name__ for methods in app.app.routes.values() for entry in methods.values()}
    assert set(app.app.handler_map) - pages == {
        "upload_acme_drops", "upload_events", "upload_queue", "bus", "items_orders", "count", "sweep", "watch", "send",
        "watch_now", "digest_now", "test", "resend", "redrive", "mail_events",
    }  # fmt: skip
    assert app.settings.buckets == ("acme-drops",)


def test_upload_reported_by_s3_and_eventbridge_sends_once(app: Any, stage: Stage) -> None:
    with Client(app.app, stage_name="prod") as client:
        client.lambda_.invoke("upload_acme_drops", s3_notification(s3_record("in/a+b c.txt")))
        client.lambda_.invoke("upload_events", bus_event("in/a+b c.txt"))
    assert [channel for channel, _, _ in stage.sent] == ["email", "sms"]
    assert "a+b c.txt" in stage.sent[1][2].text


def test_malformed_message_does_not_fail_the_others_of_its_queue(app: Any, stage: Stage) -> None:
    with Client(app.app) as client:
        event = client.events.generate_sqs_event([json.dumps(s3_notification(s3_record("in/a.txt"))), "poison"])
        assert client.lambda_.invoke("upload_queue", event).payload == {"batchItemFailures": []}
    assert stage.states() == {"email": "sent", "sms": "sent"}


def test_ledger_stream_is_counted(app: Any, stage: Stage, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"DROPNOTE_COUNTERS": "dropnote-prod-counters"}
    monkeypatch.setattr(stage.bot, "_environ", environ)
    monkeypatch.setattr(stage.bot, "_clients", lambda service, config: ministack.client(service))
    with Client(app.app) as client:
        assert client.lambda_.invoke("count", batch(*sent_records(2))).payload == {"batchItemFailures": []}
        assert client.lambda_.invoke("count", {"odd": 1}).payload == {"batchItemFailures": []}
    assert stage.bot._delivery_counter.counters.sent_by_hour("asha", NOON, NOON + timedelta(hours=1)) == {NOON: 2}


def test_changed_item_sends_a_message(app: Any, stage: Stage, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"DROPNOTE_COUNTERS": "dropnote-prod-counters"}
    monkeypatch.setattr(stage.bot, "_environ", environ)
    monkeypatch.setattr(stage.bot, "_clients", lambda service, config: ministack.client(service))
    rejected = {"id": "17", "status": "rejected"}
    with Client(app.app) as client:
        for payload in ({"Records": [record(rejected, {**rejected, "status": "paid"})]}, {"odd": 1}):
            assert client.lambda_.invoke("items_orders", payload).payload == {"batchItemFailures": []}
    assert "Order 17 is rejected" in [message.subject for _, _, message in stage.sent]


@pytest.mark.parametrize("payload", [TEST_EVENT, {}, {"Records": [{"odd": 1}]}])
def test_malformed_payloads_do_not_fail_the_function(app: Any, stage: Stage, payload: Any) -> None:
    with Client(app.app) as client:
        for function in ("upload_acme_drops", "upload_events"):
            client.lambda_.invoke(function, payload)


def test_sweep_accepts_an_empty_event(app: Any, stage: Stage) -> None:
    with Client(app.app) as client:
        assert client.lambda_.invoke("sweep", {}).payload == {"swept": 0}


def test_watch_accepts_an_empty_event_without_a_function_name(app: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.deliverer, "settings", replace(app.settings, monitors=()))  # the shipped ones check servers outside
    monkeypatch.setattr("chalicelib.health.check.HealthCheck.run_hourly", lambda watch, arn, time_left: [arn])
    with Client(app.app) as client:
        assert client.lambda_.invoke("watch", {}).payload == {"looked": 0, "told": 0, "left": 0, "troubles": 1}


def test_test_function_returns_deliveries_or_a_suggestion(app: Any, stage: Stage) -> None:
    with Client(app.app) as client:
        deliveries = client.lambda_.invoke("test", {"to": "ben"}).payload["deliveries"]
        assert [(delivery["person"], delivery["state"]) for delivery in deliveries] == [("ben", "sent")]
        assert "did you mean 'ben'" in client.lambda_.invoke("test", {"to": "bne"}).payload["error"]
        assert "pass the recipient" in client.lambda_.invoke("test", None).payload["error"]


def test_each_task_has_a_function(app: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.deliverer, "settings", replace(app.settings, monitors=()))  # the shipped ones check servers outside
    with Client(app.app) as client:
        (delivery,) = client.lambda_.invoke("send", {"to": ["email:ben"], "words": {"title": "Tonight"}}).payload["deliveries"]
        assert (delivery["person"], delivery["state"]) == ("ben", "sent")
        assert client.lambda_.invoke("watch_now", {}).payload["monitors"] == []
        assert client.lambda_.invoke("digest_now", {"who": "ben"}).payload["says"] == "nothing is deferred for ben"
    assert [message.subject for _, _, message in stage.sent] == ["Tonight"]


@pytest.mark.parametrize("function", ["send", "watch_now", "digest_now"])
@pytest.mark.parametrize("payload", [[], "text", 1, {"odd": {"odd": None}}, {"to": {}, "monitor": [], "who": 1}])
def test_task_with_invalid_input_returns_an_error_of_one_line(app: Any, stage: Stage, function: str, payload: Any) -> None:
    with Client(app.app) as client:
        result = client.lambda_.invoke(function, payload).payload
    assert list(result) == ["error"]
    assert "\n" not in result["error"]
    assert stage.sent == []


def test_repeated_request_sends_once(app: Any, stage: Stage) -> None:
    context = SimpleNamespace(aws_request_id="1")
    for _ in range(2):
        app.test({"to": "ben"}, context)
        app.send({"to": ["ben"], "words": {"text": "hello"}}, context)
    assert len(stage.sent) == 2


def test_health_route(app: Any) -> None:
    with Client(app.app) as client:
        response = client.http.get("/health")
    assert (response.status_code, response.json_body["status"]) == (200, "ok")


def test_receipt_without_a_signature_is_rejected(app: Any, stage: Stage) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with Client(app.app) as client:
        response = client.http.post("/receipts/twilio/abc", headers=headers, body=b"MessageSid=SM1&MessageStatus=delivered")
        reply = client.http.post("/replies/twilio", headers=headers, body=b"MessageSid=SM1&From=%2B919812345678&Body=stop")
    assert (response.status_code, reply.status_code) == (403, 403)


def test_signed_text_is_answered_by_a_text_of_its_own(app: Any, stage: Stage) -> None:
    body = {"MessageSid": "SM1", "AccountSid": ENVIRON["TWILIO_ACCOUNT_SID"], "To": "+15005550006", "Body": "help"}
    body["From"] = app.settings.people["asha"].sms
    signature = RequestValidator("secret-token").compute_signature("https://abc.example.com/api/replies/twilio", body)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
    with Client(app.app) as client:
        for _ in range(2):
            response = client.http.post("/replies/twilio", headers=headers, body=urlencode(body).encode())
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/xml")
    assert response.body == b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
    assert [(to, "MUTE" in message.text) for _, to, message in stage.sent] == [(body["From"], True)]


def test_event_of_ses_reaches_the_row_of_its_mail(app: Any, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.bot, "_environ", {"DROPNOTE_MAIL_EVENTS": TOPIC})
    with Client(app.app) as client:
        client.lambda_.invoke("upload_acme_drops", s3_notification(s3_record("in/a.txt")))
        client.lambda_.invoke("mail_events", from_sns(mail_event("Bounce", stage.rows()["email"].id)))
        client.lambda_.invoke("mail_events", {"odd": 1})
    assert stage.states()["email"] == "undelivered"


def test_lease_is_longer_than_an_invocation_and_the_reserve_longer_than_a_send() -> None:
    timeout = timedelta(seconds=read_stage(PROJECT, "prod")["lambda_timeout"])
    assert timeout * 2 <= LEASE
    for stage in stages(PROJECT):
        sweep = timedelta(seconds=read_stage(PROJECT, stage)["lambda_functions"]["sweep"]["lambda_timeout"])
        assert SWEEP_TIME + SEND_RESERVE < sweep < LEASE
    slowest = max(CONNECT_TIMEOUT_S + READ_TIMEOUT_S, 2 * TIMEOUT_S)
    assert timedelta(seconds=slowest) < SEND_RESERVE < timeout


def test_function_names_are_stable_and_short() -> None:
    assert function_name("upload", "acme-drops.example") == "upload_acme_dropsDexample"
    long = [function_name("upload", "b" * 60 + end) for end in ("-a", "-b")]
    assert len(set(long)) == 2
    assert all(len(name) <= 48 for name in long)


def test_requests_to_one_container_share_its_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps clients, SNS's certificates and the dashboard's hours."""
    made: list[object] = []

    def make(bot: object, environ: object) -> SimpleNamespace:
        made.append(bot)
        return SimpleNamespace()

    monkeypatch.setattr("chalicelib.bot.assembly.make_console", make)
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    spec = spec_from_file_location("app_of_a_container", PROJECT / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    with Client(module.app) as client:
        bot = object()
        module.bot = lambda: bot
        assert [client.http.get("/static/console.css").status_code for _ in range(2)] == [200, 200]
    assert made == [bot]
