"""Reads a certificate's expiry from its DER encoding; Python's ssl module returns it for valid certificates only.

Source: RFC 5280, 4.1 (Certificate, TBSCertificate, Validity) and 4.1.2.5 (UTCTime, GeneralizedTime); ITU-T X.690, 8.1.3.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_VALIDITY = 3  # after serialNumber, signature and issuer
_LONG_FORM = 0x80


def not_after(der: bytes) -> datetime | None:
    """Return notAfter (UTC); None if it cannot be read."""
    try:
        _, certificate = next(_elements(der))
        _, to_be_signed = next(_elements(certificate))
        fields = [content for tag, content in _elements(to_be_signed) if tag != _VERSION]
        _, (tag, content) = _elements(fields[_VALIDITY])
        return _parse_time(tag, content.decode("ascii"))
    except (ValueError, LookupError, StopIteration):
        return None


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and content of consecutive elements."""
    position = 0
    while position < len(content):
        tag, length, position = content[position], content[position + 1], position + 2
        if length & _LONG_FORM:
            size = length & ~_LONG_FORM
            length, position = int.from_bytes(content[position : position + size], "big"), position + size
        yield tag, content[position : position + length]
        position += length


def _parse_time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(tag)
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
