"""Shared by the inbox tests: a fake of MiniStack's mail list, and the inbox with doubles."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask, Response, jsonify

from chalicelib.channels.webhook.connection import Response as Reply
from chalicelib.channels.webhook.formats import Request
from chalicelib.channels.webhook.webhook import Webhook
from chalicelib.domain.message import Message
from chalicelib.domain.settings import WebhookSettings
from chalicelib.platform.clock import Clock, utc_now
from tests.support.serving import serving
from workbench.local.local_server import create_app
from workbench.local.twilio.double import TwilioDouble
from workbench.local.webhooks.double import KEY, PREFIX, URLS, WebhookDouble

ACCOUNT, TOKEN = "AC" + "0" * 31 + "1", "invented-token"
ASHA = "+919812345678"


@dataclass
class MailList:
    """A fake of MiniStack's list of mails. If `broken`, it returns something else."""

    accounts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    broken: bool = False

    def add(self, subject: str = "hello", *, account: str = "000000000000", **fields: Any) -> None:
        count = sum(map(len, self.accounts.values()))
        mail = {
            "MessageId": f"mail-{count}@email.amazonses.com",
            "Source": "Acme drops <drops@example.com>",
            "To": ["asha@example.com"],
            "CC": [],
            "BCC": [],
            "Subject": subject,
            "BodyText": "plain words",
            "BodyHtml": "<p>rendered words</p>",
            "Timestamp": 1_795_426_200.5 + count,
            "Type": "v2.SendEmail",
        }
        self.accounts.setdefault(account, []).append({**mail, **fields})

    def app(self) -> Flask:
        app = Flask("mail-list")

        @app.get("/_ministack/ses/messages")
        def messages() -> Response:
            return Response("<h1>oops</h1>") if self.broken else jsonify({"messages": self.accounts})

        return app


@dataclass
class InboxApp:
    """The inbox and its two sources of messages."""

    app: Flask
    twilio: TwilioDouble
    mails: MailList
    webhooks: WebhookDouble

    def chat(self, service: str, message: Message) -> None:
        """Send a message to a webhook as its channel does."""
        client = self.app.test_client()

        def post(request: Request, **_: object) -> Reply:
            response = client.post(request.url.removeprefix("http://x"), data=request.body, headers=dict(request.headers))
            return Reply(response.status_code, response.get_data())

        webhook = WebhookSettings(service, service, 1.0)
        secrets = dict(zip(webhook.secrets, (URLS[service], KEY), strict=False))
        Webhook({service: webhook}, secrets.__getitem__, f"http://x{PREFIX}", poster=post).send(
            message, to=service, delivery_id=service
        )

    def text(self, body: str, to: str = ASHA) -> None:
        """Send a text as a Twilio client does."""
        form = {"To": to, "From": "+15005550006", "Body": body}
        path = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        response = self.app.test_client().post(path, data=form, auth=(ACCOUNT, TOKEN))
        assert response.status_code == 201, response.text


@contextmanager
def make_inbox(clock: Clock = utc_now) -> Iterator[InboxApp]:
    """The local server with its inbox, whose messages arrive at the time of `clock`."""
    mails, twilio, webhooks = MailList(), TwilioDouble(ACCOUNT, TOKEN, clock=clock), WebhookDouble(clock)
    with serving(mails.app()) as endpoint:
        people = {ASHA: "asha", "asha@example.com": "asha"}
        yield InboxApp(create_app(twilio, endpoint, people=people, webhooks=webhooks), twilio, mails, webhooks)


@pytest.fixture
def inbox() -> Iterator[InboxApp]:
    with make_inbox() as inbox:
        yield inbox
