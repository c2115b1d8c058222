"""Slack's incoming webhooks.

Source: Slack docs, "Sending messages using incoming webhooks" (its responses), "Changes to errors for incoming webhooks",
"Blocks", "Header block", "Context block", "Rich text block", "Text object", "Legacy attachments".
Only the blocks that we send are known.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from .answer import LINKS, Answer, Call, Rejected, unknown_keys

HOST = "hooks.slack.com"
_PATH = re.compile(r"services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")
_COLOUR = re.compile(r"#[0-9a-f]{6}|good|warning|danger")
MAX_BLOCKS, MAX_HEADER, MAX_PLAIN, MAX_CONTEXT, MAX_ATTACHMENTS = 50, 150, 3000, 10, 100
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
    attachments = message.get("attachments", [])
    if len(attachments) > MAX_ATTACHMENTS:
        raise Rejected(Answer(400, "too_many_attachments"))
    _check_blocks(message.get("blocks", []))
    for attachment in attachments:
        if unknown_keys(attachment, ("color", "fallback", "blocks")) or not _COLOUR.fullmatch(attachment.get("color", "#000000")):
            raise Rejected(Answer(400, "invalid_attachments"))
        _check_blocks(attachment.get("blocks", []))
    return message, Answer(200, "ok")


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
    _require(isinstance(text.get("text"), str) and 1 <= len(text["text"]) <= limit)


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
