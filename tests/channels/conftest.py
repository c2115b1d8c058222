"""Twilio for the tests, a double, also behind a proxy; and the authority of the mail servers' certificates."""

from collections.abc import Iterator

import pytest
import trustme
from flask import Flask

from chalicelib.channels.twilio import Twilio
from tests.channels.parts import ACCOUNT, twilio_at
from tests.support.serving import serving
from workbench.local.proxy.proxy import Proxy
from workbench.local.twilio.double import TwilioDouble


@pytest.fixture
def double() -> TwilioDouble:
    return TwilioDouble(ACCOUNT, "secret-token")


@pytest.fixture
def url(double: TwilioDouble) -> Iterator[str]:
    app = Flask("twilio")
    app.register_blueprint(double.blueprint)
    with serving(app) as base:
        yield base


@pytest.fixture
def twilio(url: str) -> Twilio:
    return twilio_at(url)


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with Proxy(url) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()
