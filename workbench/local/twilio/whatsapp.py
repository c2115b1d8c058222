"""WhatsApp at the Twilio double: senders, content templates, and the 24 hours in which a person may be written to freely.

Source: Twilio docs, "WhatsApp", "Content API resources", "Using Variables with Content Templates", and the errors 21654, 21655,
21656, 21658, 63003, 63007, 63016, 63021 and 63028.
A message outside the 24 hours is accepted; its status then becomes `undelivered` with 63016, as the receipt says.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.domain.settings import Settings

PREFIX = "whatsapp:"
MAX_VARIABLE, MAX_TEMPLATE, MAX_VARIABLES = 1600, 1024, 100  # characters; number of variables
_ADDRESS = re.compile(r"whatsapp:\+[1-9][0-9]{6,14}")
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_CONTENT = re.compile(r"HX[0-9a-fA-F]{32}")
_PLACEHOLDER = re.compile(r"\{\{(\d+)\}\}")
_FORBIDDEN = re.compile(r"[\n\t]| {5}")


@dataclass
class Whatsapp:
    """The WhatsApp side of an account."""

    senders: set[str] = field(default_factory=set)  # numbers
    contents: dict[str, str] = field(default_factory=dict)  # the texts of the content templates, by ContentSid
    windows: set[str] = field(default_factory=set)  # numbers of people who wrote in the last 24 hours

    def prepare(self, settings: Settings) -> None:
        """Let the account have what the settings use; each content template has one value, and everybody wrote today."""
        whatsapp = settings.whatsapp
        if whatsapp:
            self.senders |= {whatsapp.from_}
            self.contents |= dict.fromkeys(whatsapp.content.values(), "{{1}}")
            self.windows |= {person.whatsapp for person in settings.people.values()}

    def error(self, form: Mapping[str, str]) -> int:
        """The code with which Twilio rejects a request; 0 if it accepts it."""
        to, sender, service = form.get("To", ""), form.get("From", ""), form.get("MessagingServiceSid", "")
        if not _ADDRESS.fullmatch(to):
            return 21211
        if not (_SERVICE.fullmatch(service) or (sender.startswith(PREFIX) and sender.removeprefix(PREFIX) in self.senders)):
            return 63007
        return self._content_error(form)

    def _content_error(self, form: Mapping[str, str]) -> int:
        sid, variables = form.get("ContentSid", ""), form.get("ContentVariables", "")
        if not sid:
            body = form.get("Body", "")
            return 21654 if variables else 21602 if not body else 21617 if len(body) > MAX_VARIABLE else 0
        if not _CONTENT.fullmatch(sid) or sid not in self.contents:
            return 21655
        values = _parse(variables)
        if values is None or len(values) > MAX_VARIABLES or any(not v or _FORBIDDEN.search(v) for v in values.values()):
            return 21656
        return 21658 if any(len(value) > MAX_VARIABLE for value in values.values()) else 0

    def body(self, form: Mapping[str, str]) -> str:
        """The text that the person receives."""
        sid = form.get("ContentSid", "")
        values = _parse(form.get("ContentVariables", "")) or {}
        return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), self.contents[sid]) if sid else form["Body"]

    def outcome(self, form: Mapping[str, str]) -> int:
        """The code that the receipt of an accepted message reports; 0 if it arrives."""
        sid = form.get("ContentSid", "")
        if not sid:
            return 0 if form["To"].removeprefix(PREFIX) in self.windows else 63016
        expected = set(_PLACEHOLDER.findall(self.contents[sid]))
        if expected != set(_parse(form.get("ContentVariables", "")) or {}):
            return 63028
        return 63021 if len(self.body(form)) > MAX_TEMPLATE else 0


def content_resource(account: str, sid: str, body: str) -> dict[str, object]:
    """A content template as in Twilio's JSON."""
    return {
        "sid": sid,
        "account_sid": account,
        "friendly_name": "dropnote",
        "language": "en",
        "variables": dict.fromkeys(_PLACEHOLDER.findall(body), "value"),
        "types": {"twilio/text": {"body": body}},
        "url": f"https://content.twilio.com/v1/Content/{sid}",
        "date_created": "2026-01-01T00:00:00Z",
        "date_updated": "2026-01-01T00:00:00Z",
        "links": {},
    }


def _parse(variables: str) -> dict[str, str] | None:
    """The values by number; None if they are not a JSON object of texts."""
    try:
        values = json.loads(variables or "{}")
    except ValueError:
        return None
    is_valid = isinstance(values, dict) and all(isinstance(value, str) for value in values.values())
    return values if is_valid else None
