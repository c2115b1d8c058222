"""Set-up: what a stage needs in the account before `chalice deploy`, and what it needs to know of it in `.chalice/`."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.settings import Settings, SettingsError
from chalicelib.platform.function_names import STREAM, stream_variable
from chalicelib.rendering.renderer import template_names
from chalicelib.rules.item_conditions import unanswerable
from chalicelib.settings.reader import load

from .config import read_stage, stages, write_stage
from .grants import Place, log_group, policies, secret_names
from .stack import PAUSE_S, Plan, Stack

_NAMED = re.compile(r"\$\{(\w+)\}")
_STAGE = re.compile(r"[a-z][a-z0-9]{0,9}")  # as in resources.yaml
LOG_DAYS = 30
Client = Callable[[str], Any]  # boto3.client


class SetupError(Exception):
    """Set-up cannot go on. One sentence, and what to do."""


@dataclass(frozen=True)
class Setup:
    """Set-up of one stage of a project. `client` makes boto3 clients of the account."""

    project: Path
    stage: str
    client: Client
    pause_s: float = PAUSE_S

    def __post_init__(self) -> None:
        """Refuse a name that AWS would refuse later."""
        if not _STAGE.fullmatch(self.stage):
            raise SetupError(f"A stage's name is up to ten small letters and digits, such as dev, and not {self.stage!r}.")

    @cached_property
    def stack(self) -> Stack:
        """The stage's stack."""
        return Stack(self.client("cloudformation"), self.stage, pause_s=self.pause_s)

    def variables(self) -> dict[str, str]:
        """The environment of the stage's functions: what config.json says, and the names of what set-up makes."""
        given = read_stage(self.project, self.stage)["environment_variables"] if self.stage in stages(self.project) else {}
        return {
            **given,
            "DROPNOTE_STAGE": self.stage,
            "DROPNOTE_LEDGER": f"dropnote-{self.stage}-ledger",
            "DROPNOTE_COUNTERS": f"dropnote-{self.stage}-counters",
            "DROPNOTE_DEAD_EVENTS": f"dropnote-{self.stage}-dead-events",
            "DROPNOTE_SECRETS": f"/dropnote/{self.stage}/",
        }

    def streams(self, settings: Settings) -> tuple[dict[str, str], list[str]]:
        """What only the account can say, once the tables are there: the streams of the ledger and of tables that rules are on
        ("" where there is none, so that one of before is forgotten); and a sentence for each that does not say enough.
        """
        found, deaf = {STREAM: self._stream_of(f"dropnote-{self.stage}-ledger")[0]}, []
        for table in settings.tables:
            found[stream_variable(table)] = ""
            try:
                found[stream_variable(table)], view = self._stream_of(table)
            except SetupError as error:
                deaf.append(str(error))
            else:
                deaf += _too_little(settings, table, view)
        return found, deaf

    def _stream_of(self, table: str) -> tuple[str, str]:
        """A table's stream by its ARN, and its StreamViewType."""
        try:
            told = self.client("dynamodb").describe_table(TableName=table)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise SetupError(f"Nothing is heard of the table {table!r}, which a rule is on: it is not there.") from None
        stream = told.get("StreamSpecification", {})
        if not stream.get("StreamEnabled"):
            raise SetupError(
                f"Nothing is heard of the table {table!r}, which a rule is on: it has no stream. {_switch_on(table)}"
            )
        return told["LatestStreamArn"], stream["StreamViewType"]

    def asked_for(self) -> list[str]:
        """The environment variables that the settings name, and that a person has to fill."""
        try:
            told = tomllib.loads((self.project / "chalicelib" / "dropnote.toml").read_text())
        except (OSError, ValueError):  # settings() says it better
            return []
        return [name for name in dict.fromkeys(_NAMED.findall(repr(told))) if not name.startswith("DROPNOTE_")]

    def settings(self, variables: Mapping[str, str]) -> Settings:
        """The project's settings with a stage's environment put in.

        Raises:
            SetupError: with every finding.
        """
        library = self.project / "chalicelib"
        try:
            return load(library / "dropnote.toml", environ=variables, templates=template_names(library / "templates"))
        except SettingsError as error:
            raise SetupError(f"chalicelib/dropnote.toml is not in order:\n{error}") from None

    def place(self, settings: Settings) -> Place:
        """Which account and region this is.

        Raises:
            ClientError, BotoCoreError: the credentials are not good for it.
        """
        identity = self.client("sts")
        told = identity.get_caller_identity()
        by_ses = settings.email is not None and settings.email.transport == "ses"
        sandbox = by_ses and not self.client("sesv2").get_account().get("ProductionAccessEnabled", False)
        return Place(self.stage, told["Account"], identity.meta.region_name, told["Arn"].split(":")[1], sandbox)

    def plan(self, settings: Settings) -> Plan:
        """What the stack's template would change in the account."""
        owner = settings.people.get(settings.bot.owner)
        there = self.stack.parameters().get("Tables")
        tables = there or ("keep" if self.tables() else "make")
        parameters = {"Stage": self.stage, "Tables": tables, "OwnerEmail": owner.email if owner else ""}
        return self.stack.plan(self.project / "resources.yaml", parameters)

    def tables(self) -> list[str]:
        """The stage's tables that are there, of this stack or left by an earlier one."""
        found = []
        for name in (f"dropnote-{self.stage}-ledger", f"dropnote-{self.stage}-counters"):
            try:
                self.client("dynamodb").describe_table(TableName=name)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
            else:
                found.append(name)
        return found

    def missing_secrets(self, settings: Settings, prefix: str) -> list[str]:
        """The secrets that the settings need and Parameter Store does not have."""
        names = {f"{prefix}{name}": name for name in secret_names(settings)}
        if not names:
            return []
        missing = self.client("ssm").get_parameters(Names=list(names))["InvalidParameters"]
        return [names[path] for path in missing]

    def put_secret(self, prefix: str, name: str, value: str) -> None:
        """Keep a secret as a SecureString, encrypted with the account's own key."""
        self.client("ssm").put_parameter(Name=prefix + name, Value=value, Type="SecureString", Overwrite=True)

    def write(self, settings: Settings, variables: Mapping[str, str], place: Place) -> list[str]:
        """Write the stage's names and policies below `.chalice/`; gives the files that changed."""
        return write_stage(self.project, self.stage, variables, policies(settings, variables, place))

    def keep_logs(self, settings: Settings, variables: Mapping[str, str], place: Place) -> None:
        """Make each function's log group, which then forgets: Lambda's own keeps for ever. Chalice could set that, by a name
        that is wrong for the REST API's function, and its Terraform packaging fails on it.
        """
        logs = self.client("logs")
        for function in policies(settings, variables, place):
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=log_group(function, self.stage))
            logs.put_retention_policy(logGroupName=log_group(function, self.stage), retentionInDays=LOG_DAYS)


def _switch_on(table: str) -> str:
    how = "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
    return f"aws dynamodb update-table --table-name {table} --stream-specification {how}"


def _too_little(settings: Settings, table: str, view: str) -> Iterator[str]:
    """Rules that ask for what a table's stream does not tell. A stream keeps its view (Amazon DynamoDB developer guide,
    "Change data capture for DynamoDB Streams"): it takes another stream.
    """
    off = f"aws dynamodb update-table --table-name {table} --stream-specification StreamEnabled=false"
    for rule in settings.rules:
        if rule.item and rule.item.table == table and (never := unanswerable(rule.item, view)):
            yield (
                f"The rule {rule.name!r} never comes true: the stream of the table {table!r} tells {view}, which does not say "
                f"{' and '.join(never)}. Make it another: {off}, and then {_switch_on(table)}"
            )
