"""A hundred more services through the package Apprise, which is not in the zip unless you add it: docs/channels.md.

Apprise says whether a notification succeeded, and nothing else: not whether it was sent, throttled or rejected. So a failure
is an outcome that nobody knows. It connects by itself, so our limits on addresses and redirects do not apply to it.
Source: Apprise's wiki, "Development API", and its URLBase (request_rate_per_sec: its plugins sleep between two requests).
"""

import logging
from typing import Any

from ...domain.delivery import DeliveryError, OutcomeUnknown, Reason, Receipt
from ...domain.message import Card, Message, Tone
from .formats import Call

_TYPES = {Tone.INFO: "info", Tone.WARNING: "warning", Tone.CRITICAL: "failure", Tone.RESOLVED: "success"}
_NOT_INSTALLED = "the package apprise is not in the zip: add it to requirements.txt as docs/channels.md shows, and deploy again"


def send(message: Message, card: Card, call: Call) -> Receipt:
    """Send a message to the URL of a webhook; see Transport. Apprise has no ids, so the receipt is the delivery's."""
    try:
        import apprise
    except ImportError as error:
        raise DeliveryError(Reason.ACCOUNT, _NOT_INSTALLED, permanent=True) from error

    logging.getLogger("apprise").disabled = True  # its lines contain URLs, which are secrets
    client = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False))
    if not client.add(call.url):
        text = f"Apprise does not know the URL of webhook {call.webhook.name}, or lacks a package for its service"
        raise DeliveryError(Reason.ACCOUNT, text, permanent=True)
    for service in client:
        _never_sleep(service)
    try:
        sent = client.notify(
            body=body_of(card), title=card.title, notify_type=_TYPES[card.tone], body_format=apprise.NotifyFormat.TEXT
        )
    except Exception as error:  # a plugin of a hundred authors: whatever it raises, the outcome is unknown
        raise OutcomeUnknown(Reason.PROVIDER, f"Apprise failed: {type(error).__name__}") from error
    if not sent:
        raise OutcomeUnknown(Reason.PROVIDER, "Apprise reports a failure, and not whether the message was sent")
    return Receipt(call.delivery_id)


def _never_sleep(service: Any) -> None:
    """Turn off Apprise's pause between two requests: the sweep keeps the rate, and Lambda bills the sleep."""
    service.request_rate_per_sec = 0


def body_of(card: Card) -> str:
    """A card as plain text, without its title."""
    facts = [f"{name}: {value}" for name, value in card.facts]
    lists = [line for listing in card.lists for line in (listing.heading, *(f"- {item}" for item in listing.items)) if line]
    link = [f"{card.link[0]}: {card.link[1]}"] if card.link[1] else []
    return "\n".join([*card.text, *facts, *lists, *link, *([card.footer] if card.footer else [])]) or card.title
