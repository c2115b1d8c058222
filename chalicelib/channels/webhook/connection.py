"""Posts a request to a URL that a stranger may control: no redirects, no proxy, one deadline, and only public addresses.

The name is resolved once, every address is checked, and the connection is made to a checked one, so a name that changes between
the check and the connection (DNS rebinding) changes nothing. SNI, the certificate's name and Host remain those of the URL.
Sources: RFC 6890 and the IANA special-purpose address registries, as Python's `ipaddress` has them; RFC 6052, 3056 and 4380 for
IPv4 addresses inside IPv6 ones; RFC 9110, section 10.2.3 (Retry-After).
"""

import io
import socket
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from ...domain.delivery import DeliveryError, OutcomeUnknown, Reason
from ..transport import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, system_trust
from .formats import Request

TIMEOUT_S = CONNECT_TIMEOUT_S + READ_TIMEOUT_S  # for everything, from the connection to the end of the response
_MAX_RESPONSE = 65_536  # bytes that are read
_NAT64 = IPv6Network("64:ff9b::/96")


class Response(Struct, frozen=True):
    """The response's status, the beginning of its body, and how long the receiver asks us to wait."""

    status: int
    body: bytes
    retry_after: timedelta | None = None


def post(request: Request, *, allow_private: bool, tls: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S) -> Response:
    """Send a request once. `tls` is for tests, which run a server.

    Raises:
        DeliveryError: nothing was sent.
        OutcomeUnknown: no complete response came.
    """
    url, deadline = urlsplit(request.url), monotonic() + timeout_s
    try:
        sock = _connect(url, deadline, tls, allow_private)
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(Reason.UNREACHABLE, "the webhook's certificate is not valid") from error
    except (OSError, UnicodeError) as error:
        raise DeliveryError(Reason.UNREACHABLE, f"the webhook could not be reached: {type(error).__name__}") from error
    with sock:
        connection = HTTPConnection(url.hostname or "")
        connection.sock = _WithDeadline(sock, deadline)
        target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        try:
            connection.request("POST", target, request.body, {"Host": url.netloc.rpartition("@")[2], **request.headers})
            return _read(connection.getresponse())
        except (OSError, HTTPException, ValueError) as error:
            raise OutcomeUnknown(Reason.TIMEOUT, f"the webhook did not respond: {type(error).__name__}") from error


def _connect(url: SplitResult, deadline: float, tls: ssl.SSLContext | None, allow_private: bool) -> socket.socket:
    """Connect to the first address that accepts, but only if all are allowed."""
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not allow_private and not all(is_public(str(address[0])) for *_, address in found):
        text = "the webhook's host has a private, loopback or link-local address; to allow that: allow_private = true"
        raise DeliveryError(Reason.REFUSED, text, permanent=True)
    last_error: OSError = OSError("no address")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_TIMEOUT_S, max(deadline - monotonic(), 0.01)) / (len(found) - number))
            sock.connect(address)
            if url.scheme == "http":
                return sock
            sock.settimeout(max(deadline - monotonic(), 0.01))
            return (tls or system_trust()).wrap_socket(sock, server_hostname=host)
        except OSError as error:
            sock.close()
            last_error = error
    raise last_error


def is_public(text: str) -> bool:
    """Whether an IP address, and the one inside it if there is one, belongs to the public Internet."""
    address = ip_address(text.partition("%")[0])  # without the zone of a link-local address
    return all(each.is_global and not each.is_multicast for each in (address, *_embedded(address)))


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each]


class _WithDeadline:
    """The part of a socket that http.client uses, with one deadline for all of it instead of a timeout for each read."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def _restart(self) -> socket.socket:
        remaining = self._deadline - monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._sock.settimeout(remaining)
        return self._sock

    def sendall(self, data: Any) -> None:
        self._restart().sendall(data)

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Keep it open: http.client closes its socket before it reads the body of a last response. `post` closes it."""

    def recv_into(self, buffer: Any) -> int:
        return self._restart().recv_into(buffer)


class _Reader(io.RawIOBase):
    def __init__(self, sock: _WithDeadline) -> None:
        self._source = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.recv_into(buffer)


def _read(response: HTTPResponse) -> Response:
    """Read a response. The status is the outcome: a body that breaks off does not change it."""
    try:
        body = response.read(_MAX_RESPONSE)
    except (OSError, HTTPException):
        body = b""
    return Response(response.status, body, parse_retry_after(response.getheader("Retry-After", ""), datetime.now(UTC)))


def parse_retry_after(value: str, now: datetime) -> timedelta | None:
    """Read a Retry-After header: seconds, also with a fraction, or a date; None for anything else."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (TypeError, ValueError):
            return None
    return timedelta(seconds=seconds) if 0 <= seconds < 86_400 else None
