"""Asking a server once, within a time that holds for all of it: connecting, TLS, redirects, and a body that comes drop by drop.

urllib3 without its pools, retries and redirects: what is wrong is to be seen, not smoothed over. Source: RFC 9110, 15.4
(redirects; what becomes of the method).
"""

import logging
import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from http.client import HTTPException
from threading import Timer
from typing import Any
from urllib.parse import urljoin

from msgspec import Struct
from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Url, parse_url

from ...platform.sanitize import sanitize, shorten
from .check import Answer, Failed, Http, shown
from .connection import Deadline, Line, Stop, connect

MOST_BYTES = 256 * 1024  # of a body
_CHUNK = 16 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_GIVEN = {"User-Agent": "dropnote", "Accept-Encoding": "identity"}
_OF_CONTENT = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
_NOT_OF_THE_WEB = "redirects to what is no URL of the web"
_SHOWN, _HOPS_SHOWN = 80, 6  # letters of a URL that a server chose, and URLs
_CHARSET = re.compile(
    r"charset=\"?(iso-8859-\d+|windows-125\d|us-ascii|utf-16(?:le|be)?|shift_jis|euc-jp|euc-kr|gb2312|gbk|gb18030|big5|koi8-r)\b",
    re.IGNORECASE,
)


logging.getLogger("urllib3.connection").setLevel(logging.ERROR)  # at WARNING it writes URLs


class _Request(Struct, frozen=True):
    url: Url
    method: str
    send: str
    headers: Mapping[str, str]

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: one server."""
        return self.url.scheme or "", self.host, self.port

    @property
    def host(self) -> str:
        """Without the brackets that IPv6 has in a URL."""
        return (self.url.host or "").strip("[]")

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.tls else 80)

    @property
    def tls(self) -> bool:
        return self.url.scheme == "https"

    @property
    def shown(self) -> str:
        """The URL, made fit to show: a server may have chosen it."""
        return shorten(sanitize(shown(str(self.url))), _SHOWN)


class _Got(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: str
    cut: bool
    ends: datetime | None
    inner: bool


def ask(check: Http, within: timedelta, ca: str = "") -> Answer | Failed:
    """Ask, and follow redirects. `ca` is a file of certificates to trust, the system's when left out.

    Raises:
        Unreadable: those certificates cannot be read.
    """
    deadline, seen = Deadline(within), list[_Request]()
    try:
        seen.append(
            _Request(
                _normal(check.url, "has a URL that is none of the web"),
                check.method,
                check.send if check.method == "POST" else "",
                check.headers,
            )
        )
        return _walked(check.redirects, seen, deadline, ca)
    except Stop as stop:
        away = f", after a redirect to {seen[-1].shown}" if seen and seen[-1].origin != seen[0].origin else ""
        return Failed(stop.says + away, stop.late, None if away else stop.ended)


def _walked(most: int, seen: list[_Request], deadline: Deadline, ca: str) -> Answer:
    """What the last of all redirects answers; `seen` takes them up."""
    ends, inner = list[datetime](), True
    while True:
        asked = seen[-1]
        got = _once(asked, deadline, ca, inner)
        ends += [got.ends] if got.ends else []
        target = got.headers.get("location", "")
        if got.status not in _REDIRECTS or not target or not most:
            url = asked.shown if asked.origin != seen[0].origin else ""
            end = min(ends, default=None)
            return Answer(got.status, got.headers, got.body, deadline.seconds, len(seen) - 1, url, end, got.cut)
        new, inner = _followed(asked, got.status, target), got.inner
        again = any((each.url, each.method) == (new.url, new.method) for each in seen)
        if again or len(seen) > most:
            raise Stop(_too_many([*seen, new], in_a_loop=again))
        seen.append(new)


def _once(asked: _Request, deadline: Deadline, ca: str, inner: bool) -> _Got:
    """One request and its answer."""
    line = connect(asked.host, asked.port, deadline, tls=asked.tls, ca=ca, inner=inner)
    late = Timer(deadline.left, _cut, [line.sock])  # a socket's own timeout begins anew with each byte
    late.daemon = True
    late.start()
    try:
        return _answered(asked, line, deadline)
    except (exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
        raise deadline.stop(error) from error
    finally:
        late.cancel()
        with suppress(OSError):
            line.sock.close()


def _answered(asked: _Request, line: Line, deadline: Deadline) -> _Got:
    kind = HTTPSConnection if asked.tls else HTTPConnection
    connection = kind(asked.host, asked.port, timeout=deadline.left)
    connection.sock = line.sock
    own = {name.lower() for name in asked.headers}
    headers = {**{name: value for name, value in _GIVEN.items() if name.lower() not in own}, **asked.headers}
    body = asked.send.encode() or None
    connection.request(asked.method, asked.url.request_uri, body=body, headers=headers, preload_content=False)
    answer = connection.getresponse()
    try:
        told = {name.lower(): str(answer.headers[name]) for name in answer.headers}
        content = b"" if asked.method == "HEAD" else _beginning(answer)
    finally:
        answer.close()
    if deadline.over:
        raise deadline.stop()
    text = _text(content[:MOST_BYTES], told.get("content-type", ""))
    return _Got(answer.status, told, text, len(content) > MOST_BYTES, line.ends, line.inner)


def _beginning(answer: Any) -> bytes:
    """The body's first bytes, one more than are read; what comes after them is not waited for."""
    body = bytearray()
    while len(body) <= MOST_BYTES and (chunk := answer.read1(_CHUNK)):
        body += chunk
    return bytes(body)


def _text(body: bytes, kind: str) -> str:
    """As UTF-8, or what its Content-Type says where that is in use on the web and quick to read."""
    named = _CHARSET.search(kind)
    return body.decode(named[1] if named else "utf-8-sig", "replace")


def _cut(sock: Any) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _followed(asked: _Request, status: int, target: str) -> _Request:
    """What a redirect asks for."""
    with suppress(UnicodeError):
        target = target.encode("latin-1").decode("utf-8")  # http.client takes headers for Latin-1
    try:
        url = _normal(urljoin(str(asked.url), target))
    except ValueError:
        raise Stop(_NOT_OF_THE_WEB) from None
    method = "GET" if asked.method == "POST" and status in (301, 302, 303) else asked.method
    new = _Request(url, method, asked.send if method == "POST" else "", asked.headers)
    if asked.tls and not new.tls:
        raise Stop(f"redirects from https to http: {new.shown}")
    if new.origin != asked.origin and not _same_but_secure(asked, new):
        if new.send:
            raise Stop(f"redirects what it is sent to another server: {new.shown}")
        return _Request(url, method, "", {})  # what was meant for one server is nobody else's business
    if new.send or not asked.send:
        return new
    return _Request(url, method, "", {name: value for name, value in asked.headers.items() if name.lower() not in _OF_CONTENT})


def _same_but_secure(asked: _Request, new: _Request) -> bool:
    return (asked.origin, new.origin) == (("http", new.host, 80), ("https", asked.host, 443))


def _normal(url: str, otherwise: str = _NOT_OF_THE_WEB) -> Url:
    """A URL in one way of writing it, without a user, a password, or a fragment."""
    try:
        found = parse_url(url)
    except exceptions.LocationParseError:
        raise Stop(otherwise) from None
    if found.scheme not in ("http", "https") or not found.host:
        raise Stop(otherwise)
    return Url(found.scheme, None, found.host, found.port, found.path or "/", found.query)


def _too_many(asked: Sequence[_Request], *, in_a_loop: bool) -> str:
    same = len({each.origin for each in asked}) == 1
    names = [shorten(sanitize(each.url.path or "/"), _SHOWN) if same else each.shown for each in asked]
    hops = f"{len(asked) - 1} hop{'s' if len(asked) > 2 else ''}"
    how = "redirects in a loop" if in_a_loop else "redirects too often"
    return f"{how} after {hops}: {' → '.join(names[:_HOPS_SHOWN])}" + (" → …" if len(names) > _HOPS_SHOWN else "")
