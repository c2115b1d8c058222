"""Secrets are read from SSM when first needed, cached, and read again after a rotation."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.platform.secrets import CACHE_TIME, MissingSecret, Secrets
from tests.support.builders import NOON
from workbench.local.ministack import MiniStack
from workbench.local.resources import put_secrets


class Reader:
    """Secrets on the local AWS emulator, with a clock that the test moves."""

    def __init__(self, ministack: MiniStack, environ: dict[str, str]) -> None:
        self.now: datetime = NOON
        self.clients = 0
        self._ministack = ministack
        self.secrets = Secrets(self._client, "/dropnote/prod/", environ, lambda: self.now)

    def _client(self) -> Any:
        self.clients += 1
        return self._ministack.client("ssm")

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
