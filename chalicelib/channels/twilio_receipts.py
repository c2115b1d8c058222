"""Twilio's delivery receipts: their URL path, signature and fields."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from msgspec import Struct

RECEIPTS_PATH = "/receipts/twilio/"  # then the delivery's id: in the path because API Gateway drops the raw query string


class StatusUpdate(Struct, frozen=True):
    """One receipt: the message's id at Twilio, its status, and Twilio's error code if it failed."""

    sid: str
    status: str
    code: int = 0


def is_signed_by_twilio(url: str, body: bytes, signature: str, token: str) -> bool:
    """Whether Twilio signed this request. `url` is the public URL given to Twilio, not what a proxy made of it."""
    from twilio.request_validator import RequestValidator

    return bool(signature) and RequestValidator(token).validate(url, _fields(body), signature)


def parse_status_update(body: bytes) -> StatusUpdate | None:
    """Parse a receipt; None if the body is not one."""
    fields = _fields(body)
    sid, status, code = fields.get("MessageSid", ""), fields.get("MessageStatus", ""), fields.get("ErrorCode", "")
    return StatusUpdate(sid, status, int(code) if code.isdigit() else 0) if sid and status else None


def _fields(body: bytes) -> Mapping[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
