"""Fetches SNS's certificates and verifies messages with them. A container keeps them: SNS changes its own about once a year.

A certificate is trusted because it comes from SNS's own host over TLS, whose name and chain are verified; see is_certificate_of.
"""

from collections.abc import Callable
from datetime import datetime

from ...platform import log
from ...platform.signing.rsa import Certificate, CertificateError, parse_certificate
from .messages import DIGESTS, SnsMessage, is_certificate_of

Fetch = Callable[[str], bytes]  # raises FetchError

TIMEOUT_S = 3.0  # SNS waits 15 seconds for our response
_MAX_BYTES = 32 * 1024
_MAX_KEPT = 8


class FetchError(Exception):
    """SNS could not be reached, or did not return what it should. SNS repeats its message."""


def fetch(url: str) -> bytes:
    """Request a URL once, follow no redirect, and return what it has, at most 32 KB.

    Raises:
        FetchError: the response was not 200, was too large or did not come in time.
    """
    import urllib3  # imported late: only needed when a certificate or a subscription is new

    try:
        with urllib3.PoolManager(retries=False, timeout=TIMEOUT_S) as pool:
            response = pool.request("GET", url, redirect=False, preload_content=False)
            body = response.read(_MAX_BYTES + 1, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise FetchError(type(error).__name__) from error
    if response.status != 200 or len(body) > _MAX_BYTES:
        raise FetchError(f"status {response.status}, {len(body)} bytes")
    return body


class Certificates:
    """The certificates of one container, by URL."""

    def __init__(self, fetch: Fetch = fetch) -> None:
        self._fetch = fetch
        self._kept: dict[str, Certificate] = {}

    def have_signed(self, message: SnsMessage, topic: str, now: datetime) -> bool:
        """Whether SNS signed the message, with a certificate of the topic's region that is valid now.

        Raises:
            FetchError: the certificate could not be read now.
        """
        if not is_certificate_of(message.certificate_url, topic):
            return False
        certificate = self._get(message.certificate_url)
        if certificate is None or not certificate.is_valid_at(now):
            return False
        return certificate.key.has_signed(message.string_to_sign, message.signature_bytes, DIGESTS[message.version])

    def _get(self, url: str) -> Certificate | None:
        if url not in self._kept:
            try:
                certificate = parse_certificate(self._fetch(url))
            except CertificateError as error:
                log.warning("certificate-refused", why=str(error))
                return None
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[url] = certificate
        return self._kept[url]
