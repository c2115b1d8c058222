"""Maps each message format to its module and to what is known of its service: a new format needs one line here."""

import importlib
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, cast
from urllib.parse import urlsplit

from msgspec import Struct

from ...domain.delivery import Receipt
from ...domain.message import Card, Listing, Message
from ...domain.settings import WebhookSettings


class Format(Struct, frozen=True):
    """A message format. `rate`: messages per second that its service accepts from one webhook."""

    module: str
    rate: float
    hosts: tuple[str, ...] = ()  # its service's, or the end of them; empty if the receiver is the user's own
    example: str = "https://example.com/hooks/dropnote"


# Microsoft 365 Developer Blog, "Retirement of Office 365 connectors within Microsoft Teams"; also every *.webhook.office.com
_RETIRED = ("outlook.office.com", "outlook.office365.com")

FORMATS = {
    "json": Format("generic", 5.0),
    # Slack docs, "Rate limits": one message per second may be posted, short bursts are allowed
    "slack": Format("slack", 1.0, ("hooks.slack.com", "hooks.slack-gov.com"), "https://hooks.slack.com/services/…"),
    # Microsoft Learn, "Microsoft Teams" connector, "Throttling Limits": a flow bot posts 25 cards in 300 seconds, for all flows
    # of one connection. A workflow accepts more, retries four times ("Handle errors and exceptions in Azure Logic Apps"), and
    # then loses the card. URLs: see teams.py
    "teams": Format(
        "teams",
        25 / 300,
        (".powerplatform.com", ".logic.azure.com"),
        "https://….environment.api.powerplatform.com/powerautomate/automations/direct/workflows/…",
    ),
    # Discord docs, "Rate Limits", publish no number: each response tells it, usually five in two seconds
    "discord": Format("discord", 2.5, ("discord.com", "discordapp.com"), "https://discord.com/api/webhooks/…"),
    "apprise": Format("by_apprise", 1.0, (), "tgram://…"),
}


class Call(Struct, frozen=True):
    """What a format needs to know of one delivery besides its message."""

    webhook: WebhookSettings
    delivery_id: str
    url: str  # secret
    keys: tuple[str, ...] = ()  # secret; of signatures
    at: datetime | None = None


class Request(Struct, frozen=True):
    """An HTTP request, always a POST of JSON."""

    url: str
    body: bytes
    headers: Mapping[str, str]


class Builder(Protocol):
    """The module of a format that is sent by HTTP."""

    def build(self, message: Message, card: Card, call: Call) -> Request:
        """Build the request, within the limits of the service."""


class Sender(Protocol):
    """The module of a format that sends by itself."""

    def send(self, message: Message, card: Card, call: Call) -> Receipt:
        """Send a message; see Transport."""


def module_of(webhook: WebhookSettings) -> Builder | Sender:
    """Import the module of a webhook's format: those of other formats are never loaded."""
    return cast("Builder | Sender", importlib.import_module(f".{FORMATS[webhook.format].module}", __package__))


def url_problem(webhook: WebhookSettings, url: str) -> str:
    """Why a URL cannot be called, without quoting it: it is a secret. "" if it can."""
    form = FORMATS[webhook.format]
    if webhook.format == "apprise":
        return "" if "://" in url else f"is not a URL of Apprise, such as {form.example}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # such as https://[::1, or a port that is no number
        return f"is not a URL such as {form.example}"
    if parts.scheme not in ("https", "http") or not host or not url.isprintable() or " " in url:
        return f"is not a URL such as {form.example}"
    if parts.scheme == "http" and not webhook.allow_private:
        return "must begin with https:// (plain HTTP needs allow_private = true)"
    if webhook.format == "teams" and (host.endswith(".webhook.office.com") or host in _RETIRED):
        return "belongs to a retired Microsoft 365 connector: create a workflow that posts when a webhook request is received"
    return ""


def foreign_host(webhook: WebhookSettings, url: str) -> str:
    """The host of a URL that is not of the format's service; "" if it is, or if the receiver is the user's own."""
    host, hosts = urlsplit(url).hostname or "", FORMATS[webhook.format].hosts
    belongs = any(host == name or host.endswith(name if name.startswith(".") else f".{name}") for name in hosts)
    return "" if belongs or not hosts else host


def first_items(listing: Listing, limit: int) -> list[str]:
    """At most `limit` entries of a list; the last one says how many more there are."""
    if len(listing.items) <= limit:
        return list(listing.items)
    return [*listing.items[: limit - 1], f"and {len(listing.items) - limit + 1:,} more"]
