"""The message: what a template made of an event, ready for one person on one channel."""

import hashlib
from datetime import timedelta

from msgspec import Struct

from ..platform.sms_text import count_segments
from .event import Event
from .people import Channel, Recipient
from .schedule import Quiet, Schedule


class Notice(Struct, frozen=True):
    """One event for one recipient: what becomes a delivery."""

    event: Event
    rule: str  # the rule's name; "test" or "trouble" where there is none
    template: str
    recipient: Recipient
    expires: timedelta
    fallback: timedelta | None = None  # the person's other channel is tried: when this is dead, or after that long
    instead_of: str = ""  # the channel that was dead, where this is such another try
    digest: Schedule | None = None  # it waits for these times
    quiet: tuple[Quiet, ...] = ()  # and for the end of these hours
    waited: bool = False  # it is a digest, or what was in one


class Message(Struct, frozen=True):
    """A rendered message. A text has only `text`; a mail has all three parts."""

    channel: Channel
    text: str
    subject: str = ""
    html: str = ""
    thread: str = ""  # mails with the same one are a conversation; hex digits

    @property
    def segments(self) -> int:
        """What it takes as a text; 0 for a mail."""
        return count_segments(self.text).segments if self.channel is Channel.SMS else 0

    @property
    def body_hash(self) -> str:
        """What the ledger keeps of the body: 16 hex digits, enough to recognise it in a provider's list."""
        return body_hash(self.text, self.subject)


def body_hash(text: str, subject: str = "") -> str:
    """Hash a body; a text that a provider lists has the hash of the message it was."""
    return hashlib.sha256(f"{subject}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
