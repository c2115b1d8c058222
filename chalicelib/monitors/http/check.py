"""Monitors of kind "http": does a server respond as expected, fast enough, with a certificate that stays valid? Pure.

Sources: RFC 9110, "HTTP Semantics" (status codes, redirects); RFC 5280 (notAfter).
"""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct, field

from ...domain.monitor import CheckResult, ProbeContext, ProbeError
from ...domain.payloads import Level
from ...platform.phrases import duration
from . import status as http_status
from .conditions import Condition, Content, PatternTimeoutError

TIMEOUT = timedelta(seconds=10)
CERTIFICATE_WARNING = timedelta(days=14)  # before it expires
MAX_PROBLEMS = 3  # listed in a message
_HIDDEN = "…"
_MIN_SECRET = 6  # characters; shorter texts occur everywhere
_NOT_SECRET = frozenset({"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "host", "user-agent"})


class Response(Struct, frozen=True):
    """A server's response, after all redirects."""

    status: int
    headers: Mapping[str, str]  # by lower-case name
    body: str  # its beginning
    seconds: float
    redirects: int = 0
    url: str = ""  # of the final server, if it is another one; redacted
    certificate_expires_at: datetime | None = None  # the earliest of all servers involved; None without TLS
    truncated: bool = False  # the body is longer


class Failure(Struct, frozen=True):
    """Why there is no response."""

    message: str  # "refused the connection"
    timed_out: bool = False
    certificate_expired_at: datetime | None = None  # if its certificate, or one that signs it, has expired


class ResponseTimeLimits(Struct, frozen=True):
    """Response times above which a check warns and fails."""

    warn: timedelta | None = None
    error: timedelta | None = None


class HttpCheck(Struct, frozen=True):
    """A request, and what its response must be."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 3
    recoveries: ClassVar[int] = 2

    url: str
    method: Literal["GET", "HEAD", "POST"] = "GET"
    send: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # may contain secrets: never displayed
    redirects: int = 5
    timeout: timedelta = TIMEOUT
    status: tuple[str, ...] = ("2xx",)
    conditions: tuple[Condition, ...] = ()
    within: ResponseTimeLimits = ResponseTimeLimits()
    certificate: timedelta | None = CERTIFICATE_WARNING

    def __repr__(self) -> str:
        return f"HttpCheck({redact_url(self.url)})"

    @property
    def description(self) -> str:
        """The redacted URL and the expected status."""
        return f"{redact_url(self.url)} returns {http_status.describe(self.status)}"

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """None."""
        return ()

    def probe(self, context: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Response | Failure:
        """Send the request.

        Raises:
            ProbeError: the watch had less time than the timeout, or the trusted certificates cannot be read.
        """
        from .probe import fetch  # TLS and urllib3: only when needed

        time_left = context.time_left()
        response = fetch(self, min(self.timeout, time_left)) if time_left > timedelta(0) else Failure("", timed_out=True)
        if isinstance(response, Failure) and response.timed_out and time_left < self.timeout:
            raise ProbeError("the watch had too little time left to wait for a response")
        return response

    def evaluate(self, observation: Response | Failure, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """List what is wrong with the response, most severe first, at most MAX_PROBLEMS."""
        if isinstance(observation, Failure):
            message = _expired(observation.certificate_expired_at, now) or observation.message
            return CheckResult(Level.ERROR, self._hide_secrets(message))
        response = observation
        value = f"{response.status}, {response.seconds:.2f} s"
        problems = sorted(self._problems(response, now), key=lambda problem: -problem[0].rank)
        if not problems:
            return CheckResult(Level.OK, f"returned {response.status} in {response.seconds:.2f} s", value)
        more = [f"and {len(problems) - MAX_PROBLEMS} more"] if len(problems) > MAX_PROBLEMS else []
        return CheckResult(problems[0][0], "; ".join([*(text for _, text in problems[:MAX_PROBLEMS]), *more]), value)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Empty: there is no schedule."""
        return iter(())

    def _problems(self, response: Response, now: datetime) -> Iterator[tuple[Level, str]]:
        if mismatch := http_status.mismatch(response.status, self.status):
            yield Level.ERROR, self._hide_secrets(f"{mismatch} ({response.url})" if response.url else mismatch)
        content = Content(response.body, response.headers, response.truncated, self._hide_secrets)
        for condition in self.conditions:
            try:
                if violation := condition.violation(content):
                    yield Level.ERROR, violation
            except PatternTimeoutError as timeout:
                yield Level.UNKNOWN, str(timeout)
        yield from _too_slow(response.seconds, self.within)
        expires_at = response.certificate_expires_at
        if self.certificate and expires_at and expires_at - now < self.certificate:
            expired = _expired(expires_at, now)
            expires = f"its certificate expires in {duration(expires_at - now)}, on {_date(expires_at)}"
            yield (Level.ERROR, expired) if expired else (Level.WARNING, expires)

    def _hide_secrets(self, text: str) -> str:
        """Remove what was sent: a response, or the target of a redirect, may repeat it."""
        values = [value for name, value in self.headers.items() if name.lower() not in _NOT_SECRET]
        values += [self.send, *(value for _, value in parse_qsl(urlsplit(self.url).query))]
        secrets = {part for value in values for part in (value, *value.split()) if len(part) >= _MIN_SECRET}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return text


def _too_slow(seconds: float, limits: ResponseTimeLimits) -> Iterator[tuple[Level, str]]:
    for level, limit in ((Level.ERROR, limits.error), (Level.WARNING, limits.warn)):
        if limit and seconds > limit.total_seconds():
            rounded_up = math.ceil(seconds * 100) / 100  # never "took 2.00 s, more than 2 s"
            yield level, f"took {rounded_up:.2f} s, more than {limit.total_seconds():g} s"
            return


def _expired(at: datetime | None, now: datetime) -> str:
    return f"its certificate expired {duration(now - at)} ago, on {_date(at)}" if at and at <= now else ""


def _date(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def redact_url(url: str) -> str:
    """Remove user, password and query, which may be secret, from a URL."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}" + ("?…" if parts.query else "")
