"""Builds WhatsApp messages: the values for a content template, and the text for a conversation that is open.

Source: Twilio docs, "Using Variables with Content Templates" (at most 100 values of at most 1,600 characters), "21656: The
ContentVariables Parameter is invalid" (none is empty), "63021: Channel invalid content error" (a template with its values has at
most 1,024 characters); Meta's error "Param text cannot have new-line/tab characters or more than 4 consecutive spaces".
"""

from collections.abc import Mapping

from ..domain.message import Message
from ..domain.people import Channel
from ..platform.sanitize import cut

MAX_VALUES = 700  # characters of all values together: the rest is for the fixed text of the content template
MAX_COUNT = 100


def whatsapp_message(parts: Mapping[str, str], template: str) -> Message:
    """Build the message: each line of whatsapp.txt is a value ({{1}}, {{2}}, …); a text of sms.txt is one value."""
    lines = parts["whatsapp.txt"].splitlines() if "whatsapp.txt" in parts else [parts["sms.txt"]]
    values = [" ".join(line.split()) for line in lines if line.strip()][:MAX_COUNT]
    room = MAX_VALUES // len(values)
    variables = tuple(cut(value, room) for value in values)
    return Message(Channel.WHATSAPP, "\n".join(variables), variables=variables, template=template)
