"""Discord's webhooks.

Source: Discord docs, "Webhook Resource" (Execute Webhook), "Message Resource" (Embed Object, Embed Limits, Allowed Mentions
Object), "Threads", "Rate Limits", "Opcodes and Status Codes" (JSON error codes), "Reference" (Error Messages). A webhook whose id
ends in 9 belongs to a forum channel. A thread whose id ends in 9 was deleted.
"""

import json
import re
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from .answer import Answer, Call, Rejected, units, unknown_keys

HOST = "discord.com"
_PATH = re.compile(r"api/(?:v\d+/)?webhooks/(\d{17,20})/([\w-]{60,})")
_CHANNEL, _ID, _REPLY = "1184499999999999990", "1184500000000000000", "1184500000000000001"
_KNOWN = ("content", "username", "avatar_url", "tts", "embeds", "allowed_mentions", "flags", "thread_name")
_EMBED = ("title", "description", "url", "timestamp", "color", "footer", "fields")
_LIMITS = {"title": 256, "description": 4096, "footer": 2048}
MAX_CONTENT = 2000
MAX_EMBEDS, MAX_FIELDS, MAX_NAME, MAX_VALUE, MAX_TOTAL, MAX_THREAD = 10, 25, 256, 1024, 6000, 100


def receive(call: Call) -> tuple[Any, Answer]:
    """Check a request; returns its message and the response.

    Raises:
        Rejected: Discord would reject it.
    """
    match = _PATH.fullmatch(call.path)
    if not match:
        raise _error(404, 10015, "Unknown Webhook")
    try:
        message = json.loads(call.body)
    except ValueError:
        raise _error(400, 50109, "The request body contains invalid JSON.") from None
    if not call.headers.get("Content-Type", "").startswith("application/json"):
        raise _error(400, 50035, "Invalid Form Body")
    if not (message.get("content") or message.get("embeds")):
        raise _error(400, 50006, "Cannot send an empty message")
    _check_thread(call.query.get("thread_id", ""), message, is_forum=match[1].endswith("9"))
    if problems := list(_problems(message)):
        raise _error(400, 50035, "Invalid Form Body", errors={"_errors": problems})
    if call.query.get("wait") != "true":
        return message, Answer(204)
    thread = call.query.get("thread_id") or (_ID if "thread_name" in message else _CHANNEL)
    id_ = _REPLY if "thread_id" in call.query else _ID  # a thread in a forum has the id of its first message
    return message, Answer(200, {"id": id_, "type": 0, "channel_id": thread, "webhook_id": match[1], **message})


def _check_thread(thread_id: str, message: Mapping[str, Any], *, is_forum: bool) -> None:
    if is_forum and not (message.get("thread_name") or thread_id):
        raise _error(400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id")
    if is_forum and message.get("thread_name") and thread_id:
        raise _error(400, 220002, "Webhooks posted to forum channels cannot have both a thread_name and thread_id")
    if "thread_name" in message and not is_forum:
        raise _error(400, 220003, "Webhooks can only create threads in forum channels")
    if thread_id.endswith("9"):
        raise _error(404, 10003, "Unknown Channel")


def rate_limited(retry_after: float, *, is_global: bool = False) -> Answer:
    """The response to too many requests: whole seconds in the header, a fraction in the body."""
    body = {"message": "You are being rate limited.", "retry_after": retry_after, "global": is_global}
    waits = {"Retry-After": str(ceil(retry_after)), "X-RateLimit-Scope": "global" if is_global else "user"}
    if is_global:
        return Answer(429, body, waits | {"X-RateLimit-Global": "true"})
    bucket = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Bucket": "abcd1234"}
    return Answer(429, body, waits | bucket | {"X-RateLimit-Reset-After": str(retry_after)})


def _problems(message: Mapping[str, Any]) -> Iterator[str]:
    yield from unknown_keys(message, _KNOWN)
    if units(message.get("content", "")) > MAX_CONTENT:
        yield f"content: Must be {MAX_CONTENT} or fewer in length."
    embeds = message.get("embeds", [])
    if len(embeds) > MAX_EMBEDS:
        yield f"embeds: Must be {MAX_EMBEDS} or fewer in length."
    if "thread_name" in message and not 1 <= units(message["thread_name"].strip()) <= MAX_THREAD:
        yield f"thread_name: Must be between 1 and {MAX_THREAD} in length."
    for embed in embeds:
        yield from _embed_problems(embed)
    if sum(map(_length, embeds)) > MAX_TOTAL:
        yield f"embeds: Embed size exceeds maximum size of {MAX_TOTAL}"


def _embed_problems(embed: Mapping[str, Any]) -> Iterator[str]:
    yield from unknown_keys(embed, _EMBED)
    texts = {**embed, "footer": embed.get("footer", {}).get("text", "")}
    for name, limit in _LIMITS.items():
        if units(texts.get(name, "")) > limit:
            yield f"{name}: Must be {limit} or fewer in length."
    if "url" in embed and not re.fullmatch(r"https?://\S{,2040}", str(embed["url"])):
        yield "url: Not a well formed URL."
    if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
        yield "color: int value should be between 0 and 16777215."
    fields = embed.get("fields", [])
    if len(fields) > MAX_FIELDS:
        yield f"fields: Must be {MAX_FIELDS} or fewer in length."
    for field in fields:
        if not (
            1 <= units(field.get("name", "").strip()) <= MAX_NAME and 1 <= units(field.get("value", "").strip()) <= MAX_VALUE
        ):
            yield "fields: This field is required, or too long"


def _length(embed: Mapping[str, Any]) -> int:
    texts = [embed.get("title", ""), embed.get("description", ""), embed.get("footer", {}).get("text", "")]
    return sum(map(units, texts)) + sum(units(field["name"]) + units(field["value"]) for field in embed.get("fields", []))


def _error(status: int, code: int, message: str, **more: object) -> Rejected:
    return Rejected(Answer(status, {"message": message, "code": code, **more}))
