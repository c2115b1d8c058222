"""Reads single values of the settings file. Each function returns the value or raises FieldError with the problem and a hint."""

import difflib
import re
from collections.abc import Callable
from datetime import timedelta
from email.utils import parseaddr
from typing import TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from ..regions import REGION
from ..sanitize import mask_email, mask_number
from .table import FieldError

T = TypeVar("T")

_SPAN = re.compile(r"(\d+)\s*([smhd])")
_SPAN_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) per (second|minute|hour)")
_RATE_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_MIN_RATE, _MAX_RATE = 1 / 3600, 1000.0  # messages per second: one an hour; more than any account may send
_E164 = re.compile(r"\+[1-9]\d{6,14}")  # ITU-T E.164
_EMAIL = re.compile(r"[^@\s<>\",;]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_BUCKET = re.compile(r"(?!xn--|sthree-)(?!\d+(\.\d+){3}$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")


def parse_duration(text: str) -> timedelta:
    """Parse a duration such as "90s", "10m", "24h" or "7d"."""
    match = _SPAN.fullmatch(text.strip())
    if not match or int(match[1]) == 0 or int(match[1]) > 10_000:
        raise FieldError(f"invalid duration {text!r}", 'use for example "90s", "10m", "24h" or "7d"')
    return timedelta(**{_SPAN_UNITS[match[2]]: int(match[1])})


def parse_rate(text: str) -> float:
    """Parse a rate such as "14 per second", "0.5 per second" or "30 per minute" into messages per second."""
    match = _RATE.fullmatch(" ".join(text.split()))
    rate = float(match[1]) / _RATE_SECONDS[match[2]] if match else 0.0
    if not _MIN_RATE <= rate <= _MAX_RATE:
        problem = f"{text!r} is out of range" if match else f"invalid rate {text!r}"
        raise FieldError(problem, 'use for example "14 per second", "0.5 per second" or "30 per minute"')
    return rate


def time_zone(name: str) -> str:
    """Check a time zone: an IANA name such as Asia/Kolkata, or UTC."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        hint = _suggest_zone(name)
        raise FieldError(f"unknown time zone {name!r}", hint) from None
    if name != "UTC" and "/" not in name:  # such as CET or EST, some without daylight saving time
        raise FieldError(f"ambiguous time zone {name!r}", "use a city, for example Europe/Paris")
    return name


def _suggest_zone(name: str) -> str:
    from zoneinfo import available_timezones

    zones = available_timezones()
    cities = {zone.rpartition("/")[2]: zone for zone in sorted(zones)}
    if name in cities:
        return f"did you mean {cities[name]!r}?"
    near = difflib.get_close_matches(name, zones, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else "use an IANA name, for example Asia/Kolkata"


def phone_number(text: str) -> str:
    """Check a phone number: E.164, with country code."""
    if not _E164.fullmatch(text):
        hint = 'use country code and digits only, for example "+919812345678"'
        raise FieldError(f"invalid phone number {mask_number(text)}", hint)
    return text


def email_address(text: str) -> str:
    """Check a bare e-mail address such as asha@example.com."""
    if not _EMAIL.fullmatch(text):
        raise FieldError(f"invalid e-mail address {mask_email(text)}", 'use for example "asha@example.com"')
    return text


def sender(text: str) -> str:
    """Check a sender: "Acme drops <drops@example.com>" or a bare address."""
    if any(ord(character) < 32 for character in text) or not _EMAIL.fullmatch(parseaddr(text)[1]):
        raise FieldError("invalid sender", 'use for example "Acme drops <drops@example.com>"')
    return text


def url(text: str) -> str:
    """Check an http or https URL. The error does not quote it: it may contain a secret."""
    try:
        parts = urlsplit(text)
    except ValueError:  # such as https://[::1
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FieldError("invalid URL", 'use for example "https://example.com/health"')
    return text


def arn(service: str, text: str) -> str:
    """Check the ARN of an SNS topic or SQS queue (AWS general reference, "ARNs")."""
    if not re.fullmatch(rf"arn:aws[a-z-]*:{service}:[a-z0-9-]+:\d{{12}}:[A-Za-z0-9_.-]{{1,256}}", text):
        raise FieldError(f"invalid ARN {text!r}", f'use for example "arn:aws:{service}:eu-west-1:123456789012:uploads"')
    return text


def dynamodb_table(name: str) -> str:
    """Check a table name (Amazon DynamoDB developer guide, "Naming rules")."""
    if not _TABLE.fullmatch(name):
        raise FieldError(f"invalid table name {name!r}", "use 3 to 255 of a-z, A-Z, 0-9, '-', '_' and '.'")
    return name


def bucket(name: str) -> str:
    """Check a bucket name (Amazon S3 user guide, "General purpose bucket naming rules")."""
    if not _BUCKET.fullmatch(name):
        raise FieldError(f"invalid bucket name {name!r}", "use 3 to 63 of a-z, 0-9, '-' and '.'")
    return name


def region(text: str) -> str:
    """Check the name of an AWS region."""
    if not REGION.fullmatch(text):
        raise FieldError(f"invalid region {text!r}", 'use for example "eu-central-1"')
    return text


def field_parser(parse: Callable[[str], T], hint: str = "") -> Callable[[str], T]:
    """Wrap a parser that raises ValueError: the wrapper raises FieldError with the same text and `hint`."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except FieldError:
            raise
        except ValueError as error:
            raise FieldError(str(error), hint) from error

    return read
