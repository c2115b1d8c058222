"""Reads the fields of kind "http" of a [[monitors]] table."""

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from ...domain.monitor import Check, MonitorDefaults
from ...platform.fields import values
from ...platform.fields.table import FieldError, Table
from . import status as http_status
from .check import ENDS_SOON, TIMEOUT, Http, Within
from .conditions import of_body, of_header

_SENT = ("url", "method", "send", "headers", "redirects", "timeout")
_WANTED = ("status", "body", "header", "within", "certificate")
FIELDS = {"http": (*_SENT, *_WANTED)}

LONGEST = timedelta(seconds=30)  # of a watch's minute
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2, "token"
_FRAMING = ("connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer", "expect")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) ?(ms|s)")
_SPAN_HINT = 'write "500ms", "1.5s" or "10s"'
_WITHIN_HINT = 'write "2s", or { warn = "1s", error = "5s" }'
_HEADERS_HINT = 'write headers = { Accept = "application/json" }'


def read(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """The check of a table; what is wrong with it is written down in the table."""
    soon: timedelta | None = ENDS_SOON
    check = Http(
        url=table.text("url", "https://localhost", _url),
        method=table.choice("method", "GET", ("GET", "HEAD", "POST")),
        send=table.text("send"),
        headers=_headers(table),
        redirects=table.number("redirects", 5, 0, 20),
        timeout=table.parsed("timeout", TIMEOUT, _timeout),
        status=_statuses(table),
        conditions=(*table.each_parsed("body", (), of_body), *table.each_parsed("header", (), of_header)),
        within=_within(table),
        certificate=table.parsed("certificate", soon, _certificate),
    )
    if not table.has("url"):
        table.wrong("url", "it is missing", 'such as url = "https://example.com/health"')
    _contradictions(check, table)
    return {"": check}


def _contradictions(check: Http, table: Table) -> None:
    if check.method == "HEAD" and table.has("body"):
        table.wrong("body", "an answer to HEAD has none", 'leave out body, or method = "HEAD"')
    if table.has("send") and check.method != "POST":
        table.wrong("send", f"nothing is sent with {check.method}", 'add method = "POST"')
    if table.has("certificate") and check.certificate and urlsplit(check.url).scheme != "https":
        table.wrong("certificate", "there is none without https", "leave it out, or write https:// in url")
    slow = max((each for each in (check.within.warn, check.within.error) if each), default=timedelta(0))
    if slow >= check.timeout:
        table.wrong("within", "no answer is waited for so long", f'give a longer timeout, up to "{LONGEST.seconds}s"')


def _url(text: str) -> str:
    """Check a URL; what is wrong is told without it: it may have a secret in it."""
    try:
        parts = urlsplit(values.url(text))
        _ = parts.port
    except FieldError:
        raise
    except ValueError:
        raise FieldError("its host or its port cannot be read", "such as https://example.com:8443/health") from None
    if parts.username is not None:
        raise FieldError("it has a user or a password in it", 'write headers = { Authorization = "${…}" }')
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise FieldError("it has a space in it", "write %20 for a space")
    return text


def _statuses(table: Table) -> tuple[str, ...]:
    """One status or several, of which plain numbers need no quotes."""
    raw = table.raw("status")
    given = raw if isinstance(raw, list) else [raw]
    if any(isinstance(each, int) and not isinstance(each, bool) for each in given):
        return table.attempt("status", ("2xx",), lambda: tuple(http_status.parse(str(each)) for each in given))
    found = table.each_parsed("status", ("2xx",), http_status.parse)
    if not found:
        table.wrong("status", "it is empty", http_status.HINT)
    return found or ("2xx",)


def _headers(table: Table) -> Mapping[str, str]:
    raw = table.raw("headers")
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        table.wrong("headers", "it is not a table", _HEADERS_HINT)
        return {}
    inner = table.inner("headers", ())
    for name in raw:
        if not _HEADER_NAME.fullmatch(name):
            table.wrong("headers", f"{name!r} is no name of a header", "letters, digits and '-'")
        if name.lower() in _FRAMING:
            table.wrong("headers", f"{name} follows from what is sent", "leave it out")
    return {name: inner.text(name, "", _header_value) for name in raw}


def _header_value(text: str) -> str:
    if any(ord(letter) < 32 or ord(letter) in range(127, 160) or ord(letter) > 255 for letter in text):
        raise FieldError("it has a letter that no header may have", "plain letters in one line")
    return text


def _seconds(text: str) -> timedelta:
    """Read a short span: "500ms", "1.5s", or any other."""
    found = _SECONDS.fullmatch(text)
    if not found:
        return values.span(text)
    span = timedelta(**{"milliseconds" if found[2] == "ms" else "seconds": float(found[1])})
    if not span:
        raise FieldError(f"{text!r} is no time at all", _SPAN_HINT)
    return span


def _timeout(text: str) -> timedelta:
    span = _seconds(text)
    if span > LONGEST:
        raise FieldError(f"{text!r} is longer than a watch may wait", f'write "{LONGEST.seconds}s" or less')
    return span


def _certificate(text: str) -> timedelta | None:
    if text == "off":
        return None
    try:
        return values.span(text)
    except FieldError as wrong:
        raise FieldError(wrong.problem, 'write "14d", or "off"') from None


def _within(table: Table) -> Within:
    raw = table.raw("within")
    if not isinstance(raw, dict):
        if raw is not None and not isinstance(raw, str):
            table.wrong("within", "it is no text", _WITHIN_HINT)
            return Within()
        return Within(warn=table.parsed("within", None, _seconds))
    inner = table.inner("within", ("warn", "error"))
    found = Within(inner.parsed("warn", None, _seconds), inner.parsed("error", None, _seconds))
    if not raw:
        table.wrong("within", "it is empty", _WITHIN_HINT)
    if found.warn and found.error and found.warn >= found.error:
        inner.wrong("warn", "the warning would never come before the error", "give warn the shorter one")
    return found
