"""Slack's incoming webhooks.

Sources: Slack docs, "Sending messages using incoming webhooks" (its responses), "Improving error conditions for Incoming
Webhooks" (their statuses), "Blocks", "Header block", "Context block", "Rich text block", "Text object", "Secondary message
attachments", "Truncating really long messages"; slackapi/bolt-js, issues 2509 and 2867 (the total, which no page has).
Only the blocks that we send are known.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .answer import LINKS, Answer, Call, Rejected, units, unknown_keys

HOST = "hooks.slack.com"
_PATH = re.compile(r"services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")
_COLOUR = re.compile(r"#[0-9a-f]{6}|good|warning|danger")
MAX_BLOCKS, MAX_HEADER, MAX_PLAIN, MAX_CONTEXT, MAX_ATTACHMENTS = 50, 150, 3000, 10, 100
MAX_TOTAL = 11_341  # characters in the blocks of a message: the smallest number that users saw rejected
MAX_SHOWN = 40_000  # of `text`: the rest is cut off
_STYLES = {"bold", "italic", "strike", "code"}
_INVALID_BLOCKS = Rejected(Answer(400, "invalid_blocks"))


def receive(call: Call) -> tuple[Any, Answer]:
    """Check a request; returns its message and the response.

    Raises:
        Rejected: Slack would reject it.
    """
    if not _PATH.fullmatch(call.path):
        raise Rejected(Answer(404, "no_service"))
    try:
        message = json.loads(call.body)
    except ValueError:
        raise Rejected(Answer(400, "invalid_payload")) from None
    if not isinstance(message, dict) or unknown_keys(message, ("text", "blocks", "attachments", "thread_ts", "mrkdwn")):
        raise Rejected(Answer(400, "invalid_payload"))
    if not (message.get("text") or message.get("blocks") or message.get("attachments")):
        raise Rejected(Answer(400, "no_text"))
    _check_attachments(attachments := message.get("attachments", []))
    _check_blocks(message.get("blocks", []))
    if sum(map(units, _texts([message.get("blocks", []), attachments]))) >= MAX_TOTAL:
        raise Rejected(Answer(400, "msg_blocks_too_long"))
    return {**message, "text": message.get("text", "")[:MAX_SHOWN]}, Answer(200, "ok")


def _check_attachments(attachments: list[Mapping[str, Any]]) -> None:
    if len(attachments) > MAX_ATTACHMENTS:
        raise Rejected(Answer(400, "too_many_attachments"))
    for attachment in attachments:
        if unknown_keys(attachment, ("color", "fallback", "blocks")) or not _COLOUR.fullmatch(attachment.get("color", "#000000")):
            raise Rejected(Answer(400, "invalid_attachments"))
        _check_blocks(attachment.get("blocks", []))


def _texts(value: object) -> Iterator[str]:
    """The texts and URLs inside blocks."""
    if isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name in ("text", "url") and isinstance(inner, str):
                yield inner
            yield from _texts(inner)


def _check_blocks(blocks: list[Mapping[str, Any]]) -> None:
    if len(blocks) > MAX_BLOCKS:
        raise _INVALID_BLOCKS
    for block in blocks:
        check = _BLOCKS.get(block.get("type", ""))
        if check is None:
            raise _INVALID_BLOCKS
        check(block)


def _check_header(block: Mapping[str, Any]) -> None:
    _require(not unknown_keys(block, ("type", "text", "block_id")))
    _check_plain(block.get("text", {}), MAX_HEADER)


def _check_context(block: Mapping[str, Any]) -> None:
    _require(not unknown_keys(block, ("type", "elements", "block_id")) and 1 <= len(block.get("elements", [])) <= MAX_CONTEXT)
    for element in block["elements"]:
        _check_plain(element, MAX_PLAIN)


def _check_plain(text: Mapping[str, Any], limit: int) -> None:
    _require(text.get("type") == "plain_text" and not unknown_keys(text, ("type", "text", "emoji")))
    _require(isinstance(text.get("text"), str) and 1 <= units(text["text"]) <= limit)


def _check_rich_text(block: Mapping[str, Any]) -> None:
    _require(not unknown_keys(block, ("type", "elements", "block_id")) and bool(block.get("elements")))
    for element in block["elements"]:
        if element.get("type") == "rich_text_list":
            _require(element.get("style") in ("bullet", "ordered") and bool(element.get("elements")))
            for item in element["elements"]:
                _check_section(item)
        else:
            _check_section(element)


def _check_section(section: Mapping[str, Any]) -> None:
    _require(section.get("type") == "rich_text_section" and bool(section.get("elements")))
    for element in section["elements"]:
        _require(element.get("type") in ("text", "link") and not unknown_keys(element, ("type", "text", "url", "style")))
        _require(bool(element.get("text")) and not unknown_keys(element.get("style", {}), _STYLES))
        _require(element["type"] == "text" or str(element.get("url", "")).startswith(LINKS))


def _require(is_valid: bool) -> None:
    if not is_valid:
        raise _INVALID_BLOCKS


_BLOCKS = {"header": _check_header, "context": _check_context, "rich_text": _check_rich_text}
