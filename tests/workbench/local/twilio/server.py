"""The Twilio double behind a real server, with a client of Twilio's own package."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.support.serving import serving
from workbench.local.twilio.double import TwilioDouble

ACCOUNT = "AC" + "0" * 31 + "1"
SERVICE = "MG" + "a" * 32
OWN = "+15005550006"
ASHA, BEN = "+919812345678", "+447700900123"


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: datetime = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


class TwilioServer:
    """The double behind a real server, and a client for it."""

    def __init__(self, double: TwilioDouble, url: str, clock: Clock) -> None:
        self.double, self.url, self.clock = double, url, clock
        self.client = self.client_with("invented-token")

    def client_with(self, token: str, account: str = ACCOUNT) -> Client:
        client = Client(account, token)
        client.api.base_url = self.url
        return client

    def send(self, **fields: Any) -> Any:
        return self.client.messages.create(**{"to": ASHA, "from_": OWN, "body": "hello", **fields})

    def rejection(self, **fields: Any) -> TwilioRestException:
        with pytest.raises(TwilioRestException) as caught:
            self.send(**fields)
        return caught.value


@contextmanager
def running_server() -> Iterator[TwilioServer]:
    """An account with one more number, at 9:30."""
    app, clock = Flask(__name__), Clock()
    double = TwilioDouble(ACCOUNT, "invented-token", numbers=["+447700900999"], clock=lambda: clock.now)
    app.register_blueprint(double.blueprint)
    with serving(app) as url:
        yield TwilioServer(double, url, clock)
