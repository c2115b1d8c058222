"""When a certificate ends, read from its DER: Python tells it only of those that are valid.

Source: RFC 5280, 4.1 (Certificate, TBSCertificate, Validity) and 4.1.2.5 (UTCTime, GeneralizedTime); ITU-T X.690, 8.1.3.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_VALIDITY = 3  # after serialNumber, signature and issuer
_LONG = 0x80


def ends(der: bytes) -> datetime | None:
    """Its notAfter, UTC; None where that cannot be read."""
    try:
        _, certificate = next(_parts(der))
        _, to_be_signed = next(_parts(certificate))
        fields = [content for tag, content in _parts(to_be_signed) if tag != _VERSION]
        _, (tag, content) = _parts(fields[_VALIDITY])
        return _moment(tag, content.decode("ascii"))
    except (ValueError, LookupError, StopIteration):
        return None


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and contents that follow each other."""
    at = 0
    while at < len(content):
        tag, length, at = content[at], content[at + 1], at + 2
        if length & _LONG:
            size = length & ~_LONG
            length, at = int.from_bytes(content[at : at + size], "big"), at + size
        yield tag, content[at : at + length]
        at += length


def _moment(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError(tag)
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
