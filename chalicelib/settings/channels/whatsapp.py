"""Reads [whatsapp]: the sender, and the content templates that Meta has approved."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from ...domain.settings import WhatsappSettings
from ...platform.fields.table import FieldError, Table
from ...platform.phrases import did_you_mean

# What Twilio sends from one WhatsApp sender, unless it was raised; it queues up to four hours of more (Twilio docs, "The WhatsApp
# Business Platform with Twilio: Best Practices and FAQs"). Meta's limit is the same (WhatsApp Business Platform, "Throughput").
DEFAULT_RATE = 80.0
DEFAULT_CONTENT = "default"
_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")


def read(table: Table, sender: Mapping[str, Any], templates: Collection[str]) -> WhatsappSettings:
    """Read the table. `sender` has the fields that it shares with [sms]; `templates` are the existing ones."""
    return WhatsappSettings(**{**sender, "rate": sender["rate"] or DEFAULT_RATE}, content=_content(table, templates))


def _content(table: Table, templates: Collection[str]) -> dict[str, str]:
    """The content template of each of our templates."""
    if not table.has("content"):
        return {}
    inner = table.inner("content", ())
    found = {}
    for name in table.raw("content") if isinstance(table.raw("content"), dict) else ():
        if name not in templates and name != DEFAULT_CONTENT:
            inner.add_error(name, f"unknown template {name!r}", did_you_mean(name, [*templates, DEFAULT_CONTENT]))
        found[name] = inner.text(name, "", _content_sid)
    return found


def _content_sid(text: str) -> str:
    if not _CONTENT_SID.fullmatch(text):
        raise FieldError(f"invalid ContentSid {text!r}", "use HX and 32 hex digits, as Twilio's console shows it")
    return text
