"""The mails that the local SES took, as MiniStack lists them.

Source: MiniStack 1.5.33, `GET /_ministack/ses/messages`: {"messages": {account: [mail, …]}}, oldest first,
the body parts decoded, the headers not kept beyond those of Mail.headers.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec
import requests

LISTING = "/_ministack/ses/messages"
_TIMEOUT_S = (0.5, 3.0)  # connect, read: the page asks twice a second and must not pile up


class SesMail(msgspec.Struct, frozen=True, rename="pascal"):
    """One mail as MiniStack tells it; fields of later versions are ignored."""

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
    """One mail, from whichever account and region it was sent."""

    id: str
    from_: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str  # "" where the mail has no such part; markup of strangers, never to be put into a page of ours
    at: datetime  # aware, UTC
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The mails, newest first; with `trouble` (one sentence) they are the last known, not today's."""

    mails: tuple[Mail, ...]
    trouble: str = ""


class Mailbox:
    """Reads MiniStack's list of mails; safe to share between threads."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._known: tuple[Mail, ...] = ()
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the user's has no business between two local programs
        self._lock = threading.Lock()

    def read(self) -> Reading:
        """Ask MiniStack now. Never raises: what went wrong is in the reading's `trouble`."""
        with self._lock:
            try:
                answer = self._session.get(self._endpoint + LISTING, timeout=_TIMEOUT_S)
                answer.raise_for_status()
                listing = msgspec.json.decode(answer.content, type=_Listing)
            except requests.RequestException:
                return Reading(
                    self._known,
                    f"MiniStack at {self._endpoint} is not answering, so new mails cannot be shown.",
                )
            except msgspec.DecodeError:
                return Reading(self._known, f"MiniStack at {self._endpoint} answered something that is no list of mails.")
            self._known = _newest_first(listing.messages)
            return Reading(self._known)


def _newest_first(accounts: Mapping[str, list[SesMail]]) -> tuple[Mail, ...]:
    sent = [mail for mails in accounts.values() for mail in reversed(mails)]
    sent.sort(key=lambda mail: mail.timestamp, reverse=True)  # stable: of two in one tick the later stays first
    return tuple(_mail(mail) for mail in sent)


def _mail(sent: SesMail) -> Mail:
    at = datetime.fromtimestamp(sent.timestamp, UTC)
    headers = (
        ("From", sent.source),
        ("To", ", ".join(sent.to)),
        ("Cc", ", ".join(sent.cc)),
        ("Bcc", ", ".join(sent.bcc)),
        ("Subject", sent.subject),
        ("Date", format_datetime(at)),
        ("Message-ID", f"<{sent.message_id}>"),
    )
    return Mail(
        id=sent.message_id.partition("@")[0],
        from_=sent.source,
        to=tuple(sent.to),
        subject=sent.subject,
        text=sent.body_text or "",
        html=sent.body_html or "",
        at=at,
        headers=tuple((name, value) for name, value in headers if value),
    )
