"""Discord: a webhook with one embed, whose bar has the color of its tone. No text of it can mention anybody.

Threads: a URL that ends in ?thread_id=… posts into that thread. With `forum = true` each message starts a thread, and the updates
of an incident join that of its first message.
Sources: Discord docs, "Webhook Resource" (Execute Webhook: `wait`, `thread_id`, `thread_name`, at most 10 embeds), "Message
Resource" (Embed Limits, also that whitespace at both ends is cut off; Allowed Mentions Object; `channel_id`, which is that of the
thread if a message is in one), "Channel Resource" (a thread's name has 1 to 100 characters), "Threads" (a message unarchives its
thread), "Reference" (Message Formatting). No page has a limit of an embed's `url`.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from ...domain.message import Card, Message, Tone
from ...platform.sanitize import cut, length
from .formats import Call, Request

COLOURS = {Tone.INFO: 0x5865F2, Tone.WARNING: 0xFEE75C, Tone.CRITICAL: 0xED4245, Tone.RESOLVED: 0x57F287}
MAX_TITLE, MAX_DESCRIPTION, MAX_FIELDS, MAX_NAME, MAX_VALUE, MAX_FOOTER, MAX_TOTAL = 256, 4096, 25, 256, 1024, 2048, 6000
MAX_THREAD_NAME = 100
MAX_URL = 2048  # ours: a link to a key of unusual characters is left out rather than a message rejected for it
SHORT = 40  # characters of a value that shares its row with others
_MARKUP = re.compile(r"([\\*_~`|>#\-\[\]()<:@])")


def build(message: Message, card: Card, call: Call) -> Request:
    """Build the request. `wait` lets Discord respond with the message's id, or with an error instead of silence."""
    embed: dict[str, Any] = {
        "title": cut(card.title, MAX_TITLE, escape),
        "color": COLOURS[card.tone],
        "fields": _fields(card),
    }
    if card.text:
        embed["description"] = cut("\n".join(card.text), MAX_DESCRIPTION // 2, escape)
    if card.link[1] and len(card.link[1]) <= MAX_URL:
        embed["url"] = card.link[1]
    if card.footer:
        embed["footer"] = {"text": cut(card.footer, MAX_FOOTER // 4)}
    if card.event:
        embed["timestamp"] = card.event.at
    while len(embed["fields"]) > 1 and total(embed) > MAX_TOTAL:
        embed["fields"].pop()
    body: dict[str, Any] = {"embeds": [embed], "allowed_mentions": {"parse": []}}
    parts = urlsplit(call.url)
    query = {**dict(parse_qsl(parts.query)), "wait": "true"}
    if call.webhook.forum and message.reply_to.isdecimal():
        query["thread_id"] = message.reply_to
    elif call.webhook.forum and "thread_id" not in query:
        body["thread_name"] = cut(card.title, MAX_THREAD_NAME)
    url = urlunsplit(parts._replace(query=urlencode(query)))
    return Request(url, msgspec.json.encode(body), {"Content-Type": "application/json"})


def escape(text: str) -> str:
    """Escape Discord's Markdown, mentions and emoji codes; a web address then is no link either."""
    return _MARKUP.sub(r"\\\1", text)


def total(embed: dict[str, Any]) -> int:
    """The characters of an embed that count towards its total."""
    texts = [embed.get("title", ""), embed.get("description", ""), embed.get("footer", {}).get("text", "")]
    return sum(map(length, texts)) + sum(length(field["name"]) + length(field["value"]) for field in embed["fields"])


def _fields(card: Card) -> list[dict[str, Any]]:
    facts = [_field(name, cut(value, MAX_VALUE, escape), inline=len(value) <= SHORT) for name, value in card.facts]
    lists = [_field(listing.heading or "Details", _bullets(listing.items), inline=False) for listing in card.lists]
    room = max(MAX_FIELDS - len(lists), 0)
    return [*facts[:room], *lists][:MAX_FIELDS]


def _field(name: str, value: str, *, inline: bool) -> dict[str, Any]:
    return {"name": cut(name, MAX_NAME, escape), "value": value, "inline": inline}


def _bullets(items: tuple[str, ...]) -> str:
    """As many entries as fit into a field, and how many more there are."""
    lines: list[str] = []
    for number, item in enumerate(items):
        line = f"• {cut(item, 200, escape)}"
        more = f"• and {len(items) - number} more"
        if sum(length(each) + 1 for each in lines) + length(line) + len(more) + 1 > MAX_VALUE:
            return "\n".join([*lines, more])
        lines.append(line)
    return "\n".join(lines)
