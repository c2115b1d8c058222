"""Sends sample messages to Slack, Microsoft Teams and Discord, so that the inbox shows how they look there.

The shipped settings have no webhooks, and a deployment must not get any from the demo. So this process has a bot of its own, with
three webhooks more; it sends with the real channel to the doubles, and records in the local ledger.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.bot.assembly import make_bot
from chalicelib.channels.webhook.formats import FORMATS
from chalicelib.domain.delivery import State
from chalicelib.domain.event import Event
from chalicelib.domain.message import Notice
from chalicelib.domain.people import Channel, Person, Recipient
from chalicelib.domain.settings import Settings, WebhookSettings
from chalicelib.platform.clock import utc_now

from ...samples.incidents import sample_incidents
from ...samples.uploads import sample_events
from ..webhooks.double import secrets_of

SERVICES = ("discord", "teams", "slack")  # the inbox shows the last one first
_EXPIRES = timedelta(hours=1)


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
    sent = 0
    for template, event in (("bundle", sample_events()["bundle"]), ("incident", sample_incidents()["incident"])):
        for name in settings.webhooks:
            notice = _notice(event, template, Recipient(Channel.WEBHOOK, settings.people[name]))
            sent += sum(row.state is State.SENT for row in deliverer.deliver(notice, lambda: timedelta(minutes=1)))
    return sent


def _notice(event: Event, template: str, recipient: Recipient) -> Notice:
    return Notice(replace(event, at=utc_now()), "uploads" if template == "bundle" else "shop", template, recipient, _EXPIRES)
