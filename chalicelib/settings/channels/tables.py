"""Reads the table of each channel. The readers that few settings need are imported late."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ...domain.people import Person
from ...domain.settings import EmailSettings, SmsSettings, WebhookSettings
from ...platform.fields import values
from ...platform.fields.table import FieldError, Table
from ..document import Document

if TYPE_CHECKING:
    from ...domain.settings import WhatsappSettings

_EMAIL = ("from", "transport", "host", "port", "security", "username", "unknown", "rate", "region", "events_topic")
_TWILIO = ("account", "from", "messaging_service", "unknown", "rate")
_UNKNOWN = ("resend", "give-up")


def email(document: Document) -> EmailSettings:
    """Read [email]."""
    table = document.table("email", _EMAIL)
    settings = EmailSettings(
        from_=table.text("from", "", values.sender, required='"Acme drops <drops@example.com>"'),
        transport=table.choice("transport", "ses", ("ses", "smtp")),
        host=table.text("host"),
        port=table.number("port", 0, 1, 65535),
        security=table.choice("security", "starttls", ("starttls", "tls")),
        username=table.text("username"),
        unknown=table.choice("unknown", "resend", _UNKNOWN),
        rate=table.parsed("rate", 0.0, values.parse_rate),
        region=table.text("region", "", values.region),
        events_topic=table.text("events_topic", "", _events_topic),
    )
    if settings.region and settings.transport != "ses":
        table.add_error("region", "only Amazon SES has regions", 'remove it, or use transport = "ses"')
    if settings.events_topic and settings.transport != "ses":
        table.add_error("events_topic", "only Amazon SES reports to a topic", 'remove it, or use transport = "ses"')
    if settings.transport == "smtp" and not table.has("host"):
        table.add_error("host", "missing", 'set it to the name of your SMTP server, or use transport = "ses"')
    return settings


def _events_topic(text: str) -> str:
    if values.arn("sns", text).endswith(".fifo"):
        raise FieldError("SES does not publish to FIFO topics", "use a standard topic")
    return text


def sms(document: Document, people: Mapping[str, Person]) -> SmsSettings:
    """Read [sms]."""
    table = document.table("sms", (*_TWILIO, "max_segments", "countries"))
    countries = _countries(table, document, people) if table.has("countries") else ()
    return SmsSettings(**_sender(table), max_segments=table.number("max_segments", 2, 1, 10), countries=countries)


def whatsapp(document: Document, templates: Collection[str]) -> "WhatsappSettings":
    """Read [whatsapp]."""
    from . import whatsapp as reader

    table = document.table("whatsapp", (*_TWILIO, "content"))
    return reader.read(table, _sender(table), templates)


def webhooks(document: Document, people: dict[str, Person], zone: str) -> dict[str, WebhookSettings]:
    """Read [webhooks]. Each also becomes one of `people`. `zone` is the bot's time zone."""
    from . import webhooks as reader

    return reader.read_all(document, people, zone)


def _countries(table: Table, document: Document, people: Mapping[str, Person]) -> tuple[str, ...]:
    from . import countries

    return countries.read(table, document, people)


def _sender(table: Table) -> dict[str, Any]:
    """The fields of Twilio's senders, as arguments of SmsSettings."""
    if table.has("from") and table.has("messaging_service"):
        table.add_error("from", "'from' and 'messaging_service' cannot be combined", "remove one")
    elif not table.has("from") and not table.has("messaging_service"):
        table.add_error("from", "missing", "set it to your Twilio number, or set messaging_service")
    return {
        "account": table.text("account", required='"${TWILIO_ACCOUNT_SID}"'),
        "from_": table.text("from", "", values.phone_number),
        "messaging_service": table.text("messaging_service"),
        "unknown": table.choice("unknown", "resend", _UNKNOWN),
        "rate": table.parsed("rate", 0.0, values.parse_rate),
    }
