"""Slack: an incoming webhook, with Block Kit. A message is a header, and an attachment whose bar has the color of its tone.

Facts and lists are in a `rich_text` block: its texts have no markup, so nothing in a file's name becomes a link, a mention or an
emoji. An incoming webhook responds "ok" without the message's `ts`, which a reply in a thread (`thread_ts`) needs: no threads.
Sources: Slack docs, "Sending messages using incoming webhooks", "Blocks" (50 in a message), "Header block" (150 characters),
"Context block" (10 elements), "Text object" (3,000), "Rich text block" (no limit given; ours is that of a text object),
"Secondary message attachments" (color; 100 attachments), "Formatting message text" (escape &, < and > in `text`), "Truncating
really long messages" (`text` is cut at 40,000, and long ones may be broken up). Slack also rejects messages whose blocks have
about 12,000 characters in total (`msg_blocks_too_long`), which no page says: slackapi/bolt-js, issues 2509 and 2867 (one was
rejected with 11,341).
"""

from typing import Any

import msgspec

from ...domain.message import Card, Listing, Message, Tone
from ...platform.sanitize import cut, length
from .formats import Call, Request, first_items

COLOURS = {Tone.INFO: "#1264a3", Tone.WARNING: "#ecb22e", Tone.CRITICAL: "#e01e5a", Tone.RESOLVED: "#2eb67d"}
MAX_HEADER, MAX_TEXT, MAX_FALLBACK = 150, 3000, 4000  # Slack recommended at most 4,000 before it began to cut at 40,000
MAX_TOTAL = 9000  # characters of all texts of a message's blocks
MAX_PARAGRAPH, MAX_FACTS, MAX_ITEMS, MAX_ITEM = 1000, 25, 25, 300
_BOLD = {"bold": True}
_ELEMENT = 10  # characters that an element counts besides its text: the containers count, too


def build(message: Message, card: Card, call: Call) -> Request:
    """Build the request; a message that is too long loses lists, then facts, then paragraphs."""
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
    room = MAX_TOTAL - 2 * MAX_HEADER - size_of(footer := _footer(card)) - size_of(link := _link(card))
    elements: list[dict[str, Any]] = []
    paragraphs = [_section(_text(f"{cut(text, MAX_PARAGRAPH)}\n")) for text in card.text]
    for part in (*([each] for each in paragraphs), _facts(card, room - size_of(paragraphs)), *map(_list, card.lists)):
        if size_of(part) <= room:
            elements += part
            room -= size_of(part)
    elements += link
    blocks: list[dict[str, Any]] = [{"type": "rich_text", "elements": elements}] if elements else []
    return [*blocks, footer]


def size_of(element: Any) -> int:
    """What an element counts towards the total: its texts and URLs, and a little for each container."""
    if isinstance(element, list):
        return sum(map(size_of, element))
    if not isinstance(element, dict):
        return 0
    texts = sum(length(element[name]) for name in ("text", "url") if isinstance(element.get(name), str))
    return _ELEMENT + texts + sum(size_of(inner) for inner in element.values() if isinstance(inner, dict | list))


def _facts(card: Card, room: int) -> list[dict[str, Any]]:
    """As many facts as there is room for."""
    lines: list[dict[str, Any]] = []
    for name, value in card.facts[:MAX_FACTS]:
        line = [_text(f"{name}: ", _BOLD), _text(f"{cut(value, MAX_PARAGRAPH)}\n")]
        if size_of(_section(*lines, *line)) > room:
            break
        lines += line
    return [_section(*lines)] if lines else []


def _list(listing: Listing) -> list[dict[str, Any]]:
    heading = [_section(_text(listing.heading, _BOLD))] if listing.heading else []
    items = [_section(_text(cut(item, MAX_ITEM))) for item in first_items(listing, MAX_ITEMS)]
    return [*heading, {"type": "rich_text_list", "style": "bullet", "elements": items}]


def _link(card: Card) -> list[dict[str, Any]]:
    return [_section({"type": "link", "url": card.link[1], "text": card.link[0]})] if card.link[1] else []


def _footer(card: Card) -> dict[str, Any]:
    footer = {"type": "plain_text", "text": cut(card.footer or card.rule or "Dropnote", MAX_TEXT), "emoji": False}
    return {"type": "context", "elements": [footer]}


def _section(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(elements)}


def _text(text: str, style: dict[str, bool] | None = None) -> dict[str, Any]:
    return {"type": "text", "text": cut(text, MAX_TEXT), **({"style": style} if style else {})}
