"""More services through the real package Apprise, which sends to a server of ours over its json:// and form:// plugins."""

import builtins
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, Response, request

from chalicelib.channels.webhook import by_apprise
from chalicelib.channels.webhook.webhook import Webhook
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from chalicelib.domain.settings import WebhookSettings
from tests.channels.parts import ID, meaning_of
from tests.channels.webhook.parts import render
from tests.support.serving import serving


class Service:
    """A service that Apprise knows: it answers with `status`."""

    def __init__(self) -> None:
        self.status, self.received, self.url = 200, list[Any](), ""

    def send(self, url: str = "") -> str:
        webhook = WebhookSettings("pager", "apprise", 1.0)
        return Webhook({"pager": webhook}, lambda name: url or self.url).send(render(), to="pager", delivery_id=ID).id

    def refusal(self, url: str = "") -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            self.send(url)
        assert "hidden-token" not in str(caught.value)
        return caught.value


@pytest.fixture
def service() -> Iterator[Service]:
    app, service = Flask("apprise"), Service()

    @app.post("/hidden-token")
    def receive() -> Response:
        service.received.append(json.loads(request.get_data()))
        return Response(status=service.status)

    with serving(app) as url:
        service.url = url.replace("http://", "json://") + "/hidden-token"
        yield service


def test_message_arrives_with_title_facts_and_kind(service: Service) -> None:
    assert service.send() == ID
    (body,) = service.received
    assert (body["title"], body["type"]) == ("report.pdf arrived (1.2 KB)", "info")
    assert "Bucket: acme-drops\n" in body["message"]


def test_failure_leaves_the_outcome_unknown_and_is_not_repeated(service: Service) -> None:
    service.status = 503
    assert isinstance(service.refusal(), OutcomeUnknown)
    assert len(service.received) == 1


@pytest.mark.parametrize("url", ["json://", "nothing://hidden-token"])
def test_url_that_apprise_does_not_know_is_an_error_without_the_url(service: Service, url: str) -> None:
    assert meaning_of(service.refusal(url)) == (Reason.ACCOUNT, True, False)


def test_url_of_nothing_is_an_error_before_apprise_is_imported(service: Service) -> None:
    assert "is not a URL of Apprise" in str(service.refusal("hidden-token"))


def test_missing_package_is_an_error_with_the_next_step(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without_apprise(name: str, *args: Any, **named: Any) -> Any:
        if name == "apprise":
            raise ModuleNotFoundError(name)
        return original(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without_apprise)
    error = service.refusal()
    assert meaning_of(error) == (Reason.ACCOUNT, True, False)
    assert "add it to requirements.txt as docs/channels.md shows" in str(error)


def test_plugins_never_sleep_and_log_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError(seconds)

    monkeypatch.setattr("apprise.url.time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.request_rate_per_sec", 5.5)
    caplog.set_level(logging.DEBUG)
    for _ in range(3):
        service.send()
    service.status = 500
    service.refusal()
    assert "hidden-token" not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("apprise"))


def test_plugin_that_sends_two_requests_is_not_slowed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    import apprise

    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.request_rate_per_sec", 5.5)
    client = apprise.Apprise()
    client.add("json://localhost/x")
    slept: list[float] = []
    monkeypatch.setattr("apprise.url.time", SimpleNamespace(sleep=slept.append))
    plugin: Any = next(iter(client))
    for _ in range(2):
        plugin.throttle()
    assert len(slept) == 1  # Apprise's own way
    by_apprise._never_sleep(plugin)
    plugin.throttle()
    assert len(slept) == 1
