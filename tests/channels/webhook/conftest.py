"""The doubles of the services, behind a real server, and a transport that sends to them."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.channels.webhook.parts import SECRETS, Sending
from tests.support.serving import serving
from workbench.local.webhooks.double import PREFIX, WebhookDouble


@pytest.fixture
def double() -> WebhookDouble:
    return WebhookDouble()


@pytest.fixture
def sending(double: WebhookDouble) -> Iterator[Sending]:
    app = Flask("webhooks")
    app.register_blueprint(double.blueprint)
    with serving(app) as url:
        yield Sending(url + PREFIX, dict(SECRETS))
