"""What a service gets of a message: the JSON of the request, and what people see of it, as text."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from chalicelib.channels.webhook import by_apprise
from chalicelib.channels.webhook.formats import FORMATS, Builder, Call, module_of
from chalicelib.domain.event import Event
from chalicelib.domain.message import Card, Message
from chalicelib.domain.people import Channel, Person
from chalicelib.domain.settings import Settings, WebhookSettings
from chalicelib.rendering.renderer import Renderer

from ...local.webhooks.double import KEY
from ...local.webhooks.views import NAMES, view_of_message

_ID = "0" * 32


class WebhookPreview(Struct, frozen=True):
    """A message to one webhook. `request` is the JSON of the request; None for Apprise, which makes its own."""

    name: str
    format: str
    lines: list[str]
    request: Any

    @property
    def heading(self) -> str:
        """What the lines show: "ops-room, as in Slack"."""
        shown = "as JSON" if self.format == "json" else f"as in {NAMES[self.format]}"
        return f"{self.name}, {shown}" if self.name != self.format else shown


def webhook_previews(
    template: str, event: Event, renderer: Renderer, settings: Settings, person: Person, formats: tuple[str, ...]
) -> list[WebhookPreview]:
    """A template's message to each webhook of the settings, or to one webhook of each of these formats. Sends nothing."""
    webhooks = [_webhook(name) for name in formats] or settings.webhooks.values()
    previews = []
    for webhook in webhooks:
        reader = settings.people.get(webhook.name, person)
        rendered = renderer.render(template, channel=Channel.WEBHOOK, event=event, rule="sample", person=reader)
        previews.append(_preview(webhook, rendered.message))
    return previews


def _webhook(form: str) -> WebhookSettings:
    return WebhookSettings(form, form, FORMATS[form].rate)


def _preview(webhook: WebhookSettings, message: Message) -> WebhookPreview:
    card = message.card or Card(message.text)
    if webhook.format == "apprise":
        return WebhookPreview(webhook.name, webhook.format, [card.title, *by_apprise.body_of(card).splitlines()], None)
    module: Builder = module_of(webhook)  # type: ignore[assignment]  # every other format is sent by HTTP
    call = Call(webhook, _ID, FORMATS[webhook.format].example, (KEY,), datetime.now(UTC))
    request = json.loads(module.build(message, card, call).body)
    if webhook.format == "json":
        return WebhookPreview(webhook.name, "json", json.dumps(request, indent=2, ensure_ascii=False).splitlines(), request)
    return WebhookPreview(webhook.name, webhook.format, list(_lines(webhook, request)), request)


def _lines(webhook: WebhookSettings, request: Any) -> Iterator[str]:
    """What people see, from top to bottom."""
    view = view_of_message(webhook.format, request["attachments"][0]["content"] if webhook.format == "teams" else request)
    yield view.title
    yield f"(in the color of tone {view.tone})"
    if "thread_name" in request:
        yield f"(starts the thread {request['thread_name']!r})"
    yield from view.text
    yield from (f"{name}: {value}" for name, value, _ in view.facts)
    for heading, items in view.lists:
        yield from (f"{heading}:",) if heading else ()
        yield from (f"- {item}" for item in items)
    if view.link[1]:
        yield f"{view.link[0]}: {view.link[1]}" if webhook.format != "discord" else f"(the title links to {view.link[1]})"
    if view.footer:
        yield view.footer
