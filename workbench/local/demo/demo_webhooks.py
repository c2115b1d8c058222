"""Sends sample messages to Slack, Microsoft Teams and Discord, so that the inbox shows how they look there.

The shipped settings have no webhooks, and a deployment must not get any from the demo. So this process has a bot of its own, with
three webhooks more, and sends with the real channel to the doubles. The ledger does not get the samples: its log would name
webhooks that the settings do not have.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from secrets import token_hex
from typing import Any

from msgspec.structs import replace

from chalicelib.bot.assembly import make_bot
from chalicelib.channels.webhook.formats import FORMATS
from chalicelib.domain.delivery import DeliveryError
from chalicelib.domain.people import Channel, Person
from chalicelib.domain.settings import Settings, WebhookSettings
from chalicelib.platform.clock import utc_now

from ...samples.incidents import sample_incidents
from ...samples.uploads import sample_events
from ..webhooks.double import secrets_of

SERVICES = ("discord", "teams", "slack")  # the inbox shows the last one first


def with_webhooks(settings: Settings) -> Settings:
    """The settings, with a webhook per service."""
    webhooks = {f"demo-{name}": WebhookSettings(f"demo-{name}", name, FORMATS[name].rate) for name in SERVICES}
    people = {name: Person(name, webhook=name, timezone=settings.bot.timezone, budget=()) for name in webhooks}
    return replace(settings, webhooks=webhooks, people={**settings.people, **people})


def play_webhooks(settings: Settings, variables: Mapping[str, str], client: Callable[..., Any]) -> int:
    """Send a summary and an incident to each service; returns how many messages were sent."""
    settings = with_webhooks(settings)
    secrets = {f"DROPNOTE_SECRET_{name.upper().replace('-', '_')}": value for name, value in secrets_of(settings).items()}
    deliverer = make_bot(settings, {**variables, **secrets}, client).deliverer
    transport, sent = deliverer.open_transport(Channel.WEBHOOK), 0
    samples = (("bundle", "uploads", sample_events()["bundle"]), ("incident", "shop", sample_incidents()["incident"]))
    for template, rule, event in samples:
        for name in settings.webhooks:
            person, now = settings.people[name], replace(event, at=utc_now())
            rendered = deliverer.renderer.render(template, channel=Channel.WEBHOOK, event=now, rule=rule, person=person)
            with suppress(DeliveryError):
                transport.send(rendered.message, to=name, delivery_id=token_hex(16))
                sent += 1
    return sent
