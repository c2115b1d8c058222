"""Monitors of kind "http": does a server answer, with what it should, soon enough, under a certificate that lasts? Pure.

Sources: RFC 9110, "HTTP Semantics" (status codes, redirects); RFC 5280 (notAfter).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from msgspec import Struct, field

from ..events import Level
from ..events.lines import in_words
from ..policy.incident import Result
from ..settings import values
from ..settings.table import Table
from ..settings.values import Wrong
from .http_conditions import Condition, of_body, of_header
from .model import Check, Defaults, Reach

_SENT = ("url", "method", "send", "headers", "redirects", "timeout")
_WANTED = ("status", "body", "header", "within", "certificate")
FIELDS = {"http": (*_SENT, *_WANTED)}

TIMEOUT = timedelta(seconds=10)
LONGEST = timedelta(seconds=30)  # of a watch's minute
TOLD = 3  # wrong things in a message
_STATUS = re.compile(r"!?([1-5]xx|[1-5]\d\d)")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2, "token"


class Answer(Struct, frozen=True):
    """What a server answered, at the end of all redirects."""

    status: int
    headers: Mapping[str, str]  # by lower-case name
    body: str  # its beginning
    seconds: float
    redirects: int = 0
    certificate_ends: datetime | None = None  # of the last server; None without TLS


class Failed(Struct, frozen=True):
    """Why there is no answer: "refused the connection"."""

    says: str


class Within(Struct, frozen=True):
    """How long an answer may take."""

    warn: timedelta | None = None
    error: timedelta | None = None


class Http(Struct, frozen=True):
    """What is asked, and what is to be answered."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 3
    recoveries: ClassVar[int] = 2

    url: str
    method: Literal["GET", "HEAD", "POST"] = "GET"
    send: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # may have secrets: never shown
    redirects: int = 5
    timeout: timedelta = TIMEOUT
    status: tuple[str, ...] = ("2xx",)
    conditions: tuple[Condition, ...] = ()
    within: Within = Within()
    certificate: timedelta | None = timedelta(days=14)

    @property
    def what(self) -> str:
        """The URL, without what may be secret in it, and the status."""
        return f"{shown(self.url)} answers {' or '.join(self.status)}"

    @property
    def asks(self) -> tuple[tuple[str, str], ...]:
        """Nothing of AWS."""
        return ()

    def look(self, reach: Reach, now: datetime, memory: Mapping[str, Any]) -> Answer | Failed:
        """Ask the server."""
        from .http_probe import ask  # TLS and all that: only where it is needed

        return ask(self, min(self.timeout, reach.time_left()))

    def judge(self, seen: Answer | Failed, now: datetime, memory: Mapping[str, Any]) -> Result:
        """What an answer amounts to: the worst first, and at most TOLD things."""
        if isinstance(seen, Failed):
            return Result(Level.ERROR, seen.says)
        value = f"{seen.status}, {seen.seconds:.2f} s"
        found = sorted(self._wrong(seen, now), key=lambda each: -each[0].rank)
        if not found:
            return Result(Level.OK, f"answered {seen.status} in {seen.seconds:.2f} s", value)
        more = [f"and {len(found) - TOLD} more"] if len(found) > TOLD else []
        return Result(found[0][0], "; ".join([*(says for _, says in found[:TOLD]), *more]), value)

    def coming(self, after: datetime) -> Iterator[datetime]:
        """It is looked at now and then."""
        return iter(())

    def _wrong(self, seen: Answer, now: datetime) -> Iterator[tuple[Level, str]]:
        if not status_fits(seen.status, self.status):
            yield Level.ERROR, f"answered {seen.status}, not {' or '.join(self.status)}"
        for condition in self.conditions:
            if wrong := condition.wrong(seen.body, seen.headers):
                yield Level.ERROR, wrong
        for level, most in ((Level.ERROR, self.within.error), (Level.WARNING, self.within.warn)):
            if most and seen.seconds > most.total_seconds():
                yield level, f"took {seen.seconds:.1f} s, more than {most.total_seconds():g} s"
                break
        if self.certificate and seen.certificate_ends and seen.certificate_ends - now < self.certificate:
            left = seen.certificate_ends - now
            ends = f"{seen.certificate_ends.day} {seen.certificate_ends:%b %Y}"
            if left <= timedelta(0):
                yield Level.ERROR, f"its certificate ended on {ends}"
            else:
                yield Level.WARNING, f"its certificate ends in {in_words(left)}, on {ends}"


def status_fits(status: int, wanted: Sequence[str]) -> bool:
    """Whether a status is one of those: "200", "2xx"; "!5xx" is any but those."""
    refused = [each[1:] for each in wanted if each.startswith("!")]
    allowed = [each for each in wanted if not each.startswith("!")]

    def fits(each: str) -> bool:
        return str(status)[0] == each[0] if each.endswith("xx") else str(status) == each

    return not any(map(fits, refused)) and (not allowed or any(map(fits, allowed)))


def shown(url: str) -> str:
    """A URL as it may be shown: without a user, a password, or a query, which are where secrets are."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}" + ("?…" if parts.query else "")


def read(table: Table, defaults: Defaults) -> Mapping[str, Check]:
    """The check of a table; what is wrong with it is written down in the table."""
    url = table.text("url", "http://localhost", _url, needed=True)
    method = table.choice("method", "GET", ("GET", "HEAD", "POST"))
    check = Http(
        url=url,
        method=method,
        send=table.text("send"),
        headers=_headers(table),
        redirects=table.number("redirects", 5, 0, 20),
        timeout=table.parsed("timeout", TIMEOUT, _timeout),
        status=table.each_parsed("status", ("2xx",), _status),
        conditions=(*table.each_parsed("body", (), of_body), *table.each_parsed("header", (), of_header)),
        within=_within(table),
        certificate=table.parsed("certificate", timedelta(days=14) if url.startswith("https") else None, _certificate),
    )
    if method == "HEAD" and table.has("body"):
        table.wrong("body", "an answer to HEAD has none", 'leave out body, or method = "HEAD"')
    if table.has("send") and method != "POST":
        table.wrong("send", f"nothing is sent with {method}", 'add method = "POST"')
    if table.has("certificate") and check.certificate and not url.startswith("https"):
        table.wrong("certificate", "there is none without https", "leave it out, or write https:// in url")
    return {"": check}


def _url(text: str) -> str:
    values.url(text)
    parts = urlsplit(text)
    if parts.username is not None:
        raise Wrong("it has a user or a password in it", 'write headers = { Authorization = "${…}" }')
    try:
        _ = parts.port
    except ValueError:
        raise Wrong("its port is no number up to 65535") from None
    return text


def _status(text: str) -> str:
    if not _STATUS.fullmatch(text):
        raise Wrong(f"{text!r} is no status", 'write "200", "2xx", "!5xx" or a list of them')
    return text


def _headers(table: Table) -> Mapping[str, str]:
    raw = table.raw("headers")
    if raw is None:
        return {}
    inner = table.inner("headers", ())
    found = {name: inner.text(name, "", _header_value) for name in raw} if isinstance(raw, dict) else {}
    for name in found:
        if not _HEADER_NAME.fullmatch(name):
            table.wrong("headers", f"{name!r} is no name of a header", "letters, digits and '-'")
    return found


def _header_value(text: str) -> str:
    if any(ord(letter) < 32 or ord(letter) > 255 for letter in text):
        raise Wrong("it has a letter that no header may have", "plain letters in one line")
    return text


def _timeout(text: str) -> timedelta:
    span = values.span(text)
    if span > LONGEST:
        raise Wrong(f"{text!r} is longer than a watch may wait", f'write "{LONGEST.seconds}s" or less')
    return span


def _certificate(text: str) -> timedelta | None:
    return None if text == "off" else values.span(text)


def _within(table: Table) -> Within:
    if not isinstance(table.raw("within"), dict):
        return Within(warn=table.parsed("within", None, values.span))
    inner = table.inner("within", ("warn", "error"))
    found = Within(inner.parsed("warn", None, values.span), inner.parsed("error", None, values.span))
    if found.warn and found.error and found.warn >= found.error:
        inner.wrong("warn", "the warning would never come before the error", "give warn the shorter one")
    return found
