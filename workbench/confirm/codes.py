"""Codes that confirm an address: how they are made, stored as a hash, and checked. Pure but for the random numbers.

A code has six digits, so a fast hash could be searched in a second: scrypt makes that take hours, and a code lives for minutes.
Source: NIST SP 800-63B, "Out-of-Band Verifiers" (a code is valid for at most ten minutes and is used once), RFC 7914 (scrypt).
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

LIFETIME = timedelta(minutes=10)
MAX_ATTEMPTS = 5
PAUSE = timedelta(minutes=1)  # between two codes for one address
DIGITS = 6


class Confirmation(Struct, frozen=True):
    """What is known of an address: when it was confirmed, and the code that was sent last. Neither the address nor the code."""

    confirmed_at: datetime | None = None
    sent_at: datetime | None = None
    expires_at: datetime | None = None  # of the code; None if there is none to type in
    salt: str = ""
    hash: str = ""
    attempts: int = 0


class Answer(StrEnum):
    """What a typed code turned out to be."""

    CONFIRMED = "confirmed"
    WRONG = "wrong code"
    EXPIRED = "the code has expired, or none was sent"
    USED_UP = "too many wrong codes"


def new_code() -> str:
    """A random code."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def issue(code: str, now: datetime, known: Confirmation) -> Confirmation:
    """The row of an address after a code was sent to it; an earlier code no longer works."""
    salt = secrets.token_hex(16)
    return Confirmation(known.confirmed_at, now, now + LIFETIME, salt, hash_of(code, salt))


def hash_of(code: str, salt: str) -> str:
    """The hash of a code, 32 hex digits."""
    return hashlib.scrypt(code.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=16).hex()


def check(known: Confirmation, code: str, now: datetime) -> Answer:
    """Check a code against a row whose `attempts` already counts this attempt."""
    if not known.hash or known.expires_at is None or now >= known.expires_at:
        return Answer.EXPIRED
    if known.attempts > MAX_ATTEMPTS:
        return Answer.USED_UP
    typed = "".join(code.split())
    return Answer.CONFIRMED if hmac.compare_digest(hash_of(typed, known.salt), known.hash) else Answer.WRONG


def may_send(known: Confirmation, now: datetime) -> bool:
    """Whether another code may be sent to the address already."""
    return known.sent_at is None or now - known.sent_at >= PAUSE
