"""Sends one request within one deadline: connection, TLS, redirects, and a body that may arrive slowly.

Uses urllib3 without its pools, retries and redirects, so that every problem is seen. Source: RFC 9110, 15.4 (redirects, and how
they change the method).
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
from .check import Failure, HttpCheck, Response, redact_url
from .connection import Connection, Deadline, RequestError, connect

MAX_BYTES = 256 * 1024  # of a body
_CHUNK = 16 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_HEADERS = {"User-Agent": "dropnote", "Accept-Encoding": "identity"}
_CONTENT_HEADERS = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
_INVALID_TARGET = "redirects to an invalid URL"
_MAX_URL, _MAX_HOPS = 80, 6  # characters of a URL that a server chose, and URLs, in a message
_CHARSET = re.compile(
    r"charset=\"?(iso-8859-\d+|windows-125\d|us-ascii|utf-16(?:le|be)?|shift_jis|euc-jp|euc-kr|gb2312|gbk|gb18030|big5|koi8-r)\b",
    re.IGNORECASE,
)


logging.getLogger("urllib3.connection").setLevel(logging.ERROR)  # its warnings contain URLs


class _Request(Struct, frozen=True):
    url: Url
    method: str
    send: str
    headers: Mapping[str, str]

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: they identify a server."""
        return self.url.scheme or "", self.host, self.port

    @property
    def host(self) -> str:
        """The host, without the brackets of an IPv6 address."""
        return (self.url.host or "").strip("[]")

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.tls else 80)

    @property
    def tls(self) -> bool:
        return self.url.scheme == "https"

    @property
    def display_url(self) -> str:
        """The URL for messages: redacted, sanitized and shortened, as a server may have chosen it."""
        return shorten(sanitize(redact_url(str(self.url))), _MAX_URL)


class _RawResponse(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: str
    truncated: bool
    certificate_expires_at: datetime | None
    is_local: bool


def fetch(check: HttpCheck, timeout: timedelta, ca: str = "") -> Response | Failure:
    """Send the request and follow redirects. `ca` is a file of certificates to trust; by default the system's.

    Raises:
        ProbeError: the certificates to trust cannot be read.
    """
    deadline, requests = Deadline(timeout), list[_Request]()
    try:
        url = _normalize(check.url, "has an invalid URL")
        requests.append(_Request(url, check.method, check.send if check.method == "POST" else "", check.headers))
        return _follow_redirects(check.redirects, requests, deadline, ca)
    except RequestError as error:
        redirected = requests and requests[-1].origin != requests[0].origin
        suffix = f", after a redirect to {requests[-1].display_url}" if redirected else ""
        return Failure(error.message + suffix, error.timed_out, None if redirected else error.certificate_expired_at)


def _follow_redirects(max_redirects: int, requests: list[_Request], deadline: Deadline, ca: str) -> Response:
    """Return the last response; every request that is sent is added to `requests`."""
    expiries, allow_local = list[datetime](), True
    while True:
        request = requests[-1]
        response = _send(request, deadline, ca, allow_local)
        expiries += [response.certificate_expires_at] if response.certificate_expires_at else []
        target = response.headers.get("location", "")
        if response.status not in _REDIRECTS or not target or not max_redirects:
            return Response(
                response.status,
                response.headers,
                response.body,
                deadline.elapsed,
                len(requests) - 1,
                request.display_url if request.origin != requests[0].origin else "",
                min(expiries, default=None),
                response.truncated,
            )
        following, allow_local = _redirected(request, response.status, target), response.is_local
        in_loop = any((earlier.url, earlier.method) == (following.url, following.method) for earlier in requests)
        if in_loop or len(requests) > max_redirects:
            raise RequestError(_too_many_redirects([*requests, following], in_loop=in_loop))
        requests.append(following)


def _send(request: _Request, deadline: Deadline, ca: str, allow_local: bool) -> _RawResponse:
    """Send one request and read its response."""
    connection = connect(request.host, request.port, deadline, tls=request.tls, ca=ca, allow_local=allow_local)
    timer = Timer(deadline.remaining, _shut_down, [connection.sock])  # a socket's own timeout restarts with every byte
    timer.daemon = True
    timer.start()
    try:
        return _exchange(request, connection, deadline)
    except (exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
        raise deadline.error(error) from error
    finally:
        timer.cancel()
        with suppress(OSError):
            connection.sock.close()


def _exchange(request: _Request, connection: Connection, deadline: Deadline) -> _RawResponse:
    client = (HTTPSConnection if request.tls else HTTPConnection)(request.host, request.port, timeout=deadline.remaining)
    client.sock = connection.sock
    own_names = {name.lower() for name in request.headers}
    defaults = {name: value for name, value in _DEFAULT_HEADERS.items() if name.lower() not in own_names}
    body, headers = request.send.encode() or None, {**defaults, **request.headers}
    client.request(request.method, request.url.request_uri, body=body, headers=headers, preload_content=False)
    response = client.getresponse()
    try:
        received = {name.lower(): str(response.headers[name]) for name in response.headers}
        content = b"" if request.method == "HEAD" else _read_beginning(response)
    finally:
        response.close()
    if deadline.has_passed:
        raise deadline.error()
    text = _decode(content[:MAX_BYTES], received.get("content-type", ""))
    expires_at, truncated = connection.certificate_expires_at, len(content) > MAX_BYTES
    return _RawResponse(response.status, received, text, truncated, expires_at, connection.is_local)


def _read_beginning(response: Any) -> bytes:
    """Read up to MAX_BYTES of the body, or more if there are more; the rest is not waited for."""
    body = bytearray()
    while len(body) <= MAX_BYTES and (chunk := response.read1(_CHUNK)):
        body += chunk
    return bytes(body)


def _decode(body: bytes, content_type: str) -> str:
    """Decode as UTF-8, or in the charset of the Content-Type if it is in common use and fast to decode."""
    charset = _CHARSET.search(content_type)
    return body.decode(charset[1] if charset else "utf-8-sig", "replace")


def _shut_down(sock: Any) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _redirected(request: _Request, status: int, target: str) -> _Request:
    """Return the request to which a redirect leads."""
    with suppress(UnicodeError):
        target = target.encode("latin-1").decode("utf-8")  # http.client decodes headers as Latin-1
    try:
        url = _normalize(urljoin(str(request.url), target))
    except ValueError:
        raise RequestError(_INVALID_TARGET) from None
    method = "GET" if request.method == "POST" and status in (301, 302, 303) else request.method
    following = _Request(url, method, request.send if method == "POST" else "", request.headers)
    if request.tls and not following.tls:
        raise RequestError(f"redirects from https to http: {following.display_url}")
    if following.origin != request.origin and not _is_upgrade_to_https(request, following):
        if following.send:
            raise RequestError(f"redirects the data it was sent to another server: {following.display_url}")
        return _Request(url, method, "", {})  # headers may contain secrets, meant for one server
    if following.send or not request.send:
        return following
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _CONTENT_HEADERS}
    return _Request(url, method, "", headers)


def _is_upgrade_to_https(request: _Request, following: _Request) -> bool:
    return (request.origin, following.origin) == (("http", following.host, 80), ("https", request.host, 443))


def _normalize(url: str, message: str = _INVALID_TARGET) -> Url:
    """Parse a URL into a comparable form, without user, password and fragment. Raises RequestError with `message`."""
    try:
        parsed = parse_url(url)
    except exceptions.LocationParseError:
        raise RequestError(message) from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RequestError(message)
    return Url(parsed.scheme, None, parsed.host, parsed.port, parsed.path or "/", parsed.query)


def _too_many_redirects(requests: Sequence[_Request], *, in_loop: bool) -> str:
    one_server = len({request.origin for request in requests}) == 1
    urls = [shorten(sanitize(request.url.path or "/"), _MAX_URL) if one_server else request.display_url for request in requests]
    hops = f"{len(requests) - 1} hop{'s' if len(requests) > 2 else ''}"
    problem = "redirects in a loop" if in_loop else "redirects too often"
    return f"{problem} after {hops}: {' → '.join(urls[:_MAX_HOPS])}" + (" → …" if len(urls) > _MAX_HOPS else "")
