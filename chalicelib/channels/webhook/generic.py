"""Our own format: JSON, signed as the Standard Webhooks specification says, with its payload of type, timestamp and data."""

from datetime import datetime
from typing import Any

import msgspec

from ...domain.delivery import DeliveryError, Reason
from ...domain.message import Card, Message
from .formats import Call, Request
from .signature import InvalidKey, sign


def build(message: Message, card: Card, call: Call) -> Request:
    """Build the request. Its id is that of the delivery, so a receiver recognizes a message that is sent again.

    Raises:
        DeliveryError: a signing key is not valid.
    """
    at = card.event.at if card.event else call.at
    body = msgspec.json.encode(payload(message, card, call.delivery_id, at))
    try:
        signature = sign(body, call.delivery_id, call.at or at, call.keys)  # type: ignore[arg-type]  # the transport sets `at`
    except InvalidKey as error:
        raise DeliveryError(Reason.ACCOUNT, f"webhook {call.webhook.name}: {error}", permanent=True) from error
    return Request(call.url, body, {"Content-Type": "application/json", "User-Agent": "Dropnote", **signature})


def payload(message: Message, card: Card, delivery_id: str, at: datetime | None) -> dict[str, Any]:
    """What is sent, before it is signed. `at`: when it happened."""
    event = card.event
    data: dict[str, Any] = {
        "id": delivery_id,
        "rule": card.rule,
        "severity": event.severity.value if event else "info",
        "tone": card.tone.value,
        "title": card.title,
        "text": "\n".join(card.text),
        "facts": dict(card.facts),
        "lists": [{"heading": listing.heading, "items": listing.items} for listing in card.lists],
        "link": card.link[1],
        "thread": message.thread,
        "upload": event.upload if event else None,  # exactly as S3 has it, not sanitized
        "region": event.region if event else "",
    }
    return {"type": f"dropnote.{event.kind.value if event else 'message'}", "timestamp": at, "data": data}
