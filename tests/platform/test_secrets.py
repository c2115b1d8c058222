"""Secrets are read from SSM when first needed, cached, and read again after a rotation."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.platform.secrets import CACHE_SPREAD, CACHE_TIME, CLIENT_CONFIG, PAUSE, MissingSecret, Secrets, SecretsUnavailable
from tests.support.builders import NOON
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer
from workbench.local.resources import put_secrets

THROTTLED = Answer(400, b'{"__type": "ThrottlingException", "message": "Rate exceeded"}')


class Reader:
    """Secrets on the local AWS emulator, with a clock that the test moves."""

    def __init__(self, ministack: MiniStack, environ: dict[str, str]) -> None:
        self.now: datetime = NOON
        self.clients = 0
        self.chance = 0.0
        self.client = ministack.client("ssm")
        names = ("twilio-auth-token", "public-url")
        self.secrets = Secrets(self._client, "/dropnote/prod/", environ, lambda: self.now, names, lambda: self.chance)

    def _client(self) -> Any:
        self.clients += 1
        return self.client

    def token(self) -> str:
        return self.secrets.secret("twilio-auth-token")


def rotate(ministack: MiniStack, value: str) -> None:
    ministack.client("ssm").put_parameter(
        Name="/dropnote/prod/twilio-auth-token", Value=value, Type="SecureString", Overwrite=True
    )


def test_secret_is_decrypted_and_read_once(ministack: MiniStack) -> None:
    put_secrets(ministack, "/dropnote/prod/", {"twilio-auth-token": "first"})
    reader = Reader(ministack, {})
    assert [reader.token(), reader.token()] == ["first", "first"]
    assert reader.clients == 1


def test_rotated_secret_is_picked_up(ministack: MiniStack) -> None:
    put_secrets(ministack, "/dropnote/prod/", {"twilio-auth-token": "first"})
    reader = Reader(ministack, {})
    reader.token()
    rotate(ministack, "second")
    reader.now += CACHE_TIME - timedelta(seconds=1)
    assert reader.token() == "first"
    reader.now += timedelta(seconds=1)
    assert reader.token() == "second"


def test_environment_variable_comes_first_and_needs_no_account(ministack: MiniStack) -> None:
    reader = Reader(ministack, {"DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": "mine"})
    assert (reader.token(), reader.clients) == ("mine", 0)


def test_missing_secret_says_how_to_create_it(ministack: MiniStack) -> None:
    with pytest.raises(MissingSecret, match=r"/dropnote/prod/twilio-auth-token .*ParameterNotFound.*put-parameter --type Secure"):
        Reader(ministack, {}).token()


def test_unset_public_url_is_empty(ministack: MiniStack) -> None:
    ministack.client("ssm").put_parameter(Name="/dropnote/prod/public-url", Value="unset", Type="String")
    assert Reader(ministack, {}).secrets.public_url() == ""


@pytest.fixture
def proxy(ministack: MiniStack) -> Iterator[Proxy]:
    with Proxy(ministack.endpoint) as running:
        yield running


@pytest.fixture
def reader(ministack: MiniStack, proxy: Proxy) -> Reader:
    """Secrets read through a proxy, without botocore's own retries, which wait."""
    put_secrets(ministack, "/dropnote/prod/", {"twilio-auth-token": "first", "public-url": "https://example.com"})
    reader = Reader(ministack, {})
    reader.client = local_client(proxy.url, "ssm")
    return reader


def test_everything_is_read_in_one_call(reader: Reader, proxy: Proxy) -> None:
    assert (reader.token(), reader.secrets.public_url()) == ("first", "https://example.com")
    assert proxy.operations() == ["GetParameters"]


def test_throttled_read_waits_a_moment_before_it_asks_again(reader: Reader, proxy: Proxy) -> None:
    """A thousand containers that start together must not ask again for each message."""
    proxy.fail_next(THROTTLED)
    for _ in range(3):
        with pytest.raises(SecretsUnavailable, match="/dropnote/prod/twilio-auth-token"):
            reader.token()
    with pytest.raises(SecretsUnavailable):  # never "unset": texts would be sent without delivery receipts
        reader.secrets.public_url()
    assert proxy.operations() == ["GetParameters"]
    reader.now += PAUSE
    assert reader.token() == "first"


def test_throttled_container_keeps_the_value_it_knows(reader: Reader, ministack: MiniStack, proxy: Proxy) -> None:
    reader.token()
    rotate(ministack, "second")
    reader.now += CACHE_TIME
    proxy.fail_next(THROTTLED)
    assert [reader.token(), reader.token()] == ["first", "first"]
    reader.now += PAUSE
    assert reader.token() == "second"
    assert len(proxy.requests()) == 3


def test_containers_that_started_together_read_again_at_different_moments(reader: Reader, proxy: Proxy) -> None:
    reader.chance = 0.99
    reader.token()
    reader.now += CACHE_TIME * (1 - CACHE_SPREAD)
    reader.token()
    assert len(proxy.requests()) == 1
    reader.now += CACHE_TIME * CACHE_SPREAD * 0.02
    reader.token()
    assert len(proxy.requests()) == 2


def test_denied_read_is_no_throttling(reader: Reader, proxy: Proxy) -> None:
    proxy.fail_next(Answer(400, b'{"__type": "AccessDeniedException", "message": "no"}'))
    with pytest.raises(MissingSecret, match="AccessDeniedException") as caught:
        reader.token()
    assert not isinstance(caught.value, SecretsUnavailable)
    assert reader.token() == "first"


def test_client_retries_with_jitter_within_the_start_of_a_container() -> None:
    config: Any = CLIENT_CONFIG
    attempts = config.retries["total_max_attempts"]
    assert (config.retries["mode"], attempts) == ("standard", 3)
    assert attempts * config.read_timeout + 1 + 2 < 10  # seconds: Lambda's limit; 1 and 2 are the longest waits
