"""Reads the mails that the local SES accepted, as MiniStack lists them.

Source: MiniStack 1.5.33, `GET /_ministack/ses/messages`: {"messages": {account: [mail, …]}}, oldest first, with decoded body
parts and only the headers in Mail.headers.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec
import requests

LISTING = "/_ministack/ses/messages"
_TIMEOUT_S = (0.5, 3.0)  # connect, read: the page sends two requests a second, which must not pile up


class SesMail(msgspec.Struct, frozen=True, rename="pascal"):
    """A mail in MiniStack's JSON; fields of later versions are ignored."""

    message_id: str
    source: str
    timestamp: float  # seconds since 1970
    to: list[str] = []
    cc: list[str] = msgspec.field(name="CC", default_factory=list)
    bcc: list[str] = msgspec.field(name="BCC", default_factory=list)
    subject: str = ""
    body_text: str | None = ""
    body_html: str | None = ""


class _Listing(msgspec.Struct, frozen=True):
    messages: dict[str, list[SesMail]]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail, from any account and region."""

    id: str
    from_: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str  # "" if the mail has no HTML part; untrusted markup, never to be put into one of our pages
    at: datetime  # aware, UTC
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The mails, newest first. With a `problem` (one sentence) they are the last known ones."""

    mails: tuple[Mail, ...]
    problem: str = ""


class Mailbox:
    """Reads MiniStack's list of mails. Thread-safe."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._known: tuple[Mail, ...] = ()
        self._session = requests.Session()
        self._session.trust_env = False  # the user's proxy is not for two local programs
        self._lock = threading.Lock()

    def read(self) -> Reading:
        """Read the current list. Never raises: an error is in the reading's `problem`."""
        with self._lock:
            try:
                response = self._session.get(self._endpoint + LISTING, timeout=_TIMEOUT_S)
                response.raise_for_status()
                listing = msgspec.json.decode(response.content, type=_Listing)
            except requests.RequestException:
                return Reading(self._known, f"MiniStack at {self._endpoint} is not responding, so new mails are not shown.")
            except msgspec.DecodeError:
                return Reading(self._known, f"MiniStack at {self._endpoint} did not return a list of mails.")
            self._known = _newest_first(listing.messages)
            return Reading(self._known)


def _newest_first(accounts: Mapping[str, list[SesMail]]) -> tuple[Mail, ...]:
    mails = [mail for mails in accounts.values() for mail in reversed(mails)]
    mails.sort(key=lambda mail: mail.timestamp, reverse=True)  # stable: of two with the same time, the later stays first
    return tuple(_mail(mail) for mail in mails)


def _mail(mail: SesMail) -> Mail:
    at = datetime.fromtimestamp(mail.timestamp, UTC)
    headers = (
        ("From", mail.source),
        ("To", ", ".join(mail.to)),
        ("Cc", ", ".join(mail.cc)),
        ("Bcc", ", ".join(mail.bcc)),
        ("Subject", mail.subject),
        ("Date", format_datetime(at)),
        ("Message-ID", f"<{mail.message_id}>"),
    )
    return Mail(
        id=mail.message_id.partition("@")[0],
        from_=mail.source,
        to=tuple(mail.to),
        subject=mail.subject,
        text=mail.body_text or "",
        html=mail.body_html or "",
        at=at,
        headers=tuple((name, value) for name, value in headers if value),
    )
