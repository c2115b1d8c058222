"""The message: what a template renders from an event, for one person on one channel."""

import hashlib
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from ..platform.sms_text import count_segments
from .event import Event
from .people import Channel, Recipient
from .schedule import QuietHours, Schedule


class Tone(StrEnum):
    """How a message looks at a glance: the colour that a chat service gives it."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    RESOLVED = "resolved"


class Notice(Struct, frozen=True):
    """One event for one recipient: it becomes a delivery."""

    event: Event
    rule: str  # the rule's name; "test" or "trouble" if there is none
    template: str
    recipient: Recipient
    expires: timedelta
    fallback: timedelta | None = None  # when to try the person's other channel: after this time, or if this address is suppressed
    instead_of: str = ""  # if it is a fallback: the channel that could not be used
    digest: Schedule | None = None  # deferred until one of these times
    quiet: tuple[QuietHours, ...] = ()  # and until these end
    sign_in: str = ""  # a link that signs in: only in memory, so a message that is sent later has none
    deferred: bool = False  # already waited for its digest, or is one: only quiet hours defer it again

    @property
    def log_ids(self) -> dict[str, str]:
        """What connects the log lines of one rule and one event, before there is a delivery."""
        return {"rule": self.rule, "event": self.event.identity}


class MailLinks(Struct, frozen=True):
    """The links of one message, each with a token; "" if it has none. Only mails have all of them."""

    unsubscribe: str = ""
    acknowledge: str = ""
    mute: str = ""
    download: str = ""  # the page of the uploaded object
    sign_in: str = ""  # to the console, once


NO_LINKS = MailLinks()


class Listing(Struct, frozen=True):
    """A list in a card, with a heading of its own: "First files"."""

    heading: str
    items: tuple[str, ...]


class Card(Struct, frozen=True):
    """A message for a chat service or a program: what it shows as a title, as facts, as lists and as a link.

    All texts are sanitized and may contain markup of the service, which the service's format escapes.
    """

    title: str
    text: tuple[str, ...] = ()  # paragraphs
    facts: tuple[tuple[str, str], ...] = ()  # names and values
    lists: tuple[Listing, ...] = ()
    link: tuple[str, str] = ("", "")  # label and https URL, or two empty texts
    footer: str = ""
    tone: Tone = Tone.INFO
    event: Event | None = None  # what it is about; not sanitized
    rule: str = ""


class Message(Struct, frozen=True):
    """A rendered message. A text has only `text`; a mail has text, subject and HTML; a message to a webhook has text and card."""

    channel: Channel
    text: str
    subject: str = ""
    html: str = ""
    thread: str = ""  # hex digits; messages of the same thread form a conversation
    unsubscribe: str = ""  # URL for the header List-Unsubscribe
    card: Card | None = None
    variables: tuple[str, ...] = ()  # of a content template of WhatsApp
    template: str = ""  # the template it was rendered with
    reply_to: str = ""  # the provider's id of the thread that it joins; "" if it starts one, or the channel has none

    @property
    def segments(self) -> int:
        """The SMS segments of a text; 0 on other channels."""
        return count_segments(self.text).segments if self.channel is Channel.SMS else 0

    @property
    def body_hash(self) -> str:
        """The hash that the ledger stores: 16 hex digits, enough to recognize the body in a provider's list."""
        return body_hash(self.text, self.subject)


def body_hash(text: str, subject: str = "") -> str:
    """Hash a body; a text in a provider's list has the same hash as the message it came from."""
    return hashlib.sha256(f"{subject}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
