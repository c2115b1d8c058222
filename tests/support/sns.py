"""Messages as Amazon SNS sends them over HTTPS, signed with keys of our own, and the server that has their certificates."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from flask import Flask, Response, redirect
from flask.typing import ResponseReturnValue

from chalicelib.channels.sns.certificates import fetch

from .builders import NOON
from .serving import serving

TOPIC = "arn:aws:sns:us-west-2:123456789012:ses-events"
HOST = "https://sns.us-west-2.amazonaws.com"
CERTIFICATE_URL = f"{HOST}/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
_SIGNED = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")  # as the guide has them


@cache
def key(exponent: int = 65537, bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A private key; another one for each number."""
    return rsa.generate_private_key(exponent, bits)


def certificate(of: Any = None, starts: datetime = NOON - timedelta(days=30), days: int = 365) -> bytes:
    """A certificate of a key, in PEM."""
    of = of or key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(name, name, of.public_key(), x509.random_serial_number(), starts, starts + timedelta(days))
    return builder.sign(of, hashes.SHA256()).public_bytes(Encoding.PEM)


def notification(text: str, *, at: datetime = NOON, **changes: Any) -> dict[str, Any]:
    """A message that SES published, not yet signed."""
    message = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": text,
        "Timestamp": timestamp(at),
        "SignatureVersion": "1",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:c9135db0-26c4-47ec-8998-413945fb5a96",
    }
    return {name: value for name, value in {**message, **changes}.items() if value is not None}


def confirmation(kind: str = "SubscriptionConfirmation", *, at: datetime = NOON, **changes: Any) -> dict[str, Any]:
    """The message after somebody subscribed or unsubscribed us, not yet signed."""
    message = {
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.\nTo confirm the subscription, visit the SubscribeURL.",
        "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        "Timestamp": timestamp(at),
        "SignatureVersion": "1",
        "SigningCertURL": CERTIFICATE_URL,
    }
    return {**message, **changes}


def signed(message: dict[str, Any], private: rsa.RSAPrivateKey | None = None, digest: str = "") -> bytes:
    """The request body of a message, signed as its SignatureVersion says, or with another digest."""
    text = "".join(f"{name}\n{message[name]}\n" for name in _SIGNED if name in message)
    digests = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303  version 1 is SHA-1
    signature = (private or key()).sign(text.encode(), padding.PKCS1v15(), digests[digest or message["SignatureVersion"]])
    return json.dumps({**message, "Signature": base64.b64encode(signature).decode()}).encode()


def timestamp(at: datetime) -> str:
    """A time as SNS writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


@dataclass
class SnsServer:
    """SNS's host in a region, served on the loopback interface. `fetch` requests its URLs there, with the real client."""

    url: str = ""
    pem: bytes = field(default_factory=certificate)
    status: int = 200
    elsewhere: str = ""  # where it redirects to
    requested: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> bytes:
        assert url.startswith(HOST + "/"), url
        self.requested.append(url)
        return fetch(self.url + url.removeprefix(HOST))

    def respond(self, path: str = "") -> ResponseReturnValue:
        if self.elsewhere:
            return redirect(self.elsewhere)
        return Response(self.pem if path.endswith(".pem") else "<ConfirmSubscriptionResponse/>", self.status)


@contextmanager
def sns_server() -> Iterator[SnsServer]:
    """Serve SNS while the block runs."""
    app, server = Flask("sns"), SnsServer()
    app.add_url_rule("/", view_func=server.respond, endpoint="root")
    app.add_url_rule("/<path:path>", view_func=server.respond)
    with serving(app) as server.url:
        yield server
