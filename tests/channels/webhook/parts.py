"""Webhooks, their secrets, and messages for the tests of their channel."""

from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.channels.webhook.formats import FORMATS
from chalicelib.channels.webhook.webhook import Webhook
from chalicelib.domain.delivery import DeliveryError, Receipt
from chalicelib.domain.event import Event
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel, Person
from chalicelib.domain.settings import WebhookSettings
from chalicelib.rendering.renderer import Renderer
from tests.channels.parts import ID
from tests.support.builders import an_upload, some_settings
from workbench.local.webhooks.double import KEY, URLS

SERVICES = ("slack", "teams", "discord", "json")
FORUM = "https://discord.com/api/webhooks/118450000000000009/" + "x" * 68
SECRETS = {f"webhook-{name}": url for name, url in URLS.items()} | {"webhook-json-key": KEY, "webhook-forum": FORUM}
WEBHOOKS = {name: WebhookSettings(name, name, FORMATS[name].rate) for name in SERVICES} | {
    "forum": WebhookSettings("forum", "discord", 2.5, forum=True)
}
OPS = Person("ops-room", webhook="ops-room", timezone="Asia/Kolkata")


def render(event: Event | None = None, template: str = "upload", renderer: Renderer | None = None) -> Message:
    """A message to a webhook, as it is sent."""
    renderer = renderer or Renderer(some_settings(), stage="prod")
    rendered = renderer.render(template, channel=Channel.WEBHOOK, event=event or an_upload(), rule="uploads", person=OPS)
    assert not rendered.problem, rendered.problem
    return rendered.message


@dataclass
class Sending:
    """A transport to the doubles at `url`, with these secrets."""

    url: str
    secrets: dict[str, str]

    def send(self, to: str, message: Message | None = None, **options: Any) -> Receipt:
        transport = Webhook(WEBHOOKS, self.secrets.__getitem__, self.url, **options)
        return transport.send(message or render(), to=to, delivery_id=ID)

    def refusal(self, to: str, message: Message | None = None, **options: Any) -> DeliveryError:
        with pytest.raises(DeliveryError) as caught:
            self.send(to, message, **options)
        for secret in filter(str.strip, self.secrets.values()):
            assert secret not in str(caught.value)
        assert "localonly" not in str(caught.value)
        return caught.value
