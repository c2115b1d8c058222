"""The account that a command works on: the local environment, or a deployed stage with boto3's usual credentials."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.bot.assembly import SETTINGS_FILE, make_bot
from chalicelib.bot.bot import Bot
from chalicelib.domain.settings import Settings, SettingsError
from chalicelib.platform.custom import ConfigError, settings_file, template_folders
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import load

from .deployment.config import config_name, read_stage
from .local.running import RunningEnvironment, read_running
from .output import note
from .paths import PROJECT
from .settings_lines import describe, display_path

RESTART = "stop it and start it again to use them (Ctrl-C, then make run)"
_LOG_IN = "Log in with `aws configure` or `aws sso login`, or set AWS_PROFILE."
# AWS Account Management reference guide, "Enable or disable AWS Regions in your account"
_UNKNOWN_KEYS = ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "RegionDisabledException")
_UNKNOWN_KEY = (
    "If the key works in other regions, this one is not enabled in your account: aws account enable-region --region-name REGION "
    "(it takes minutes to hours)."
)
_HINTS = {
    "NoRegionError": "Choose one with `aws configure`, or set AWS_DEFAULT_REGION=eu-west-1 for this command.",
    "NoCredentialsError": _LOG_IN,
    "PartialCredentialsError": _LOG_IN,
    "SSOTokenLoadError": _LOG_IN,
    "UnauthorizedSSOTokenError": _LOG_IN,
    "TokenRetrievalError": _LOG_IN,
}


class AccountError(Exception):
    """The account cannot be used: what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account of one stage. `client` creates boto3 clients for it."""

    stage: str
    settings: Settings
    variables: Mapping[str, str]
    client: Callable[..., Any]
    deployed_file: Path  # Chalice's list of what it deployed; missing on a machine that did not deploy

    def resources(self) -> list[dict[str, Any]] | None:
        """The resources that Chalice deployed; None if another machine deployed them."""
        try:
            resources: list[dict[str, Any]] = json.loads(self.deployed_file.read_text())["resources"]
        except OSError:
            return None
        return resources

    def bot(self) -> Bot:
        """The bot as the stage's functions run it. Here it only reads and writes the ledger; the sweep sends."""
        return make_bot(self.settings, self.variables, self.client)


def settings_of(
    stage: str, overrides: Mapping[str, str] | None = None, file: Path = SETTINGS_FILE, project: Path = PROJECT
) -> tuple[Settings, dict[str, str]]:
    """Return a stage's settings and the environment variables they use; `overrides` replace variables. `project` has the values.

    Raises:
        AccountError: the stage is unknown, or its settings have errors.
    """
    try:
        variables = {**os.environ, **read_stage(project, stage)["environment_variables"], **(overrides or {})}
        return load(file, environ=variables, templates=template_names(*template_folders(project / "chalicelib"))), variables
    except KeyError as error:
        raise AccountError(f"unknown stage {stage!r}: not in {config_name(PROJECT)}") from error
    except ConfigError as error:
        raise AccountError(str(error)) from error
    except SettingsError as error:
        raise AccountError(f"{display_path(file)} has errors:\n{describe(error, file)}") from error


def find_account(stage: str) -> Account:
    """Return the account of a stage; "local" is the running local environment, with the settings that its functions have.

    Raises:
        AccountError: no local environment is running, the stage is unknown, or its settings have errors.
    """
    if stage != "local":
        settings, variables = settings_of(stage)
        import boto3  # takes a third of a second, not needed for the local environment

        return Account(stage, settings, variables, boto3.client, PROJECT / ".chalice" / "deployed" / f"{stage}.json")
    running = read_running()
    if running is None:
        raise AccountError("the local environment is not running; start it with `make run` in another terminal, or pass --stage")
    doubles = {"TWILIO_BASE_URL": running.server, "WEBHOOK_BASE_URL": running.webhooks}
    file, project = _running_settings(running)
    settings, variables = settings_of(stage, {**doubles, "SHOP_URL": running.shop}, file, project)
    return Account(
        stage,
        settings,
        variables,
        lambda service, region_name="", **_: running.client(service, region_name),
        Path(running.deployed),
    )


def _running_settings(running: RunningEnvironment) -> tuple[Path, Path]:
    """The settings file that the functions of the local environment have, and the project folder it is in. A note says so if the
    user's file differs from it.
    """
    project = running.project
    file = settings_file(project / "chalicelib") if project else SETTINGS_FILE
    if project is None or not file.is_file():  # a redeploy is just replacing it
        return SETTINGS_FILE, PROJECT
    if not SETTINGS_FILE.is_file() or SETTINGS_FILE.read_bytes() != file.read_bytes():
        note(f"The local environment runs other settings than {display_path(SETTINGS_FILE)} has now: {RESTART}.")
    return file, project


@contextmanager
def readable_aws_errors() -> Iterator[None]:
    """Turn an error from AWS into one sentence.

    Raises:
        AccountError: with that sentence.
    """
    try:
        yield
    except ClientError as error:
        reason = error.response.get("Error", {})
        hint = f". {_UNKNOWN_KEY}" if reason.get("Code") in _UNKNOWN_KEYS else ""
        raise AccountError(f"AWS rejected {error.operation_name}: {reason.get('Code')}: {reason.get('Message')}{hint}") from error
    except BotoCoreError as error:
        hint = _HINTS.get(type(error).__name__, "")
        raise AccountError(f"Could not call AWS: {error}{'' if str(error).endswith('.') else '.'} {hint}".rstrip()) from error
