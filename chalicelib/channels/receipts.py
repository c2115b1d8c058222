"""Delivery receipts of Twilio: the signature and the fields."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from msgspec import Struct


class StatusUpdate(Struct, frozen=True):
    """One receipt: the message, how it stands, and Twilio's code where it went wrong."""

    sid: str
    status: str
    code: int = 0


def is_signed_by_twilio(url: str, body: bytes, signature: str, token: str) -> bool:
    """Did Twilio sign this? `url` is the public one that Twilio was given, not what a proxy made of it."""
    from twilio.request_validator import RequestValidator

    return bool(signature) and RequestValidator(token).validate(url, _fields(body), signature)


def parse_status_update(body: bytes) -> StatusUpdate | None:
    """Read a receipt; None when it is none."""
    fields = _fields(body)
    sid, status, code = fields.get("MessageSid", ""), fields.get("MessageStatus", ""), fields.get("ErrorCode", "")
    return StatusUpdate(sid, status, int(code) if code.isdigit() else 0) if sid and status else None


def _fields(body: bytes) -> Mapping[str, str]:
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
