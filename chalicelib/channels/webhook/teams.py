"""Microsoft Teams: the webhook of a workflow, with an Adaptive Card. Not the retired connectors with their MessageCard.

Texts are runs of a RichTextBlock, which knows no Markdown; in a FactSet it is escaped. A workflow responds 202 before it posts,
and returns no id of the message: there are no threads, and a flow that fails later is seen in its run history only. So a card
that is too large would be lost without an error.
Sources: Microsoft Learn, "Microsoft Teams" connector ("When a Teams webhook request is received": the body; "Message size limit":
about 28 KB), "Format cards in Teams" (Markdown in facts, `msteams.width`, mentions, of which we send none), "Text features"
(Adaptive Cards), "Troubleshoot common issues with triggers" (URLs of logic.azure.com stopped for flows on 30 November 2025; a
Logic App of your own still has one); Adaptive Cards schema 1.5, "Rich text block" and "TextRun" (1.2).
"""

import re
from typing import Any

import msgspec

from ...domain.message import Card, Message, Tone
from ...platform.sanitize import cut
from .formats import Call, Request, first_items

STYLES = {Tone.INFO: "accent", Tone.WARNING: "warning", Tone.CRITICAL: "attention", Tone.RESOLVED: "good"}
# The limit is 28,672 bytes of "message properties", in which the card is a JSON text with its quotes escaped: a body of 24,453
# bytes had 28,897 (MicrosoftDocs/msteams-docs, issue 11274). The rest is for what the connector adds.
MAX_SIZE = 28 * 1024 - 1_500
MAX_TITLE, MAX_TEXT, MAX_FACTS, MAX_ITEMS = 300, 1000, 25, 25
_MARKUP = re.compile(r"([\\*_~`\[\]()#>{}])")
_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"


def build(message: Message, card: Card, call: Call) -> Request:
    """Build the request; a message that is too large loses lists, then facts."""
    body = [_title(card), *map(_paragraph, card.text), *_facts(card), *_lists(card), _footer(card)]
    while size_in_teams(encoded := _encode(card, body)) > MAX_SIZE and len(body) > 2:
        del body[-2]
    return Request(call.url, encoded, {"Content-Type": "application/json; charset=utf-8"})


def size_in_teams(body: bytes) -> int:
    """The bytes of a body once it is a text in JSON: every quote and backslash counts twice."""
    return len(msgspec.json.encode(body.decode()))


def _encode(card: Card, body: list[dict[str, Any]]) -> bytes:
    content: dict[str, Any] = {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.5",
        "fallbackText": cut(card.title, MAX_TITLE),
        "msteams": {"width": "Full"},
        "body": body,
    }
    if card.link[1]:
        content["actions"] = [{"type": "Action.OpenUrl", "title": card.link[0], "url": card.link[1]}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return msgspec.json.encode({"type": "message", "attachments": [attachment]})


def escape(text: str) -> str:
    """Escape the Markdown of a FactSet, and the braces of its functions for dates."""
    return _MARKUP.sub(r"\\\1", text)


def _title(card: Card) -> dict[str, Any]:
    title = _rich(cut(card.title, MAX_TITLE), size="large", weight="bolder")
    return {"type": "Container", "style": STYLES[card.tone], "bleed": True, "items": [title]}


def _paragraph(text: str) -> dict[str, Any]:
    return _rich(cut(text, MAX_TEXT))


def _facts(card: Card) -> list[dict[str, Any]]:
    facts = [{"title": cut(name, 100, escape), "value": cut(value, MAX_TEXT, escape)} for name, value in card.facts[:MAX_FACTS]]
    return [{"type": "FactSet", "facts": facts}] if facts else []


def _lists(card: Card) -> list[dict[str, Any]]:
    blocks = []
    for listing in card.lists:
        items = [_rich(f"• {cut(item, 300)}") for item in first_items(listing, MAX_ITEMS)]
        heading = [_rich(cut(listing.heading, 100), weight="bolder")] if listing.heading else []
        blocks.append({"type": "Container", "spacing": "medium", "items": [*heading, *items]})
    return blocks


def _footer(card: Card) -> dict[str, Any]:
    return _rich(cut(card.footer or "Dropnote", MAX_TEXT), size="small", isSubtle=True)


def _rich(text: str, **look: Any) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}
