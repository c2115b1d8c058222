"""Signs requests as the Standard Webhooks specification (version 1.0.0) says: "Webhook headers" and "Signature scheme"."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

PREFIX = "whsec_"
MIN_KEY, MAX_KEY = 24, 64  # bytes: "at least 24 bytes (192 bits, 512 maximum)"


class InvalidKey(ValueError):
    """A signing key is not of the form that the specification demands. One sentence, without the key."""


def sign(body: bytes, delivery_id: str, at: datetime, keys: tuple[str, ...]) -> dict[str, str]:
    """Return the headers of a request: its id, its time, and one signature per key, so that a receiver may rotate keys.

    The specification allows no full stop in the id, which separates the signed parts; a delivery's id has hex digits only.

    Raises:
        InvalidKey: one of the keys is not valid, or there is none.
    """
    if not keys:
        raise InvalidKey("it has no signing key")
    timestamp = str(int(at.timestamp()))
    content = b".".join((delivery_id.encode(), timestamp.encode(), body))
    signatures = (base64.b64encode(hmac.new(decode_key(key), content, hashlib.sha256).digest()).decode() for key in keys)
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def decode_key(key: str) -> bytes:
    """Return the bytes of a key such as whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw.

    Raises:
        InvalidKey: it is not valid.
    """
    try:
        decoded = base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not key.startswith(PREFIX) or not MIN_KEY <= len(decoded) <= MAX_KEY:
        raise InvalidKey(f"a signing key must be {PREFIX} followed by {MIN_KEY} to {MAX_KEY} bytes in Base64")
    return decoded
