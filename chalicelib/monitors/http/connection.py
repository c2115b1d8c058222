"""Connects to a server within one deadline: name resolution, every address, and TLS.

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
_MIN_TIMEOUT_S = 0.01  # a socket timeout of 0 means something else
_EXPIRED = 10
_CERTIFICATE_ERRORS = {
    9: "its certificate is not valid yet",
    _EXPIRED: "its certificate, or one that signs it, has expired",
    18: "its certificate is self-signed",
    62: "its certificate is for another name",
    64: "its certificate is for another name",
}
_UNTRUSTED = "its certificate is not signed by a trusted authority"
_CLOSED = "closed the connection before responding"
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL)


class RequestError(Exception):
    """There is no response: the reason as text, whether it is a timeout, and when the certificate expired, if it has."""

    def __init__(self, message: str, *, timed_out: bool = False, certificate_expired_at: datetime | None = None) -> None:
        super().__init__(message)
        self.message, self.timed_out, self.certificate_expired_at = message, timed_out, certificate_expired_at


class Deadline:
    """The end of all steps of a request."""

    def __init__(self, timeout: timedelta) -> None:
        self.timeout_s = max(timeout.total_seconds(), _MIN_TIMEOUT_S)
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    @property
    def has_passed(self) -> bool:
        """Whether no time remains."""
        return self.elapsed >= self.timeout_s

    @property
    def remaining(self) -> float:
        """Remaining seconds, for a socket's timeout: never 0."""
        return max(self.timeout_s - self.elapsed, _MIN_TIMEOUT_S)

    def error(self, cause: Exception | None = None) -> RequestError:
        """Return the error to raise for a cause: a timeout if the deadline has passed."""
        if self.has_passed or isinstance(cause, TimeoutError | exceptions.TimeoutError):
            return self._timeout()
        return RequestError(_reason(cause))

    def run(self, call: Callable[[], T]) -> T:
        """Run a call that has no timeout of its own in a thread, and abandon it at the deadline.

        Raises:
            RequestError: the deadline has passed.
        """
        results: list[T] = []
        errors: list[Exception] = []

        def target() -> None:
            try:
                results.append(call())
            except Exception as error:  # noqa: BLE001  raised in the calling thread
                errors.append(error)

        thread = Thread(target=target, daemon=True)
        thread.start()
        thread.join(self.remaining)
        if errors:
            raise errors[0]
        if not results:
            raise self._timeout()
        return results[0]

    def _timeout(self) -> RequestError:
        return RequestError(f"did not respond within {self.timeout_s:g} s", timed_out=True)


class Connection(Struct, frozen=True):
    """An open connection."""

    sock: Any
    is_local: bool  # to the bot's own machine
    certificate_expires_at: datetime | None


def connect(host: str, port: int, deadline: Deadline, *, tls: bool, ca: str, allow_local: bool) -> Connection:
    """Connect. `ca` is a file of certificates to trust; without `allow_local`, never to the bot's own machine.

    Raises:
        RequestError: it failed.
        ProbeError: the certificates to trust cannot be read.
    """
    context = _context(ca) if tls else None
    plain, is_local = _connect_plain(host, port, deadline, allow_local)
    if context is None:
        return Connection(plain, is_local, None)
    try:
        secure = context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        expired_at = _rejected_expiry(host, port, deadline) if error.verify_code == _EXPIRED else None
        raise RequestError(_reason(error), certificate_expired_at=expired_at) from error
    except (OSError, ValueError) as error:
        plain.close()
        raise deadline.error(error) from error
    return Connection(secure, is_local, certificate.not_after(secure.getpeercert(binary_form=True) or b""))


def _connect_plain(host: str, port: int, deadline: Deadline, allow_local: bool) -> tuple[socket.socket, bool]:
    """Open a TCP connection to the first address that accepts it, each with its share of the time; return whether it is local."""
    try:
        addresses = deadline.run(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise RequestError(f"the host name {host} cannot be resolved") from error
    last_error: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        is_local = is_local_address(str(address[0]))
        if is_local and not allow_local:
            raise RequestError("points to the bot's own machine, which is not allowed")
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.remaining / (len(addresses) - number))
            sock.connect(address)
            sock.settimeout(deadline.remaining)
        except OSError as error:
            sock.close()
            last_error = error
        else:
            return sock, is_local
    raise deadline.error(last_error) from last_error


def is_local_address(text: str) -> bool:
    """Whether an IP address belongs to this machine: a stranger's redirect must not reach what listens there."""
    address = ip_address(text)
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _context(ca: str) -> ssl.SSLContext:
    """Trust `ca`, or else the system's certificates (OpenSSL reads SSL_CERT_FILE) and those of AWS_CA_BUNDLE."""
    extra = "" if ca else os.environ.get("AWS_CA_BUNDLE", "")
    try:
        return _cached_context(ca, extra)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError("the certificates in AWS_CA_BUNDLE cannot be read") from error


@cache
def _cached_context(ca: str, extra: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca or None)
    if extra:
        context.load_verify_locations(extra)
    return context


def _rejected_expiry(host: str, port: int, deadline: Deadline) -> datetime | None:
    """When a rejected certificate expired: connect once more without verification, and send nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, ValueError, RequestError):
        plain, _ = _connect_plain(host, port, deadline, allow_local=True)
        with plain, context.wrap_socket(plain, server_hostname=host) as secure:
            return certificate.not_after(secure.getpeercert(binary_form=True) or b"")
    return None


def _reason(error: Exception | None) -> str:
    """Say why there is no response, in our own words: error texts of OpenSSL and the system may contain anything."""
    causes = [cause for cause in (error, error and error.__cause__, error and error.__context__) if cause]
    reason = next(filter(None, map(_known_reason, causes)), "")
    return reason or f"the request failed with {type(error).__name__}"


def _known_reason(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _CERTIFICATE_ERRORS.get(cause.verify_code, _UNTRUSTED)
    if isinstance(cause, OSError) and cause.errno in _UNREACHABLE:
        return "cannot be reached"
    return next((reason for types, reason in _REASONS if isinstance(cause, types)), "")


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (  # the first match applies
    ((ConnectionRefusedError,), "refused the connection"),
    ((ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError), _CLOSED),
    ((ssl.SSLError, exceptions.SSLError), "failed the TLS handshake"),
    ((exceptions.DecodeError,), "returned a body that cannot be decompressed"),
    ((exceptions.InvalidChunkLength, exceptions.IncompleteRead), _CLOSED),
    ((exceptions.ProtocolError,), _CLOSED),
    ((HTTPException,), "returned an invalid HTTP response"),
)
