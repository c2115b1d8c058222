"""What Twilio sends us: delivery receipts and people's texts. Their URL paths, signature and fields.

Source: Twilio docs, "Webhooks security" (the signature covers the URL and every field, sorted by name), "Twilio's request to your
incoming message webhook URL" (the fields).
"""

from collections.abc import Iterator
from urllib.parse import parse_qsl

from msgspec import Struct

RECEIPTS_PATH = "/receipts/twilio/"  # then the delivery's id: in the path because API Gateway drops the raw query string
REPLIES_PATH = "/replies/twilio"
_MAX_FIELDS = 200  # Twilio sends about thirty


class StatusUpdate(Struct, frozen=True):
    """One receipt: the message's id at Twilio, its status, and Twilio's error code if it failed."""

    sid: str
    status: str
    code: int = 0


class IncomingText(Struct, frozen=True):
    """A text from a person."""

    sid: str
    account: str
    sender: str  # the person's number
    to: str  # our number
    body: str
    service: str = ""  # the messaging service of our number
    opt_out_type: str = ""  # with Advanced Opt-Out: STOP, START or HELP, if Twilio took the text for one and answered it


def is_signed_by_twilio(url: str, body: bytes, signature: str, token: str) -> bool:
    """Whether Twilio signed this request. `url` is the public URL given to Twilio, not what a proxy made of it."""
    from twilio.request_validator import RequestValidator

    fields = _fields(body)
    return bool(signature) and fields is not None and RequestValidator(token).validate(url, fields, signature)


def parse_status_update(body: bytes) -> StatusUpdate | None:
    """Parse a receipt; None if the body is not one."""
    fields = _fields(body) or _Fields()
    sid, status, code = fields.first("MessageSid"), fields.first("MessageStatus"), fields.first("ErrorCode")
    return StatusUpdate(sid, status, int(code) if code.isdigit() else 0) if sid and status else None


def parse_incoming_text(body: bytes) -> IncomingText | None:
    """Parse a text from a person; None if the body is not one."""
    fields = _fields(body) or _Fields()
    text = IncomingText(
        sid=fields.first("MessageSid"),
        account=fields.first("AccountSid"),
        sender=fields.first("From"),
        to=fields.first("To"),
        body=fields.first("Body"),
        service=fields.first("MessagingServiceSid"),
        opt_out_type=fields.first("OptOutType"),
    )
    return text if text.sid and text.sender else None


class _Fields:
    """The fields of a form. A name may be repeated: Twilio signs each different value (`getlist` is for its validator)."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getlist(self, name: str) -> list[str]:
        """Return the values of a name."""
        return self._values.get(name, [])

    def first(self, name: str) -> str:
        """Return the first value of a name, "" if there is none."""
        return next(iter(self.getlist(name)), "")


def _fields(body: bytes) -> _Fields | None:
    """Parse a form; None if it is not UTF-8 or has too many fields."""
    try:
        return _Fields(*parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS))
    except ValueError:  # also UnicodeDecodeError
        return None
