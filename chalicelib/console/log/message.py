"""The message of a delivery, as the present templates and settings render it: that is how a resent one would look."""

import json
from typing import Any

import msgspec

from ...channels.webhook.discord import SHORT
from ...channels.webhook.generic import payload
from ...delivery.feedback.mail_links import make_links
from ...domain.delivery import Delivery
from ...domain.message import NO_LINKS, Card, Message
from ...domain.people import Channel
from ...rules.recipients import notice_of_delivery
from ..parts import Console

_NOTHING: dict[str, Any] = {"text": (), "facts": (), "lists": (), "link": ("", ""), "footer": "", "json": ""}


def render_message(console: Console, row: Delivery) -> tuple[Message | None, str]:
    """The message, or why there is none. It has the link to the object, but no links of a mail, which act for its recipient."""
    notice = notice_of_delivery(row, console.settings)
    if isinstance(notice, str):
        return None, notice
    known = console.deliverer.control.now().links if row.channel is not Channel.EMAIL else None
    links = make_links(known, notice, console.settings, console.now) if known else NO_LINKS
    rendered = console.deliverer.renderer.render(
        notice.template,
        channel=row.channel,
        event=row.event,
        rule=row.rule,
        person=notice.recipient.person,
        links=links,
    )
    return rendered.message, rendered.problem


def chat_of(console: Console, row: Delivery, message: Message) -> dict[str, Any] | None:
    """What chats.html draws of a message to a webhook; None for other messages."""
    if row.channel is not Channel.WEBHOOK:
        return None
    card = message.card or Card(message.text)
    webhook = console.settings.webhooks.get(row.person)
    service = webhook.format if webhook else ""
    if service == "json":  # your own receiver decides how it looks
        sent = _indented(payload(message, card, row.id, row.event.at))
        return {**_NOTHING, "service": service, "tone": card.tone.value, "title": card.title, "json": sent}
    return {
        **_NOTHING,
        "service": service,
        "tone": card.tone.value,
        "title": card.title,
        "text": card.text,
        "facts": [(name, value, len(value) <= SHORT) for name, value in card.facts],
        "lists": [(listing.heading, listing.items) for listing in card.lists],
        "link": card.link,
        "footer": card.footer,
    }


def _indented(value: object) -> str:
    """JSON on several lines. Names in it are as S3 has them: what could change how a line is read is escaped, as JSON may."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)
