"""Slack: an incoming webhook, with Block Kit. A message is a header, and an attachment whose bar has the color of its tone.

Facts and lists are in a `rich_text` block: its texts have no markup, so nothing in a file's name becomes a link, a mention or an
emoji. An incoming webhook returns no id of the message, so there are no threads.
Source: Slack docs, "Sending messages using incoming webhooks", "Blocks", "Rich text block", "Header block" (150 characters),
"Context block" (10 elements), "Legacy attachments" (color), "Formatting text for app surfaces" (what to escape in `text`), and
"Truncating really long messages" (4,000 characters). At most 50 blocks a message; a rich text block's limit is not documented, so
its texts keep to the 3,000 characters of a section's.
"""

from typing import Any

import msgspec

from ...domain.message import Card, Message, Tone
from .formats import Call, Request, cut

COLOURS = {Tone.INFO: "#1264a3", Tone.WARNING: "#ecb22e", Tone.CRITICAL: "#e01e5a", Tone.RESOLVED: "#2eb67d"}
MAX_HEADER, MAX_TEXT, MAX_FALLBACK = 150, 3000, 4000
MAX_FACTS, MAX_ITEMS = 25, 25
_BOLD = {"bold": True}


def build(message: Message, card: Card, call: Call) -> Request:
    """Build the request."""
    body = {
        "text": cut(card.title, MAX_FALLBACK, escape),  # of the notification
        "blocks": [{"type": "header", "text": {"type": "plain_text", "text": cut(card.title, MAX_HEADER), "emoji": False}}],
        "attachments": [{"color": COLOURS[card.tone], "fallback": cut(card.title, MAX_HEADER), "blocks": _blocks(card)}],
    }
    return Request(call.url, msgspec.json.encode(body), {"Content-Type": "application/json; charset=utf-8"})


def escape(text: str) -> str:
    """Escape the three characters with which Slack's markup begins, so that nothing becomes a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(card: Card) -> list[dict[str, Any]]:
    elements = [_section(_text(f"{paragraph}\n")) for paragraph in card.text]
    if card.facts:
        shown = card.facts[:MAX_FACTS]
        lines = [part for name, value in shown for part in (_text(f"{name}: ", _BOLD), _text(f"{value}\n"))]
        elements.append(_section(*lines))
    for listing in card.lists:
        if listing.heading:
            elements.append(_section(_text(listing.heading, _BOLD)))
        items = [_section(_text(item)) for item in listing.items[:MAX_ITEMS]]
        elements.append({"type": "rich_text_list", "style": "bullet", "elements": items})
    if card.link[1]:
        elements.append(_section({"type": "link", "url": card.link[1], "text": card.link[0]}))
    blocks: list[dict[str, Any]] = [{"type": "rich_text", "elements": elements}] if elements else []
    footer = {"type": "plain_text", "text": cut(card.footer or card.rule or "Dropnote", MAX_TEXT), "emoji": False}
    return [*blocks, {"type": "context", "elements": [footer]}]


def _section(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(elements)}


def _text(text: str, style: dict[str, bool] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": cut(text, MAX_TEXT), **({"style": style} if style else {})}
