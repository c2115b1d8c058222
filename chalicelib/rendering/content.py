"""Builds WhatsApp messages: the values for a content template, and the text for a conversation that is open.

Source: Twilio docs, "Using Variables with Content API", error 63021 (a template with its values has at most 1,024 characters);
Meta, "Message templates" (a value has no line breaks, no tabs and no more than four spaces in a row).
"""

from collections.abc import Mapping

from ..domain.message import Message
from ..domain.people import Channel
from ..platform.sanitize import shorten

MAX_VALUES = 700  # characters of all values together: the rest is for the fixed text of the content template


def whatsapp_message(parts: Mapping[str, str], template: str) -> Message:
    """Build the message: each line of whatsapp.txt is a value ({{1}}, {{2}}, …); a text of sms.txt is one value."""
    lines = parts["whatsapp.txt"].splitlines() if "whatsapp.txt" in parts else [parts["sms.txt"]]
    values = [" ".join(line.split()) for line in lines if line.strip()]
    room = MAX_VALUES // len(values)
    variables = tuple(shorten(value, room) for value in values)
    return Message(Channel.WHATSAPP, "\n".join(variables), variables=variables, template=template)
