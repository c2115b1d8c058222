"""The messages that Amazon SNS sends over HTTPS, and what is checked before a signature is verified.

Source: Amazon SNS developer guide, "Parsing Amazon SNS message formats" and "Verifying the signature of an Amazon SNS message
when using HTTP query-based requests". Its editions disagree about a newline at the end of the string to sign. There is one:
messages that SNS has signed verify only with it (tests/channels/sns/).
"""

import base64
import hmac
import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Meta, Struct, field

MAX_BODY = 512 * 1024  # bytes; a message has at most 256 KB, and JSON escapes each of its quotes
MAX_AGE = timedelta(hours=1)  # of a confirmation
MAX_AGE_NOTIFICATION = timedelta(hours=2)  # SNS repeats one for an hour at most
MAX_AHEAD = timedelta(minutes=5)  # our clock may be slow
_CERTIFICATE = re.compile(r"/[A-Za-z0-9_-]{1,120}\.pem")
DIGESTS = {"1": "sha1", "2": "sha256"}  # by SignatureVersion


class Type(StrEnum):
    """What a message is for."""

    NOTIFICATION = "Notification"
    SUBSCRIBED = "SubscriptionConfirmation"  # somebody subscribed us: we confirm, or get nothing
    UNSUBSCRIBED = "UnsubscribeConfirmation"  # somebody deleted our subscription


class SnsMessage(Struct, frozen=True):
    """One message. All of it is untrusted until its signature is verified."""

    type: Type = field(name="Type")
    id: Annotated[str, Meta(pattern=r"\A[0-9a-f-]{36}\Z")] = field(name="MessageId")  # no newline that could shift what is signed
    topic: str = field(name="TopicArn")
    text: str = field(name="Message")
    timestamp: str = field(name="Timestamp")
    version: str = field(name="SignatureVersion")
    signature: str = field(name="Signature")
    certificate_url: str = field(name="SigningCertURL")
    subject: str | None = field(name="Subject", default=None)
    token: str = field(name="Token", default="")
    subscribe_url: str = field(name="SubscribeURL", default="")

    @property
    def string_to_sign(self) -> bytes:
        """What SNS signs: names and values, sorted by name, each with a newline."""
        pairs = {
            "Message": self.text,
            "MessageId": self.id,
            "Timestamp": self.timestamp,
            "TopicArn": self.topic,
            "Type": self.type,
        }
        if self.type is not Type.NOTIFICATION:
            pairs |= {"SubscribeURL": self.subscribe_url, "Token": self.token}
        elif self.subject is not None:
            pairs["Subject"] = self.subject
        return "".join(f"{name}\n{value}\n" for name, value in sorted(pairs.items())).encode()

    @property
    def signature_bytes(self) -> bytes:
        """The signature; empty if it is not Base64."""
        try:
            return base64.b64decode(self.signature, validate=True)
        except ValueError:
            return b""

    def is_fresh(self, now: datetime) -> bool:
        """Whether it was signed lately: an old message that somebody kept is not accepted again."""
        try:
            sent_at = datetime.fromisoformat(self.timestamp)
        except ValueError:
            return False
        oldest = MAX_AGE_NOTIFICATION if self.type is Type.NOTIFICATION else MAX_AGE
        return sent_at.tzinfo is not None and now - oldest <= sent_at <= now + MAX_AHEAD


def parse_message(body: bytes) -> SnsMessage | None:
    """Parse a request's body; None if it is not a message of SNS."""
    if len(body) > MAX_BODY:
        return None
    try:
        message = msgspec.json.decode(body, type=SnsMessage)
    except msgspec.MsgspecError:
        return None
    return message if message.version in DIGESTS else None


def is_from_topic(message: SnsMessage, topic: str) -> bool:
    """Whether the message names this topic. `topic` is an ARN."""
    return hmac.compare_digest(message.topic.encode(), topic.encode())


def is_certificate_of(url: str, topic: str) -> bool:
    """Whether a certificate's URL is SNS's own in the topic's region.

    The host is compared, not matched with a pattern: sns.s3.amazonaws.com, for example, would be somebody's bucket.
    """
    start = _base_url(topic)
    return url.startswith(start) and _CERTIFICATE.fullmatch(url[len(start) :]) is not None


def is_confirmation_url(message: SnsMessage) -> bool:
    """Whether the message's SubscribeURL confirms this subscription, at SNS itself in the topic's region."""
    start = _base_url(message.topic) + "/?"
    if not message.token or not message.subscribe_url.startswith(start) or not message.subscribe_url.isprintable():
        return False
    fields = {name: values for name, values in parse_qs(urlsplit(message.subscribe_url).query).items() if name != "Version"}
    return fields == {"Action": ["ConfirmSubscription"], "TopicArn": [message.topic], "Token": [message.token]}


def _base_url(topic: str) -> str:
    """SNS's endpoint in a topic's region (AWS general reference, "Amazon SNS endpoints and quotas")."""
    _, partition, _, region, *_ = topic.split(":")
    return f"https://sns.{region}.amazonaws.com" + (".cn" if partition == "aws-cn" else "")
