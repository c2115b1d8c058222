"""WhatsApp through Twilio: the API of texts, with addresses of its own and content templates that Meta has approved.

A message without a content template reaches only people who wrote to us in the last 24 hours (error 63016).
Source: Twilio docs, "WhatsApp" (the prefix of addresses), "Send templates created with the Content Template Builder"
(ContentSid, ContentVariables), "Content API resources" and "63016: Outside messaging window" (a template in Body fails, too).
"""

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..domain.message import Message, body_hash
from ..domain.settings import WhatsappSettings
from .twilio import Twilio

if TYPE_CHECKING:
    from twilio.rest import Client

DEFAULT_CONTENT = "default"
_PLACEHOLDER = re.compile(r"\\{\\{(\d+)\\}\\}")  # {{1}}, after re.escape


class Whatsapp(Twilio):
    """Sends WhatsApp messages from one account."""

    def __init__(self, whatsapp: WhatsappSettings, *args: Any, **named: Any) -> None:
        """The arguments of Twilio."""
        super().__init__(whatsapp, *args, **named)
        self._content = whatsapp.content

    def _address(self, number: str) -> str:
        """A WhatsApp address."""
        return f"whatsapp:{number}"

    def _body(self, message: Message) -> dict[str, Any]:
        """The content template of the message's template, with its values; the text if there is none."""
        sid = self._content.get(message.template) or self._content.get(DEFAULT_CONTENT)
        if not sid:
            return {"body": message.text}
        values = {str(number): value for number, value in enumerate(message.variables, start=1)}
        return {"content_sid": sid, "content_variables": json.dumps(values, ensure_ascii=False)}

    def _hasher(self, client: "Client") -> Callable[[str], str]:
        """Recognize our values in the listed text of a content template; its own text is read from Twilio."""
        patterns = [_pattern(_body(client.content.v1.contents(sid).fetch().types)) for sid in set(self._content.values())]

        def hash_of(body: str) -> str:
            match = next((match for pattern in patterns if (match := pattern.fullmatch(body))), None)
            return body_hash("\n".join(match[name] for name in sorted(match.groupdict())) if match else body)

        return hash_of


def _body(types: Any) -> str:
    """The text of a content template: of the first of its types that has one."""
    return next((str(content["body"]) for content in dict(types or {}).values() if "body" in content), "")


def _pattern(body: str) -> re.Pattern[str]:
    """A pattern that takes the values out of a filled content template."""
    seen: set[str] = set()

    def group(match: re.Match[str]) -> str:
        name = f"v{int(match[1]):03}"
        pattern = f"(?P={name})" if name in seen else f"(?P<{name}>.*)"
        seen.add(name)
        return pattern

    return re.compile(_PLACEHOLDER.sub(group, re.escape(body)), re.DOTALL)
