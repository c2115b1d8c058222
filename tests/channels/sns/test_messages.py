"""SNS's messages: what is signed, and what is refused before anything is fetched."""

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.channels.sns.certificates import Certificates
from chalicelib.channels.sns.messages import MAX_BODY, SnsMessage, is_certificate_of, is_confirmation_url, parse_message
from tests.support import aws_signed
from tests.support.builders import NOON
from tests.support.sns import CERTIFICATE_URL, TOPIC, confirmation, notification, timestamp


def parse(message: dict[str, Any]) -> SnsMessage:
    parsed = parse_message(json.dumps({"Signature": "EXAMPLEw6JRN", **message}).encode())
    assert parsed
    return parsed


# Amazon SNS developer guide, "Verifying the signature of an Amazon SNS message when using HTTP query-based requests"
GUIDE_TOPIC = "arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P"
GUIDE_NOTIFICATION = """Message
My Test Message
MessageId
4d4dc071-ddbf-465d-bba8-08f81c89da64
Subject
My subject
Timestamp
2019-01-31T04:37:04.321Z
TopicArn
arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P
Type
Notification
"""
GUIDE_URL = f"https://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={GUIDE_TOPIC}&Token=233..."
GUIDE_CONFIRMATION = """Message
My Test Message
MessageId
3d891288-136d-417f-bc05-901c108273ee
SubscribeURL
https://sns.us-east-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P&Token=233...
Timestamp
2019-01-31T19:25:13.719Z
Token
233...
TopicArn
arn:aws:sns:us-east-2:123456789012:s4-MySNSTopic-1G1WEFCOXTC0P
Type
SubscriptionConfirmation
"""


def test_string_to_sign_of_a_notification_is_the_guides() -> None:
    fields = {
        "Message": "My Test Message",
        "MessageId": "4d4dc071-ddbf-465d-bba8-08f81c89da64",
        "Timestamp": "2019-01-31T04:37:04.321Z",
        "TopicArn": GUIDE_TOPIC,
    }
    assert parse(notification("", Subject="My subject") | fields).string_to_sign.decode() == GUIDE_NOTIFICATION
    empty = GUIDE_NOTIFICATION.replace("My subject", "")
    assert parse(notification("", Subject="") | fields).string_to_sign.decode() == empty
    without = GUIDE_NOTIFICATION.replace("Subject\nMy subject\n", "")
    assert parse(notification("", Subject=None) | fields).string_to_sign.decode() == without


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_string_to_sign_of_a_confirmation_is_the_guides(kind: str) -> None:
    fields = {
        "Message": "My Test Message",
        "MessageId": "3d891288-136d-417f-bc05-901c108273ee",
        "SubscribeURL": GUIDE_URL,
        "Timestamp": "2019-01-31T19:25:13.719Z",
        "Token": "233...",
        "TopicArn": GUIDE_TOPIC,
    }
    message = parse(confirmation(kind) | fields)
    assert message.string_to_sign.decode() == GUIDE_CONFIRMATION.replace("SubscriptionConfirmation", kind)
    assert is_confirmation_url(message)


@pytest.mark.parametrize("message", [aws_signed.WITH_SUBJECT, aws_signed.WITHOUT_SUBJECT])
def test_messages_that_aws_signed_are_verified_with_its_certificate(message: dict[str, str]) -> None:
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return aws_signed.CERTIFICATE

    certificates = Certificates(fetch)
    for _ in range(2):
        assert certificates.have_signed(parse(message), aws_signed.TOPIC, aws_signed.SIGNED_ON)
    assert fetched == [aws_signed.CERTIFICATE_URL]
    for name in ("Message", "MessageId", "Timestamp", "TopicArn"):
        changed = message | {name: message[name].translate(str.maketrans("0123456789A", "1234567890B"))}
        assert changed != message
        assert not certificates.have_signed(parse(changed), aws_signed.TOPIC, aws_signed.SIGNED_ON), name
    assert not certificates.have_signed(parse(message | {"Subject": "Another"}), aws_signed.TOPIC, aws_signed.SIGNED_ON)
    assert not certificates.have_signed(parse(message | {"SignatureVersion": "2"}), aws_signed.TOPIC, aws_signed.SIGNED_ON)


PATH = "/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"


@pytest.mark.parametrize(
    "url",
    [
        f"http://sns.us-west-2.amazonaws.com{PATH}",
        f"https://sns.us-west-2.amazonaws.com.cn{PATH}",
        f"https://sns.us-east-1.amazonaws.com{PATH}",  # another region's
        f"https://sns.s3.amazonaws.com{PATH}",  # somebody's bucket
        f"https://sns.amazonaws.com{PATH}",
        f"https://evil.example{PATH}",
        f"https://sns.us-west-2.amazonaws.com.evil.example{PATH}",
        f"https://sns.us-west-2.amazonaws.com@evil.example{PATH}",
        f"https://evil.example@sns.us-west-2.amazonaws.com{PATH}",
        f"https://sns.us-west-2.amazonaws.com:443{PATH}",
        f"https://sns.us-west-2.amazonaws.com:8443{PATH}",
        f"https://sns.us-west-2.amazonaws.com.{PATH}",
        f"https://SNS.us-west-2.amazonaws.com{PATH}",
        f"https://snsXus-west-2.amazonaws.com{PATH}",
        f"https://sns.us-west-2.amazonaws.com\\@evil.example{PATH}",
        f"https://sns.us-west-2.amazonaws.com#@evil.example{PATH}",
        f"https://sns.us-west-2.amazonaws.com{PATH}?",
        f"https://sns.us-west-2.amazonaws.com{PATH}#.pem",
        f"https://sns.us-west-2.amazonaws.com{PATH}\n",
        f" https://sns.us-west-2.amazonaws.com{PATH}",
        "https://sns.us-west-2.amazonaws.com/?Action=Publish&x=.pem",
        "https://sns.us-west-2.amazonaws.com/../x.pem",
        "https://sns.us-west-2.amazonaws.com//evil.example/x.pem",
        "https://sns.us-west-2.amazonaws.com/x%2f.pem",
        "https://sns.us-west-2.amazonaws.com/.pem",
        "https://sns.us-west-2.amazonaws.com/x.exe",
        "https://sns.us-west-2.amazonaws.com",
        "file:///tmp/x.pem",
        "",
    ],
)
def test_certificate_of_another_place_is_never_fetched(url: str) -> None:
    def fail(url: str) -> bytes:
        raise AssertionError(url)

    assert not is_certificate_of(url, TOPIC)
    assert not Certificates(fail).have_signed(parse(notification("x", SigningCertURL=url)), TOPIC, NOON)


@pytest.mark.parametrize(
    ("topic", "url"),
    [
        (TOPIC, CERTIFICATE_URL),
        ("arn:aws-cn:sns:cn-north-1:123456789012:x", f"https://sns.cn-north-1.amazonaws.com.cn{PATH}"),
        ("arn:aws-us-gov:sns:us-gov-west-1:123456789012:x", f"https://sns.us-gov-west-1.amazonaws.com{PATH}"),
    ],
)
def test_certificate_comes_from_sns_in_the_topics_region(topic: str, url: str) -> None:
    assert is_certificate_of(url, topic)


BASE = "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://evil.example/?Action=ConfirmSubscription",
        f"{BASE}&TopicArn={TOPIC}&Token=another",
        f"{BASE}&TopicArn={TOPIC}-2&Token=2336412f37",
        f"{BASE}&TopicArn={TOPIC}&Token=2336412f37&Token=2336412f37",
        f"{BASE}&TopicArn={TOPIC}&Token=2336412f37&AuthenticateOnUnsubscribe=true",
        f"https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&TopicArn={TOPIC}&Token=2336412f37",
        f"https://sns.us-west-2.amazonaws.com@evil.example/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"https://sns.us-west-2.amazonaws.com:444/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"http://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"{BASE}&TopicArn={TOPIC}&Token=2336412f37\r\nHost: evil.example",
    ],
)
def test_url_that_does_not_confirm_this_subscription_is_none(url: str) -> None:
    assert not is_confirmation_url(parse(confirmation(SubscribeURL=url)))


def test_confirmation_without_a_token_is_none() -> None:
    assert not is_confirmation_url(parse(confirmation(Token="", SubscribeURL=f"{BASE}&TopicArn={TOPIC}&Token=")))


@pytest.mark.parametrize(
    ("message", "age", "fresh"),
    [
        (notification("x"), {"minutes": 119}, True),
        (notification("x"), {"minutes": 121}, False),
        (confirmation(), {"minutes": 59}, True),
        (confirmation(), {"minutes": 61}, False),
        (notification("x"), {"minutes": -4}, True),
        (notification("x"), {"minutes": -6}, False),
    ],
)
def test_message_is_accepted_only_for_a_while(message: dict[str, Any], age: dict[str, float], fresh: bool) -> None:
    assert parse(message).is_fresh(NOON + timedelta(**age)) is fresh


@pytest.mark.parametrize("text", ["", "now", "2026-03-02T12:00:00", "2026-03-02", "9" * 400, "2026-03-02T12:00:00.000Z\n"])
def test_time_without_a_zone_or_with_anything_else_is_not_fresh(text: str) -> None:
    assert parse(notification("x", Timestamp=timestamp(NOON))).is_fresh(NOON)
    assert not parse(notification("x", Timestamp=text)).is_fresh(NOON)


ODD: list[tuple[str, Any]] = [
    ("Type", "Other"),
    ("SignatureVersion", "3"),
    ("SignatureVersion", 1),
    ("Message", {}),
    ("Message", "x" * MAX_BODY),
    ("MessageId", "x" * 37),
    ("MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\n"),
    ("TopicArn", None),
]


def signed_as(change: dict[str, Any]) -> bytes:
    return json.dumps(notification("x", **change) | {"Signature": "x"}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 5000,
        json.dumps(notification("x")).encode(),  # no signature
        *(signed_as({name: value}) for name, value in ODD),
    ],
)
def test_other_bodies_are_no_message(body: bytes) -> None:
    assert parse_message(body) is None


def test_odd_signatures_are_refused_not_failed() -> None:
    certificates = Certificates(lambda _: aws_signed.CERTIFICATE)
    for signature in ("", "?", "QQ==", "é", "A" * 10_000):
        message = parse(aws_signed.WITH_SUBJECT | {"Signature": signature})
        assert not certificates.have_signed(message, aws_signed.TOPIC, aws_signed.SIGNED_ON)
