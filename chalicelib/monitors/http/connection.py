"""Connecting to a server within a time that holds for all of it: the name, every address of it, and TLS.

Sources: OpenSSL, x509_vfy.h (verify codes); AWS Lambda developer guide, "Using the Lambda runtime API for custom runtimes" (it
listens on an address of the function's own machine).
"""

import errno
import os
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from http.client import HTTPException
from ipaddress import ip_address
from threading import Thread
from typing import Any, TypeVar

from msgspec import Struct
from urllib3 import exceptions

from ...domain.monitor import ProbeError
from . import certificate

T = TypeVar("T")
_LEAST_S = 0.01
_OVER = 10
_REFUSED = {
    9: "its certificate is not valid yet",
    _OVER: "its certificate has ended, or one that it is signed with",
    18: "its certificate is signed by nobody but itself",
    62: "its certificate is for another name",
    64: "its certificate is for another name",
}
_UNKNOWN = "its certificate is not signed by anybody known"
_CLOSED = "closed the connection before it had answered"
_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


class Stop(Exception):
    """There is no answer: why, in words; whether for want of time; when its certificate ended, if it has."""

    def __init__(self, says: str, *, late: bool = False, ended: datetime | None = None) -> None:
        super().__init__(says)
        self.says, self.late, self.ended = says, late, ended


class Deadline:
    """When all of it must be over."""

    def __init__(self, within: timedelta) -> None:
        self.limit = max(within.total_seconds(), _LEAST_S)
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Gone by so far."""
        return time.monotonic() - self._begun

    @property
    def over(self) -> bool:
        """Whether there is no more time."""
        return self.seconds >= self.limit

    @property
    def left(self) -> float:
        """Seconds that are left; never 0, which to a socket is something else."""
        return max(self.limit - self.seconds, _LEAST_S)

    def stop(self, error: Exception | None = None) -> Stop:
        """Why there is no answer: the time, where that is over, or else the error."""
        if self.over or isinstance(error, TimeoutError | exceptions.TimeoutError):
            return Stop(f"did not answer within {self.limit:g} s", late=True)
        return Stop(_why(error))

    def bound(self, call: Callable[[], T]) -> T:
        """What a call gives that has no limit of its own; it is left to itself when the time is over.

        Raises:
            Stop: the time is over.
        """
        done: list[T] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                done.append(call())
            except Exception as error:  # noqa: BLE001  raised where it was asked for
                failed.append(error)

        thread = Thread(target=run, daemon=True)
        thread.start()
        thread.join(self.left)
        if failed:
            raise failed[0]
        if not done:
            raise Stop(f"did not answer within {self.limit:g} s", late=True)
        return done[0]


class Line(Struct, frozen=True):
    """A connection that stands."""

    sock: Any
    inner: bool  # to the bot's own machine
    ends: datetime | None  # the certificate


def connect(host: str, port: int, deadline: Deadline, *, tls: bool, ca: str, inner: bool) -> Line:
    """Connect. `ca` is a file of certificates to trust; without `inner` nothing of the bot's own machine is asked.

    Raises:
        Stop: it cannot be.
        Unreadable: the certificates to trust cannot be read.
    """
    context = _context(ca) if tls else None
    plain, local = _plain(host, port, deadline, inner)
    if context is None:
        return Line(plain, local, None)
    try:
        secure = context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        ended = _end_of_refused(host, port, deadline) if error.verify_code == _OVER else None
        raise Stop(_why(error), ended=ended) from error
    except (OSError, ValueError) as error:
        plain.close()
        raise deadline.stop(error) from error
    return Line(secure, local, certificate.ends(secure.getpeercert(binary_form=True) or b""))


def _plain(host: str, port: int, deadline: Deadline, inner: bool) -> tuple[socket.socket, bool]:
    """A TCP connection to the first address that takes it; each has its share of the time. Whether it is an inner one."""
    try:
        found = deadline.bound(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise Stop(f"the name {host} is not known") from error
    last: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(found):
        local = is_inner(str(address[0]))
        if local and not inner:
            raise Stop("leads to the bot's own machine, which is not asked")
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left / (len(found) - number))
            sock.connect(address)
            sock.settimeout(deadline.left)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock, local
    raise deadline.stop(last) from last


def is_inner(address: str) -> bool:
    """Whether an IP address is of this machine: a stranger's redirect must not reach what listens there."""
    found = ip_address(address)
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_loopback or found.is_link_local or found.is_unspecified


def _context(ca: str) -> ssl.SSLContext:
    """Whom to trust: `ca`, or whom the system does (SSL_CERT_FILE says who, to OpenSSL), and those of AWS_CA_BUNDLE."""
    more = "" if ca else os.environ.get("AWS_CA_BUNDLE", "")
    try:
        return _trusting(ca, more)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError("the certificates that AWS_CA_BUNDLE names cannot be read") from error


@cache
def _trusting(ca: str, more: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca or None)
    if more:
        context.load_verify_locations(more)
    return context


def _end_of_refused(host: str, port: int, deadline: Deadline) -> datetime | None:
    """When a certificate ended that was not accepted: it is looked at once more, and nothing is said to its server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, ValueError, Stop):
        plain, _ = _plain(host, port, deadline, inner=True)
        with plain, context.wrap_socket(plain, server_hostname=host) as secure:
            return certificate.ends(secure.getpeercert(binary_form=True) or b"")
    return None


def _why(error: Exception | None) -> str:
    """Why there was no answer, in words; of OpenSSL's and the system's own only what is known."""
    causes = [each for each in (error, error and error.__cause__, error and error.__context__) if each]
    told = next(filter(None, map(_of_cause, causes)), "")
    return told or f"could not be asked: {type(error).__name__}"


def _of_cause(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _REFUSED.get(cause.verify_code, _UNKNOWN)
    if isinstance(cause, OSError) and cause.errno in _NO_WAY:
        return "cannot be reached"
    return next((says for kinds, says in _WORDS if isinstance(cause, kinds)), "")


_WORDS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (  # the first that fits
    ((ConnectionRefusedError,), "refused the connection"),
    ((ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError), _CLOSED),
    ((ssl.SSLError, exceptions.SSLError), "does not speak TLS as we do"),
    ((exceptions.DecodeError,), "answered with a body that cannot be unpacked"),
    ((exceptions.InvalidChunkLength, exceptions.IncompleteRead), _CLOSED),
    ((exceptions.ProtocolError,), _CLOSED),
    ((HTTPException,), "answered what is no HTTP"),
)
