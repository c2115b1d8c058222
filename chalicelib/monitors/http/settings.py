"""Reads the fields of a [[monitors]] table of kind "http"."""

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from ...domain.monitor import Check, MonitorDefaults
from ...platform.fields import values
from ...platform.fields.table import FieldError, Table
from . import status as http_status
from .check import CERTIFICATE_WARNING, TIMEOUT, HttpCheck, ResponseTimeLimits
from .conditions import parse_body_condition, parse_header_condition

_REQUEST = ("url", "method", "send", "headers", "redirects", "timeout")
_EXPECTED = ("status", "body", "header", "within", "certificate")
FIELDS = {"http": (*_REQUEST, *_EXPECTED)}

MAX_TIMEOUT = timedelta(seconds=30)  # of the watch's minute
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2, "token"
_FRAMING = ("connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(ms|s)")
_TIMEOUT_HINT = f'use "{MAX_TIMEOUT.seconds}s" or less'
_WITHIN_HINT = 'use for example "2s", or { warn = "1s", error = "5s" }'
_HEADERS_HINT = 'use for example headers = { Accept = "application/json" }'


def read(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Return the check of a table; errors are added to the table."""
    certificate: timedelta | None = CERTIFICATE_WARNING
    check = HttpCheck(
        url=table.text("url", "https://localhost", _url, required='"https://example.com/health"'),
        method=table.choice("method", "GET", ("GET", "HEAD", "POST")),
        send=table.text("send"),
        headers=_headers(table),
        redirects=table.number("redirects", 5, 0, 20),
        timeout=table.parsed("timeout", TIMEOUT, _timeout),
        status=_statuses(table),
        conditions=(
            *table.parsed_list("body", (), parse_body_condition),
            *table.parsed_list("header", (), parse_header_condition),
        ),
        within=_within(table),
        certificate=table.parsed("certificate", certificate, _certificate),
    )
    _check_conflicts(check, table)
    return {"": check}


def _check_conflicts(check: HttpCheck, table: Table) -> None:
    """Add an error for every field that cannot be combined with the others."""
    if check.method == "HEAD" and table.has("body"):
        table.add_error("body", "a response to HEAD has no body", 'remove body, or method = "HEAD"')
    if table.has("send") and check.method != "POST":
        table.add_error("send", f"{check.method} requests have no body", 'set method = "POST"')
    if table.has("certificate") and check.certificate and urlsplit(check.url).scheme != "https":
        table.add_error("certificate", "the URL is not https", "remove it, or use https:// in url")
    slowest = max((limit for limit in (check.within.warn, check.within.error) if limit), default=timedelta(0))
    if slowest >= check.timeout:
        table.add_error("within", "not less than the timeout", f'set a longer timeout, up to "{MAX_TIMEOUT.seconds}s"')


def _url(text: str) -> str:
    """Check a URL. Errors do not quote it: it may contain a secret."""
    try:
        parts = urlsplit(values.url(text))
        _ = parts.port
    except FieldError:
        raise
    except ValueError:
        raise FieldError("invalid host or port", 'use for example "https://example.com:8443/health"') from None
    if parts.username is not None:
        raise FieldError("contains a user or a password", 'use headers = { Authorization = "${…}" }')
    if any(character.isspace() or not character.isprintable() for character in text):
        raise FieldError("contains a space or an invisible character", "use %20 for a space")
    return text


def _statuses(table: Table) -> tuple[str, ...]:
    """Read one status or a list; plain numbers need no quotes."""
    raw = table.raw("status")
    entries = raw if isinstance(raw, list) else [raw]
    if any(isinstance(entry, int) and not isinstance(entry, bool) for entry in entries):
        return table.attempt("status", ("2xx",), lambda: tuple(http_status.parse(str(entry)) for entry in entries))
    statuses = table.parsed_list("status", ("2xx",), http_status.parse)
    if not statuses:
        table.add_error("status", "empty", http_status.HINT)
    return statuses or ("2xx",)


def _headers(table: Table) -> Mapping[str, str]:
    raw = table.raw("headers")
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        table.add_error("headers", "must be a table", _HEADERS_HINT)
        return {}
    inner = table.inner("headers", ())
    for name in raw:
        if not _HEADER_NAME.fullmatch(name):
            table.add_error("headers", f"invalid header name {name!r}", "use letters, digits and '-'")
        if name.lower() in _FRAMING:
            table.add_error("headers", f"{name} is set automatically", "remove it")
    return {name: inner.text(name, "", _header_value) for name in raw}


def _header_value(text: str) -> str:
    if any(ord(character) < 32 or ord(character) in range(127, 160) or ord(character) > 255 for character in text):
        raise FieldError("contains a character that headers do not allow", "use plain characters in one line")
    return text


def _response_time(text: str) -> timedelta:
    """Read a short time such as "500ms" or "1.5s", or any other duration."""
    match = _SECONDS.fullmatch(text)
    if not match:
        return values.parse_duration(text)
    span = timedelta(**{"milliseconds" if match[2] == "ms" else "seconds": float(match[1])})
    if not span:
        raise FieldError("must be more than zero", 'use for example "500ms", "1.5s" or "10s"')
    return span


def _timeout(text: str) -> timedelta:
    span = _response_time(text)
    if span > MAX_TIMEOUT:
        raise FieldError(f"{text!r} is too long: the watch runs once a minute", _TIMEOUT_HINT)
    return span


def _certificate(text: str) -> timedelta | None:
    if text == "off":
        return None
    try:
        return values.parse_duration(text)
    except FieldError as error:
        raise FieldError(error.problem, 'use for example "14d", or "off"') from None


def _within(table: Table) -> ResponseTimeLimits:
    raw = table.raw("within")
    if not isinstance(raw, dict):
        if raw is not None and not isinstance(raw, str):
            table.add_error("within", "must be text or a table", _WITHIN_HINT)
            return ResponseTimeLimits()
        return ResponseTimeLimits(warn=table.parsed("within", None, _response_time))
    inner = table.inner("within", ("warn", "error"))
    limits = ResponseTimeLimits(inner.parsed("warn", None, _response_time), inner.parsed("error", None, _response_time))
    if not raw:
        table.add_error("within", "empty", _WITHIN_HINT)
    if limits.warn and limits.error and limits.warn >= limits.error:
        inner.add_error("warn", "the warning would never come before the error", "use a shorter time")
    return limits
