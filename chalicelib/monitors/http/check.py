"""Monitors of kind "http": does a server answer, with what it should, soon enough, under a certificate that lasts? Pure.

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
from .conditions import Condition, Page, Stalled

TIMEOUT = timedelta(seconds=10)
ENDS_SOON = timedelta(days=14)  # of a certificate
TOLD = 3  # wrong things in a message
_HIDDEN = "…"
_SECRET = 6  # letters that a secret has at least: shorter ones are in every other text
_NO_SECRETS = frozenset({"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "host", "user-agent"})


class Answer(Struct, frozen=True):
    """What a server answered, at the end of all redirects."""

    status: int
    headers: Mapping[str, str]  # by lower-case name
    body: str  # its beginning
    seconds: float
    redirects: int = 0
    url: str = ""  # who answered in the end, where that is another server; fit to show
    certificate_ends: datetime | None = None  # of all servers on the way the first to end; None without TLS
    cut: bool = False  # the body goes on


class Failed(Struct, frozen=True):
    """Why there is no answer."""

    says: str  # "refused the connection"
    late: bool = False  # there was no more time
    certificate_ends: datetime | None = None  # where its certificate, or one that it hangs on, has ended


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
    certificate: timedelta | None = ENDS_SOON

    def __repr__(self) -> str:
        return f"Http({shown(self.url)})"

    @property
    def what(self) -> str:
        """The URL, without what may be secret in it, and the status."""
        return f"{shown(self.url)} answers {http_status.words(self.status)}"

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Nothing of AWS."""
        return ()

    def probe(self, reach: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Answer | Failed:
        """Ask the server.

        Raises:
            Unreadable: the watch had less time than the server has, or trusts nobody that it could read.
        """
        from .probe import ask  # TLS and all that: only where it is needed

        left = reach.time_left()
        seen = ask(self, min(self.timeout, left)) if left > timedelta(0) else Failed("", late=True)
        if isinstance(seen, Failed) and seen.late and left < self.timeout:
            raise ProbeError("the watch had too little time left to wait for an answer")
        return seen

    def evaluate(self, seen: Answer | Failed, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """What an answer amounts to: the worst first, and at most TOLD things."""
        if isinstance(seen, Failed):
            return CheckResult(Level.ERROR, self._hide(_ended(seen.certificate_ends, now) or seen.says))
        value = f"{seen.status}, {seen.seconds:.2f} s"
        found = sorted(self._wrong(seen, now), key=lambda each: -each[0].rank)
        if not found:
            return CheckResult(Level.OK, f"answered {seen.status} in {seen.seconds:.2f} s", value)
        more = [f"and {len(found) - TOLD} more"] if len(found) > TOLD else []
        return CheckResult(found[0][0], "; ".join([*(says for _, says in found[:TOLD]), *more]), value)

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """It is looked at now and then."""
        return iter(())

    def _wrong(self, seen: Answer, now: datetime) -> Iterator[tuple[Level, str]]:
        if wrong := http_status.wrong(seen.status, self.status):
            yield Level.ERROR, self._hide(f"{wrong} ({seen.url})" if seen.url else wrong)
        page = Page(seen.body, seen.headers, seen.cut, self._hide)
        for condition in self.conditions:
            try:
                if wrong := condition.wrong(page):
                    yield Level.ERROR, wrong
            except Stalled as stalled:
                yield Level.UNKNOWN, str(stalled)
        yield from _too_slow(seen.seconds, self.within)
        if self.certificate and seen.certificate_ends and seen.certificate_ends - now < self.certificate:
            soon = f"its certificate ends in {duration(seen.certificate_ends - now)}, on {_day(seen.certificate_ends)}"
            ended = _ended(seen.certificate_ends, now)
            yield (Level.ERROR, ended) if ended else (Level.WARNING, soon)

    def _hide(self, text: str) -> str:
        """Take out what was sent: an answer, or where it redirects to, may repeat it."""
        values = [value for name, value in self.headers.items() if name.lower() not in _NO_SECRETS]
        values += [self.send, *(value for _, value in parse_qsl(urlsplit(self.url).query))]
        secrets = {each for value in values for each in (value, *value.split()) if len(each) >= _SECRET}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, _HIDDEN)
        return text


def _too_slow(seconds: float, within: Within) -> Iterator[tuple[Level, str]]:
    for level, most in ((Level.ERROR, within.error), (Level.WARNING, within.warn)):
        if most and seconds > most.total_seconds():
            took = math.ceil(seconds * 100) / 100  # never "took 2.00 s, more than 2 s"
            yield level, f"took {took:.2f} s, more than {most.total_seconds():g} s"
            return


def _ended(at: datetime | None, now: datetime) -> str:
    return f"its certificate ended {duration(now - at)} ago, on {_day(at)}" if at and at <= now else ""


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def shown(url: str) -> str:
    """A URL as it may be shown: without a user, a password, or a query, which are where secrets are."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}" + ("?…" if parts.query else "")
