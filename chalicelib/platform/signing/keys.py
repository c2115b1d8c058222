"""The secret `console-key`, which signs tokens: its text, its rotation, and the signer that reads it from Parameter Store.

The text is "<key>", or "<key> <previous key>:<seconds since 1970>" after a rotation: until then, tokens of the previous key are
accepted, such as the unsubscribe links of yesterday's mails. A second rotation ends them at once.
"""

import hmac
import secrets as random_source
from collections.abc import Callable
from datetime import datetime, timedelta

from ..clock import Clock
from ..secrets import MissingSecret, Secrets
from .tokens import Signer

KEY_NAME = "console-key"
GRACE = timedelta(days=30)  # after a rotation; a link to unsubscribe must work for 30 days (US CAN-SPAM Act, section 5(a)(3))
_MIN_LENGTH = 32  # hex digits: 128 bits


def new_key() -> str:
    """Return a new random key: 256 bits in hex digits."""
    return random_source.token_hex(32)


def rotated(text: str, now: datetime, key: Callable[[], str] = new_key) -> str:
    """Return the secret's text with a new key; the present one stays valid for GRACE, an earlier one no longer."""
    present = text.split(" ")[0].strip()
    return f"{key()} {present}:{int((now + GRACE).timestamp())}" if present else key()


def parse_keys(text: str, now: datetime) -> list[bytes]:
    """Return the accepted keys, the one that signs first.

    Raises:
        MissingSecret: the text is not one of ours.
    """
    key, _, previous = text.strip().partition(" ")
    if len(key) < _MIN_LENGTH:
        raise MissingSecret(f"the secret {KEY_NAME} is too short; to replace it: dropnote setup --rotate")
    keys = [key.encode()]
    old, _, until = previous.partition(":")
    if len(old) >= _MIN_LENGTH and until.isdigit() and now.timestamp() < int(until):
        keys.append(old.encode())
    return keys


def derived(text: str, purpose: str) -> str:
    """Return the secret's text with keys derived for one purpose, in the same format. They say nothing about the secret's own."""
    key, _, previous = text.strip().partition(" ")
    old, colon, until = previous.partition(":")
    present = _derive(key, purpose)
    return f"{present} {_derive(old, purpose)}:{until}" if colon else present


def _derive(key: str, purpose: str) -> str:
    return hmac.digest(key.encode(), f"dropnote derived {purpose}".encode(), "sha256").hex()


def make_signer(secrets: Secrets, clock: Clock) -> Signer:
    """Create the signer whose key is read when it is first needed."""
    return Signer(lambda: parse_keys(secrets.secret(KEY_NAME), clock()), clock)
