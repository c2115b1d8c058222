"""Asking a server once, within a time that holds for all of it: connecting, TLS, redirects, and a body that comes drop by drop.

urllib3 without its pools, retries and redirects: what is wrong is to be seen, not smoothed over.
"""

import socket
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Timer
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection

from .http import Answer, Failed, Http, shown

MOST_BYTES = 256 * 1024  # of a body
_CHUNK = 16 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = "dropnote"
_LATE = "did not answer within {:g} s"
# OpenSSL, x509_vfy.h: why a certificate is not accepted
_REFUSED = {
    10: "its certificate has ended",
    9: "its certificate is not valid yet",
    62: "its certificate is for another name",
    64: "its certificate is for another name",
}
_UNKNOWN = "its certificate is not signed by anybody known"


class _Stop(Exception):
    """There is no answer, and why."""


def ask(check: Http, within: timedelta, ca: str | None = None) -> Answer | Failed:
    """Ask, and follow redirects. `ca` is a file of certificates to trust, the system's when left out."""
    begun, limit = time.monotonic(), max(within.total_seconds(), 0.1)

    def left() -> float:
        return limit - (time.monotonic() - begun)

    url, method, headers, seen = check.url, check.method, dict(check.headers), [check.url]
    try:
        while True:
            status, told, body, ends = _once(url, method, check.send if method == "POST" else "", headers, left, limit, ca)
            target = told.get("location", "")
            if status not in _REDIRECTS or not target or not check.redirects:
                seconds = time.monotonic() - begun
                return Answer(status, told, body, seconds, len(seen) - 1, ends)
            new = _followed(url, target)
            seen.append(new)
            if new in seen[:-1] or len(seen) > check.redirects + 1:
                return Failed(_in_a_loop(seen))
            if urlsplit(new)[:2] != urlsplit(url)[:2]:
                headers = {}  # what was meant for one server is nobody else's business
            if status == 303 or (status in (301, 302) and method == "POST"):  # RFC 9110, 15.4
                method = "GET"
            url = new
    except _Stop as stop:
        return Failed(str(stop))


def _once(
    url: str, method: str, send: str, headers: dict[str, str], left: Any, limit: float, ca: str | None
) -> tuple[int, dict[str, str], str, datetime | None]:
    """One request: the status, headers, the body's beginning, and when the certificate ends."""
    parts = urlsplit(url)
    connection = _connected(parts, left(), limit, ca)
    late = Timer(max(left(), 0.01), _cut, [connection.sock])  # a socket's own timeout begins anew with each byte
    late.daemon = True
    late.start()
    try:
        given = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body=send.encode() or None, headers=given, preload_content=False)
        ends = _ends(connection.sock)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.headers.items()}
        body = b"" if method == "HEAD" else _beginning(answer)
        if left() <= 0:
            raise _Stop(_LATE.format(limit))
        return answer.status, told, body.decode("utf-8", "replace"), ends
    except (exceptions.HTTPError, OSError, ValueError) as error:
        raise _Stop(_LATE.format(limit) if left() <= 0 else _why(error)) from error
    finally:
        late.cancel()
        connection.close()


def _connected(parts: SplitResult, left: float, limit: float, ca: str | None) -> HTTPConnection:
    host, timeout = parts.hostname or "", max(left, 0.01)
    if parts.scheme == "https":
        connection: HTTPConnection = HTTPSConnection(
            host, parts.port or 443, timeout=timeout, ca_certs=ca, cert_reqs=ssl.CERT_REQUIRED
        )
    else:
        connection = HTTPConnection(host, parts.port or 80, timeout=timeout)
    try:
        connection.connect()
    except exceptions.NameResolutionError as error:
        raise _Stop(f"the name {host} is not known") from error
    except (exceptions.HTTPError, OSError, ValueError) as error:
        connection.close()
        late = isinstance(error, TimeoutError) or type(error) is exceptions.ConnectTimeoutError  # others are kinds of it
        raise _Stop(_LATE.format(limit) if late else _why(error)) from error
    return connection


def _beginning(answer: Any) -> bytes:
    """The body's first bytes; what comes after them is not waited for."""
    body = bytearray()
    while len(body) < MOST_BYTES and (chunk := answer.read1(_CHUNK)):
        body += chunk
    return bytes(body[:MOST_BYTES])


def _cut(sock: Any) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _ends(sock: Any) -> datetime | None:
    told = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
    ends = str(told.get("notAfter", "")) if told else ""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None


def _followed(url: str, target: str) -> str:
    """Where a redirect leads, made whole."""
    new = urljoin(url, target)
    before, after = urlsplit(url), urlsplit(new)
    if after.scheme not in ("http", "https") or not after.hostname:
        raise _Stop("redirects to what is no URL of the web")
    if (before.scheme, after.scheme) == ("https", "http"):
        raise _Stop(f"redirects from https to http: {shown(new)}")
    return new


def _in_a_loop(urls: list[str]) -> str:
    same_host = len({urlsplit(url)[:2] for url in urls}) == 1
    names = [urlsplit(url).path or "/" if same_host else shown(url) for url in urls]
    hops = f"{len(urls) - 1} hop{'s' if len(urls) > 2 else ''}"
    how = "redirects in a loop" if urls[-1] in urls[:-1] else "redirects too often"
    return f"{how} after {hops}: {' → '.join(names[:6])}" + (" → …" if len(names) > 6 else "")


def _why(error: Exception) -> str:
    """Why there was no answer, in words; of OpenSSL's and the system's own only what is known."""
    causes = [error, error.__cause__, error.__context__]
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _REFUSED.get(cause.verify_code, _UNKNOWN)
        if isinstance(cause, ConnectionRefusedError):
            return "refused the connection"
        if isinstance(cause, ssl.SSLError):
            return "does not speak TLS as we do"
        if isinstance(cause, ConnectionResetError | BrokenPipeError):
            return "closed the connection before it had answered"
    if isinstance(error, exceptions.ProtocolError | exceptions.IncompleteRead):
        return "closed the connection before it had answered"
    return f"could not be asked: {type(error).__name__}"
