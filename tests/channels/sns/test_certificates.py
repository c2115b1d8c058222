"""Certificates: fetched once, from SNS only, and refused outside their validity period."""

import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.channels.sns import certificates as module
from chalicelib.channels.sns.certificates import Certificates, FetchError, fetch
from chalicelib.channels.sns.messages import SnsMessage, parse_message
from tests.support.builders import NOON
from tests.support.sns import CERTIFICATE_URL, HOST, TOPIC, SnsServer, certificate, key, notification, signed, sns_server


@pytest.fixture
def sns() -> Iterator[SnsServer]:
    with sns_server() as server:
        yield server


def message(**changes: Any) -> SnsMessage:
    parsed = parse_message(signed(notification("x", **changes)))
    assert parsed
    return parsed


@pytest.mark.parametrize("version", ["1", "2"])
def test_message_with_a_valid_signature_is_accepted_and_the_certificate_fetched_once(sns: SnsServer, version: str) -> None:
    certificates = Certificates(sns.fetch)
    for _ in range(3):
        assert certificates.have_signed(message(SignatureVersion=version), TOPIC, NOON)
    assert sns.requested == [CERTIFICATE_URL]


def test_message_signed_with_another_key_or_digest_is_refused(sns: SnsServer) -> None:
    certificates = Certificates(sns.fetch)
    bodies = [
        signed(notification("x"), key(number=1)),
        signed(notification("x", SignatureVersion="2"), digest="1"),
        signed(notification("x", SignatureVersion="1"), digest="2"),
    ]
    for body in bodies:
        parsed = parse_message(body)
        assert parsed
        assert not certificates.have_signed(parsed, TOPIC, NOON)


@pytest.mark.parametrize("change", ["Message", "MessageId", "Subject", "Timestamp", "TopicArn"])
def test_altered_message_is_refused(sns: SnsServer, change: str) -> None:
    sent = json.loads(signed(notification("x")))
    altered = sent | {change: sent[change].replace("2", "3") if "2" in sent[change] else sent[change] + "."}
    parsed = parse_message(json.dumps(altered).encode())
    assert parsed
    assert not Certificates(sns.fetch).have_signed(parsed, TOPIC, NOON)


@pytest.mark.parametrize(("starts", "valid"), [(-10, True), (1, False), (-400, False)])
def test_certificate_counts_only_in_its_validity_period(sns: SnsServer, starts: int, valid: bool) -> None:
    sns.pem = certificate(starts=NOON + timedelta(days=starts))
    assert Certificates(sns.fetch).have_signed(message(), TOPIC, NOON) is valid


def test_certificate_that_has_expired_since_it_was_fetched_is_refused(sns: SnsServer) -> None:
    certificates = Certificates(sns.fetch)
    assert certificates.have_signed(message(), TOPIC, NOON)
    assert not certificates.have_signed(message(), TOPIC, NOON + timedelta(days=400))


def test_redirect_is_not_followed(sns: SnsServer) -> None:
    with sns_server() as other:
        sns.elsewhere = f"{other.url}/x.pem"
        with pytest.raises(FetchError, match="status 302"):
            Certificates(sns.fetch).have_signed(message(), TOPIC, NOON)


@pytest.mark.parametrize("status", [204, 403, 404, 500])
def test_failed_fetch_is_tried_again_with_the_next_message(sns: SnsServer, status: int) -> None:
    certificates, sns.status = Certificates(sns.fetch), status
    with pytest.raises(FetchError):
        certificates.have_signed(message(), TOPIC, NOON)
    sns.status = 200
    assert certificates.have_signed(message(), TOPIC, NOON)


def test_file_that_is_no_certificate_is_refused(sns: SnsServer) -> None:
    sns.pem = b"<html>"
    assert not Certificates(sns.fetch).have_signed(message(), TOPIC, NOON)


def test_large_and_endless_responses_are_cut_off(sns: SnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    sns.pem = certificate() + b"x" * 32 * 1024
    with pytest.raises(FetchError):
        sns.fetch(CERTIFICATE_URL)
    monkeypatch.setattr(module, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchError, match="Timeout"):
        fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/x.pem")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(FetchError):
        fetch(f"http://127.0.0.1:{port}/x.pem")


def test_few_certificates_are_kept() -> None:
    certificates = Certificates(lambda _: certificate())
    for number in range(30):
        assert certificates.have_signed(message(SigningCertURL=f"{HOST}/x{number}.pem"), TOPIC, NOON)
    assert len(certificates._kept) <= 8
