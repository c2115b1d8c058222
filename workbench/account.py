"""Which account a command works on: the local world, or a stage that is deployed, by boto3's usual credentials."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.assembly import load_settings, make_bot
from chalicelib.bot import Bot
from chalicelib.domain.settings import Settings, SettingsError

from .deployment.config import read_stage
from .local.running import read_running
from .paths import PROJECT

_LOG_IN = "Log in with `aws configure` or `aws sso login`, or name who you are with AWS_PROFILE."
_HINTS = {
    "NoRegionError": "Choose one with `aws configure`, or for once with AWS_DEFAULT_REGION=eu-west-1.",
    "NoCredentialsError": _LOG_IN,
    "PartialCredentialsError": _LOG_IN,
    "SSOTokenLoadError": _LOG_IN,
    "UnauthorizedSSOTokenError": _LOG_IN,
    "TokenRetrievalError": _LOG_IN,
}


class AccountError(Exception):
    """The account cannot be worked on; one sentence, and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """One stage's account. `client` makes boto3 clients of it."""

    stage: str
    settings: Settings
    variables: Mapping[str, str]
    client: Callable[..., Any]
    listed: Path  # the file in which Chalice lists what it deployed; there is none on a machine that did not deploy

    def resources(self) -> list[dict[str, Any]] | None:
        """What Chalice says that it deployed; None where another machine did."""
        try:
            told: list[dict[str, Any]] = json.loads(self.listed.read_text())["resources"]
        except OSError:
            return None
        return told

    def bot(self) -> Bot:
        """The bot as the stage's functions run it. Here it only reads and writes the ledger: the sweep does the sending."""
        return make_bot(self.settings, self.variables, self.client)


def settings_of(stage: str, more: Mapping[str, str] | None = None) -> tuple[Settings, dict[str, str]]:
    """A stage's settings, and the environment that fills them; `more` is over it.

    Raises:
        AccountError: there is no such stage, or its settings are not in order.
    """
    try:
        variables = {**os.environ, **read_stage(PROJECT, stage)["environment_variables"], **(more or {})}
        return load_settings(variables), variables
    except KeyError as error:
        raise AccountError(f"There is no stage {stage} in .chalice/config.json.") from error
    except SettingsError as error:
        raise AccountError(f"chalicelib/dropnote.toml is not in order: run .venv/bin/dropnote check. {error}") from error


def find_account(stage: str) -> Account:
    """The account of a stage: "local" is the local world that runs.

    Raises:
        AccountError: no world runs, there is no such stage, or its settings are not in order.
    """
    if stage != "local":
        settings, variables = settings_of(stage)
        import boto3  # a third of a second that the local world does not need

        return Account(stage, settings, variables, boto3.client, PROJECT / ".chalice" / "deployed" / f"{stage}.json")
    world = read_running()
    if world is None:
        raise AccountError("No local world runs here: start one with `make run` in another terminal, or name a --stage.")
    settings, variables = settings_of(stage, {"TWILIO_BASE_URL": world.desk, "SHOP_URL": world.shop})
    return Account(stage, settings, variables, lambda service, **_: world.client(service), Path(world.deployed))


@contextmanager
def telling() -> Iterator[None]:
    """Turn what AWS refuses into one sentence.

    Raises:
        AccountError: with that sentence.
    """
    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        raise AccountError(f"AWS refused {error.operation_name}: {told.get('Code')}: {told.get('Message')}") from error
    except BotoCoreError as error:
        hint = _HINTS.get(type(error).__name__, "")
        raise AccountError(f"AWS cannot be asked: {error}{'' if str(error).endswith('.') else '.'} {hint}".rstrip()) from error
