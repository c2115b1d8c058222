"""Signed, expiring tokens for links, sessions and forms.

A token is "1" (the format) and the unpadded base64url text of: 16 bytes of signature, 5 bytes with the end in seconds since
1970, and the claims as a JSON array. The signature is HMAC-SHA256, shortened to 128 bits, with a key derived from our secret for
each purpose: a token for one purpose is worth nothing for another.
Sources: RFC 2104, section 5 (a shortened signature); RFC 4648, section 5 (base64url).
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum

from ..clock import Clock

FORMAT = "1"
_SIGNATURE, _END = 16, 5  # bytes
_MAX_LENGTH = 1000  # longer ones are not ours: do not even decode them


class Purpose(StrEnum):
    """What a token is for. The words are part of the signature: rename one, and its tokens in mails and texts end."""

    SIGN_IN = "sign-in"
    SESSION = "session"
    RETURN = "return"
    CSRF = "csrf"
    OBJECT = "object"
    UPLOAD = "upload"
    UNSUBSCRIBE = "unsubscribe"
    ACKNOWLEDGE = "acknowledge"
    MUTE = "mute"


class InvalidToken(ValueError):
    """A token that we did not issue for this purpose."""


class ExpiredToken(InvalidToken):
    """A token of ours whose time is over."""


class Signer:
    """Issues and reads tokens. `keys` returns the keys that are accepted now; the first one signs."""

    def __init__(self, keys: Callable[[], Sequence[bytes]], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def issue(self, purpose: Purpose, *claims: str, lasts: timedelta) -> str:
        """Return a token with these claims: whoever has it can read them, but not change them.

        Raises:
            MissingSecret: there is no key.
        """
        end = int((self._clock() + lasts).timestamp())
        body = end.to_bytes(_END, "big") + json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()
        return FORMAT + _encode(_sign(self._keys()[0], purpose, body) + body)

    def sign(self, purpose: Purpose, raw: bytes) -> str:
        """Return a short text with these bytes and their signature, without an end: what they name says how long it is valid.

        Raises:
            MissingSecret: there is no key.
        """
        return _encode(raw + _sign(self._keys()[0], purpose, raw))

    def signed(self, purpose: Purpose, text: str) -> bytes:
        """Return the bytes of a text that `sign` made.

        Raises:
            InvalidToken: it was not made by us for this purpose. MissingSecret: there is no key.
        """
        both = _decode_text(text)
        raw, signature = both[:-_SIGNATURE], both[-_SIGNATURE:]
        valid = [hmac.compare_digest(signature, _sign(key, purpose, raw)) for key in self._keys()]
        if not any(valid):
            raise InvalidToken("the text was not signed by us for this purpose")
        return raw

    def read(self, purpose: Purpose, token: str) -> list[str]:
        """Return a token's claims.

        Raises:
            InvalidToken: it was not issued by us for this purpose. ExpiredToken: it was, and its time is over.
            MissingSecret: there is no key.
        """
        raw = _decode(token)
        signature, body = raw[:_SIGNATURE], raw[_SIGNATURE:]
        valid = [hmac.compare_digest(signature, _sign(key, purpose, body)) for key in self._keys()]
        if not any(valid):
            raise InvalidToken("the token was not issued by us for this purpose")
        if self._clock().timestamp() >= int.from_bytes(body[:_END], "big"):
            raise ExpiredToken("the token has expired")
        return [str(claim) for claim in json.loads(body[_END:])]


def _sign(key: bytes, purpose: Purpose, body: bytes) -> bytes:
    derived = hmac.digest(key, f"dropnote {FORMAT} {purpose.value}".encode(), "sha256")
    return hmac.digest(derived, body, "sha256")[:_SIGNATURE]


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(token: str) -> bytes:
    """Return the bytes of a token. Only the one text that we would have written for them is accepted."""
    raw = _decode_text(token[len(FORMAT) :])
    if not token.startswith(FORMAT) or len(raw) <= _SIGNATURE + _END:
        raise InvalidToken("this is not a token")
    return raw


def _decode_text(text: str) -> bytes:
    if len(text) >= _MAX_LENGTH or not text.isascii():
        raise InvalidToken("this is not a token")
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise InvalidToken("this is not a token") from None
    if _encode(raw) != text:
        raise InvalidToken("this is not a token")
    return raw
