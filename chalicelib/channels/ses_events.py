"""The events that SES publishes about a mail after it accepted it, as SNS hands them to a function.

Source: Amazon SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS" and "Examples of event data
that Amazon SES publishes to Amazon SNS"; AWS Lambda developer guide, "Invoking Lambda functions with Amazon SNS notifications".
A mail is found by the tag that ses.py gives it: SES replaces Message-ID, and the addresses in an event may be those of a
forwarder. Addresses and the servers' own words are not read.
"""

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec
from msgspec import Struct, field

from ..platform import log
from .mail_headers import DELIVERY_TAG

HTTPS_PATH = "/receipts/ses"  # for a topic that a function cannot be subscribed to; see delivery/feedback/sns.py
_DELIVERY_ID = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[A-Za-z][A-Za-z-]{0,39}")  # a type or subtype
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")  # RFC 3463


class Outcome(StrEnum):
    """What became of a mail."""

    DELIVERED = "delivered"
    HARD_BOUNCE = "hard bounce"  # the address rejects mail for good
    SOFT_BOUNCE = "soft bounce"  # SES tried for a while and gave up; a later mail may arrive
    COMPLAINT = "complaint"  # it arrived, and the recipient marked it as spam
    SUPPRESSED = "complaint before"  # SES did not send it: the recipient marked an earlier one as spam
    REJECTED = "rejected"  # SES accepted it, then found a virus and did not send it


class MailEvent(Struct, frozen=True):
    """One event: our delivery's id, SES's message id, what happened, and the cause in a few words without addresses."""

    delivery: str
    message: str
    outcome: Outcome
    cause: str = ""


class _Mail(Struct):
    message: str = field(name="messageId", default="")
    tags: dict[str, list[str]] = field(default_factory=dict)


class _Recipient(Struct):
    status: str | None = None


class _Bounce(Struct):
    type: str = field(name="bounceType", default="")
    subtype: str = field(name="bounceSubType", default="")
    recipients: list[_Recipient] = field(name="bouncedRecipients", default_factory=list)


class _Complaint(Struct):
    feedback: str | None = field(name="complaintFeedbackType", default=None)
    subtype: str | None = field(name="complaintSubType", default=None)


class _Published(Struct):
    type: str = field(name="eventType", default="")
    mail: _Mail = field(default_factory=_Mail)
    bounce: _Bounce = field(default_factory=_Bounce)
    complaint: _Complaint = field(default_factory=_Complaint)


class _Notification(Struct):
    topic: str = field(name="TopicArn", default="")
    message: str = field(name="Message", default="")


class _Record(Struct):
    source: str = field(name="EventSource", default="")
    sns: _Notification = field(name="Sns", default_factory=_Notification)


class _Payload(Struct):
    records: list[_Record] = field(name="Records", default_factory=list)


def from_topic(payload: object, topic: str) -> Iterator[MailEvent]:
    """Yield the events of a function's payload that concern our mails. Those of other topics are refused, and logged."""
    try:
        records = msgspec.convert(payload, _Payload).records
    except msgspec.ValidationError as error:
        log.warning("mail-event-unread", why=str(error))
        return
    for record in records:
        if (record.source, record.sns.topic) != ("aws:sns", topic):
            log.warning("mail-event-refused", why="it is from another topic")
        elif event := parse_event(record.sns.message):
            yield event


def parse_event(text: str) -> MailEvent | None:
    """Parse what SES published; None if it is not about the outcome of one of our mails.

    SES also publishes a sentence instead of JSON, to validate the topic, and events of other applications' mail if they share
    the configuration set.
    """
    try:
        event = msgspec.json.decode(text, type=_Published)
    except msgspec.MsgspecError:
        log.info("mail-event-ignored", why="not a JSON event")
        return None
    ids = event.mail.tags.get(DELIVERY_TAG, [])
    outcome = _outcome(event)
    if outcome is None or len(ids) != 1 or not _DELIVERY_ID.fullmatch(ids[0]):
        return None
    return MailEvent(ids[0], event.mail.message, outcome, _cause(event))


def _outcome(event: _Published) -> Outcome | None:
    match event.type:
        case "Delivery":
            return Outcome.DELIVERED
        case "Bounce":  # also Transient and Undetermined
            return Outcome.HARD_BOUNCE if event.bounce.type == "Permanent" else Outcome.SOFT_BOUNCE
        case "Complaint" if event.complaint.subtype == "OnAccountSuppressionList":
            return Outcome.SUPPRESSED
        case "Complaint":  # "not-spam": somebody moved it out of the spam folder
            return Outcome.DELIVERED if event.complaint.feedback == "not-spam" else Outcome.COMPLAINT
        case "Reject":
            return Outcome.REJECTED
    return None  # Send, Open, Click, …


def _cause(event: _Published) -> str:
    if event.type == "Bounce":
        status = next((recipient.status or "" for recipient in event.bounce.recipients), "")
        return " ".join([*_known(_WORD, event.bounce.subtype), *_known(_STATUS, status)])
    return " ".join(_known(_WORD, event.complaint.feedback or ""))


def _known(pattern: re.Pattern[str], text: str) -> list[str]:
    return [text] if pattern.fullmatch(text) else []
