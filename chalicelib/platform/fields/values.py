"""Single values of the settings file: each function gives the value, or raises Wrong with the sentence to show."""

import difflib
import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import parseaddr
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ..sanitize import mask_email, mask_number
from .table import FieldError

T = TypeVar("T")

_SPAN = re.compile(r"(\d+)\s*([smhd])")
_SPAN_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_E164 = re.compile(r"\+[1-9]\d{6,14}")  # ITU-T E.164
_EMAIL = re.compile(r"[^@\s<>\",;]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_BUCKET = re.compile(r"(?!xn--|sthree-)(?!\d+(\.\d+){3}$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")


def span(text: str) -> timedelta:
    """Read a span such as "90s", "10m", "24h" or "7d"."""
    found = _SPAN.fullmatch(text.strip())
    if not found or int(found[1]) == 0 or int(found[1]) > 10_000:
        raise FieldError(f"{text!r} is not a span of time", 'write "90s", "10m", "24h" or "7d"')
    return timedelta(**{_SPAN_UNITS[found[2]]: int(found[1])})


def zone(name: str) -> str:
    """Check a time zone: its IANA name, such as Asia/Kolkata."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        hint = _near_zone(name)
        raise FieldError(f"{name!r} is not a time zone of the IANA list", hint) from None
    if name != "UTC" and "/" not in name:
        raise FieldError(f"{name!r} is an old abbreviation without a place's clock changes", "name a city: Europe/Paris")
    return name


def _near_zone(name: str) -> str:
    from zoneinfo import available_timezones

    zones = available_timezones()
    cities = {zone.rpartition("/")[2]: zone for zone in sorted(zones)}
    if name in cities:
        return f"did you mean {cities[name]!r}?"
    near = difflib.get_close_matches(name, zones, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "such as Asia/Kolkata"


def number(text: str) -> str:
    """Check a phone number: E.164, with its country."""
    if not _E164.fullmatch(text):
        raise FieldError(f"{mask_number(text)} is not a phone number", "with country code and digits only: +919812345678")
    return text


def address(text: str) -> str:
    """Check a mail address, bare: asha@example.com."""
    if not _EMAIL.fullmatch(text):
        raise FieldError(f"{mask_email(text)} is not a mail address", "such as asha@example.com")
    return text


def sender(text: str) -> str:
    """Check a sender: "Acme drops <drops@example.com>" or the bare address."""
    if any(ord(letter) < 32 for letter in text) or not _EMAIL.fullmatch(parseaddr(text)[1]):
        raise FieldError("it is not a sender", 'such as "Acme drops <drops@example.com>"')
    return text


def url(text: str) -> str:
    """Check a URL of the web; what is wrong is told without it: it may have a secret in it."""
    try:
        parts = urlsplit(text)
    except ValueError:  # such as https://[::1
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FieldError("it is not a URL of the web", "such as https://example.com/health")
    return text


def dynamodb_table(name: str) -> str:
    """Check a table's name (Amazon DynamoDB developer guide, "Naming rules")."""
    if not _TABLE.fullmatch(name):
        raise FieldError(f"{name!r} is no name of a table", "3 to 255 of a-z, A-Z, 0-9, '-', '_' and '.'")
    return name


def bucket(name: str) -> str:
    """Check a bucket's name (Amazon S3 user guide, "General purpose bucket naming rules")."""
    if not _BUCKET.fullmatch(name):
        raise FieldError(f"{name!r} is not a bucket name", "3 to 63 of a-z, 0-9, '-' and '.'")
    return name


def of_text(parse: Callable[[str], T], hint: str = "") -> Callable[[str], T]:
    """A reading that raises Wrong where `parse` raises ValueError; its sentence is the problem."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except FieldError:
            raise
        except ValueError as error:
            raise FieldError(str(error), hint) from error

    return read
