"""The webhook of a Microsoft Teams workflow ("When a Teams webhook request is received").

Source: Microsoft Learn, "Microsoft Teams" connector (its trigger's body, 28 KB), "Azure Logic Apps: Request trigger" (202
Accepted, DirectApiAuthorizationRequired, WorkflowNotFound), "Troubleshoot common issues with triggers" (the URL since November
2025); Adaptive Cards schema 1.5 (only the elements that we send are known).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from .answer import LINKS, Answer, Call, Rejected, unknown_keys

HOST = "default00000000000000000000000000.00.environment.api.powerplatform.com"
_PATH = re.compile(r"powerautomate/automations/direct/workflows/[0-9a-f]{32}/triggers/manual/paths/invoke")
# What Teams stores of a card: JSON in JSON. A request of 24,453 bytes was refused as 28,897 (msteams-docs, issue 11274).
MAX_SIZE = 28 * 1024
_CARD = ("$schema", "type", "version", "fallbackText", "msteams", "body", "actions")
_COMMON = ("type", "spacing", "separator", "isVisible", "id")
_ELEMENTS = {
    "Container": (*_COMMON, "items", "style", "bleed"),
    "FactSet": (*_COMMON, "facts"),
    "RichTextBlock": (*_COMMON, "inlines", "horizontalAlignment"),
}
_RUN = ("type", "text", "size", "weight", "isSubtle", "color", "italic", "fontType")
_STYLES = ("default", "emphasis", "good", "attention", "warning", "accent")


def receive(call: Call) -> tuple[Any, Answer]:
    """Check a request; returns its card and the response. The flow posts the card later, so 202 is all it says.

    Raises:
        Rejected: the workflow would reject it, or fail afterwards, which the double says immediately.
    """
    if not _PATH.fullmatch(call.path):
        raise _error(404, "WorkflowNotFound", "The workflow could not be found.")
    if not call.query.get("sig"):
        raise _error(401, "DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme.")
    if len(json.dumps(call.body.decode(errors="replace"), ensure_ascii=False).encode()) > MAX_SIZE:
        raise _error(413, "RequestEntityTooLarge", "Request Entity too large")
    try:
        message = json.loads(call.body)
        attachments = message["attachments"]
        cards = [attachment["content"] for attachment in attachments]
        types = {attachment["contentType"] for attachment in attachments}
    except (ValueError, KeyError, TypeError):
        raise _invalid("the body is not a message with attachments") from None
    if message.get("type") != "message" or types != {"application/vnd.microsoft.card.adaptive"} or not cards:
        raise _invalid("the attachments must be Adaptive Cards")
    for card in cards:
        _check_card(card)
    return cards[0], Answer(202)


def _check_card(card: Mapping[str, Any]) -> None:
    _require(card.get("type") == "AdaptiveCard" and card.get("version") in ("1.0", "1.1", "1.2", "1.3", "1.4", "1.5"), "version")
    _require(not unknown_keys(card, _CARD), "card")
    for element in card.get("body", []):
        _check_element(element)
    for action in card.get("actions", []):
        is_link = action.get("type") == "Action.OpenUrl" and str(action.get("url", "")).startswith(LINKS)
        _require(is_link and bool(action.get("title")), "action")


def _check_element(element: Mapping[str, Any]) -> None:
    kind = element.get("type", "")
    _require(kind in _ELEMENTS and not unknown_keys(element, _ELEMENTS[kind]), f"element {kind}")
    if kind == "Container":
        _require(bool(element.get("items")) and element.get("style", "default") in _STYLES, "Container")
        for item in element["items"]:
            _check_element(item)
    elif kind == "FactSet":
        _require(bool(element.get("facts")) and all(fact["title"] and fact["value"] for fact in element["facts"]), "FactSet")
    else:
        runs = element.get("inlines", [])
        _require(bool(runs) and all(run["type"] == "TextRun" and run["text"] for run in runs), "RichTextBlock")
        _require(not any(unknown_keys(run, _RUN) for run in runs), "TextRun")


def _require(is_valid: bool, what: str) -> None:
    if not is_valid:
        raise _invalid(f"invalid {what}")


def _invalid(why: str) -> Rejected:
    return _error(400, "TriggerInputSchemaMismatch", why)


def _error(status: int, code: str, message: str) -> Rejected:
    return Rejected(Answer(status, {"error": {"code": code, "message": message}}))
