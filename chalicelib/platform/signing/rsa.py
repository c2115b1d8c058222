"""Verifies RSA signatures with the key of a certificate, on the standard library: Lambda's Python has no module that does.

The signature is compared as a whole with the only encoding that the signer can have produced. Parsing it instead is what forged
signatures exploit (Bleichenbacher 2006, CVE-2006-4339).
Source: RFC 8017, sections 8.2.2 (RSASSA-PKCS1-v1_5) and 9.2 (the encoding); RFC 5280, section 4.1 (certificates); ITU-T X.690
(DER). Whom a certificate belongs to and who issued it is not checked here: the caller trusts where it comes from.
"""

import hashlib
import hmac
import ssl
from datetime import UTC, datetime

from msgspec import Struct

_DIGEST_INFO = {  # RFC 8017, section 9.2, note 1
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
_RSA_KEY = bytes.fromhex("300d06092a864886f70d0101010500")  # the algorithm of an RSA key: rsaEncryption, NULL
_INTEGER, _BIT_STRING, _SEQUENCE, _VERSION = 0x02, 0x03, 0x30, 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # UTCTime and GeneralizedTime, as RFC 5280 restricts them
_MIN_BITS, _MAX_BITS = 2048, 8192
_MIN_EXPONENT, _MAX_EXPONENT = 65537, 2**32


class CertificateError(Exception):
    """It is not a certificate with an RSA key that we accept."""


class PublicKey(Struct, frozen=True):
    """An RSA key."""

    modulus: int
    exponent: int

    def has_signed(self, message: bytes, signature: bytes, digest: str) -> bool:
        """Whether the signature is this key's. `digest` is "sha1" or "sha256"."""
        size = (self.modulus.bit_length() + 7) // 8
        number = int.from_bytes(signature, "big")
        if len(signature) != size or number >= self.modulus:
            return False
        info = _DIGEST_INFO[digest] + hashlib.new(digest, message).digest()
        expected = b"\x00\x01" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info
        return hmac.compare_digest(pow(number, self.exponent, self.modulus).to_bytes(size, "big"), expected)


class Certificate(Struct, frozen=True):
    """What we need of a certificate."""

    key: PublicKey
    starts_at: datetime
    ends_at: datetime

    def is_valid_at(self, now: datetime) -> bool:
        """Whether the time is in its validity period."""
        return self.starts_at <= now <= self.ends_at


def parse_certificate(pem: bytes) -> Certificate:
    """Read the first certificate of a PEM file.

    Raises:
        CertificateError: it has none with an RSA key of 2048 to 8192 bits.
    """
    try:
        first, end, _ = pem.decode("ascii").lstrip().partition("-----END CERTIFICATE-----")
        return _parse(ssl.PEM_cert_to_DER_cert(first + end))
    except (ValueError, IndexError) as error:  # also UnicodeDecodeError and binascii.Error
        raise CertificateError(str(error)) from error


def _parse(der: bytes) -> Certificate:
    fields = _children(_children(_only(der, _SEQUENCE))[0][1])
    if fields[0][0] == _VERSION:  # absent in version 1
        fields = fields[1:]
    if len(fields) < 6:
        raise ValueError("fields are missing")
    _serial, _signature, _issuer, (_, validity), _subject, (_, key) = fields[:6]
    starts_at, ends_at = map(_time, _children(validity)[:2])
    return Certificate(_public_key(key), starts_at, ends_at)


def _public_key(der: bytes) -> PublicKey:
    if not der.startswith(_RSA_KEY):
        raise ValueError("the key is not an RSA key")
    bits = _only(der[len(_RSA_KEY) :], _BIT_STRING)
    numbers = _children(_only(bits[1:], _SEQUENCE))
    if bits[:1] != b"\x00" or [tag for tag, _ in numbers] != [_INTEGER, _INTEGER]:
        raise ValueError("the key is malformed")
    modulus, exponent = (int.from_bytes(content, "big", signed=True) for _, content in numbers)
    if not _MIN_BITS <= modulus.bit_length() <= _MAX_BITS or modulus < 0:
        raise ValueError("the key's size is not accepted")
    if not _MIN_EXPONENT <= exponent <= _MAX_EXPONENT or exponent % 2 == 0:
        raise ValueError("the key's exponent is not accepted")
    return PublicKey(modulus, exponent)


def _time(value: tuple[int, bytes]) -> datetime:
    tag, content = value
    if tag not in _TIMES:
        raise ValueError("the validity period is malformed")
    time = datetime.strptime(content.decode("ascii"), _TIMES[tag]).replace(tzinfo=UTC)
    return time.replace(year=time.year - 100) if tag == 0x17 and time.year >= 2050 else time  # RFC 5280, section 4.1.2.5.1


def _only(der: bytes, tag: int) -> bytes:
    """The content of the one value that these bytes are."""
    values = _children(der)
    if len(values) != 1 or values[0][0] != tag:
        raise ValueError("not the expected value")
    return values[0][1]


def _children(der: bytes) -> list[tuple[int, bytes]]:
    """The values, each with its tag. Bytes that are left over, or missing, are an error."""
    found, at = [], 0
    while at < len(der):
        if at + 2 > len(der):
            raise ValueError("a length is missing")
        tag, length, at = der[at], der[at + 1], at + 2
        if length >= 0x80:  # the long form: the number of bytes that have the length
            count = length - 0x80
            if not 1 <= count <= 3:  # 0 is BER's indefinite form
                raise ValueError("a length is not DER, or too large")
            length, at = int.from_bytes(der[at : at + count], "big"), at + count
        if at + length > len(der):
            raise ValueError("the end is missing")
        found.append((tag, der[at : at + length]))
        at += length
    return found
