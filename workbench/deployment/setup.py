"""`dropnote setup`: creates what a stage needs in the account before `chalice deploy`, and writes its files in `.chalice/`."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from botocore.exceptions import ClientError

from chalicelib.domain.settings import Settings, SettingsError
from chalicelib.platform.clock import utc_now
from chalicelib.platform.custom import settings_file, template_folders
from chalicelib.platform.function_names import STREAM, stream_variable
from chalicelib.platform.secrets import MAX_NAMES
from chalicelib.platform.signing.keys import KEY_NAME, rotated
from chalicelib.rendering.templates import template_names
from chalicelib.rules.item_conditions import impossible_conditions
from chalicelib.settings.reader import load

from ..settings_lines import describe, settings_name
from . import identities
from .buckets import BucketSetup
from .config import read_stage, stage_names, stage_secrets, stages, write_stage
from .errors import SetupError as SetupError
from .grants import StageLocation, log_group, policies
from .limits import has_ses, limit_problems
from .sources import Client as Client
from .stack import PAUSE_S, Plan, Stack

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_STAGE = re.compile(r"[a-z][a-z0-9]{0,9}")  # as in resources.yaml
LOG_DAYS = 30


@dataclass(frozen=True)
class Setup:
    """Set-up of one stage of a project. `client` makes boto3 clients of the account."""

    project: Path
    stage: str
    client: Client
    pause_s: float = PAUSE_S

    def __post_init__(self) -> None:
        """Reject a name that AWS would reject later."""
        if not _STAGE.fullmatch(self.stage):
            raise SetupError(f"invalid stage name {self.stage!r}; use up to ten lower-case letters and digits, for example dev")

    @cached_property
    def stack(self) -> Stack:
        """The stage's stack."""
        return Stack(self.client("cloudformation"), self.stage, pause_s=self.pause_s)

    def variables(self) -> dict[str, str]:
        """The environment of the stage's functions: the values of config.json and the names of what set-up creates."""
        configured = read_stage(self.project, self.stage)["environment_variables"] if self.stage in stages(self.project) else {}
        return {**configured, **stage_names(self.stage)}

    def streams(self, settings: Settings) -> tuple[dict[str, str], list[str]]:
        """The environment variables with the stream ARNs of the ledger and of each table with rules, and a warning for each
        stream that is missing or insufficient. A missing stream is "", so that an outdated ARN does not remain.
        """
        arns, warnings = {STREAM: self._stream_of(f"dropnote-{self.stage}-ledger")[0]}, []
        for table in settings.tables:
            arns[stream_variable(table)] = ""
            try:
                arns[stream_variable(table)], view = self._stream_of(table)
            except SetupError as error:
                warnings.append(str(error))
            else:
                warnings += _view_warnings(settings, table, view)
        return arns, warnings

    def event_sources(self, settings: Settings, location: StageLocation) -> tuple[dict[str, str], list[str]]:
        """The environment variables of `streams` and `mail_events`, and their warnings."""
        (streams, warnings), (events, silent) = self.streams(settings), self.mail_events(settings, location)
        return streams | events, [*warnings, *silent]

    def mail_events(self, settings: Settings, location: StageLocation) -> tuple[dict[str, str], list[str]]:
        """The environment variables for what SES reports about mails, and a warning if a set of the user's does not report yet.
        After the stack exists.
        """
        topic, sets = self.stack.outputs().get("MailTopicArn", ""), location.configuration_sets
        if not (topic and identities.with_mail_events(settings, location.region)):
            return identities.mail_event_variables(self.stage, "", sets), []
        silent = [name for name in sets if not identities.reports_to(identities.ses_client(self.client, settings), name, topic)]
        warnings = [
            f"mail uses your configuration set {name}, which stays as it is; to let it report bounces and complaints here too: "
            + identities.reporting_command(self.stage, name, topic)
            for name in silent
        ]
        return identities.mail_event_variables(self.stage, topic, sets), warnings

    def _stream_of(self, table: str) -> tuple[str, str]:
        """The ARN and StreamViewType of a table's stream."""
        try:
            description = self.client("dynamodb").describe_table(TableName=table)["Table"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise SetupError(f"rules on the table {table!r} get no events: the table does not exist; create it") from None
        stream = description.get("StreamSpecification", {})
        if not stream.get("StreamEnabled"):
            raise SetupError(f"rules on the table {table!r} get no events: it has no stream; enable one: {_enable_stream(table)}")
        return description["LatestStreamArn"], stream["StreamViewType"]

    def placeholders(self) -> list[str]:
        """The `${NAME}` placeholders in the settings for which a person has to supply values."""
        try:
            toml = tomllib.loads(settings_file(self.project / "chalicelib").read_text())
        except (OSError, ValueError):  # settings() reports it better
            return []
        return [name for name in dict.fromkeys(_PLACEHOLDER.findall(repr(toml))) if not name.startswith("DROPNOTE_")]

    def settings(self, variables: Mapping[str, str]) -> Settings:
        """The project's settings, filled with a stage's environment.

        Raises:
            SetupError: with every error in the file.
        """
        library = self.project / "chalicelib"
        file = settings_file(library)
        try:
            return load(file, environ=variables, templates=template_names(*template_folders(library)))
        except SettingsError as error:
            raise SetupError(f"{settings_name(self.project)} has errors:\n{describe(error, file)}") from None

    def location(self, settings: Settings) -> StageLocation:
        """The account and region of the current credentials.

        Raises:
            ClientError, BotoCoreError: the credentials do not allow it.
        """
        sts = self.client("sts")
        identity = sts.get_caller_identity()
        stage = StageLocation(self.stage, identity["Account"], sts.meta.region_name, identity["Arn"].split(":")[1])
        if not identities.by_ses(settings) or not has_ses(stage.partition):
            return stage
        ses = identities.ses_client(self.client, settings)
        sandbox = not ses.get_account().get("ProductionAccessEnabled", False)
        found = identities.find_identities(ses, identities.sender_address(settings))
        sender = identities.describe_sender(found, identities.sender_address(settings), ses.meta.region_name)
        return replace(stage, sandbox=sandbox, configuration_sets=identities.configuration_sets(found), sender=sender)

    def check_limits(self, settings: Settings, variables: Mapping[str, str], location: StageLocation) -> None:
        """Check that AWS will accept what is deployed.

        Raises:
            SetupError: with every limit that these settings exceed.
        """
        if problems := limit_problems(settings, variables, location):
            raise SetupError("\n".join(problems))

    def buckets(self, settings: Settings, variables: Mapping[str, str], location: StageLocation) -> BucketSetup:
        """The buckets of the rules, whose notifications set-up checks."""
        names = {variables[name]: f"${{{name}}}" for name in self.placeholders() if name in variables}
        return BucketSetup(self.client, settings, location, names)

    def plan(self, settings: Settings) -> Plan:
        """The changes that the stack's template would make in the account."""
        owner = settings.people.get(settings.bot.owner)
        tables = self.stack.parameters().get("Tables") or ("keep" if self.existing_tables() else "make")
        here = self.client("sts").meta
        made = identities.with_mail_events(settings, here.region_name) and has_ses(here.partition)
        parameters = {
            "Stage": self.stage,
            "Tables": tables,
            "OwnerEmail": owner.email if owner else "",
            "Dashboard": "make" if settings.metrics else "none",
            # once made it stays, unused if need be: deployed functions may still name the configuration set
            "MailEvents": "make" if made else self.stack.parameters().get("MailEvents", "none"),
        }
        return self.stack.plan(self.project / "resources.yaml", parameters)

    def existing_tables(self) -> list[str]:
        """The stage's existing tables, from this stack or an earlier one."""
        existing = []
        for name in (f"dropnote-{self.stage}-ledger", f"dropnote-{self.stage}-counters"):
            try:
                self.client("dynamodb").describe_table(TableName=name)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise
            else:
                existing.append(name)
        return existing

    def missing_secrets(self, settings: Settings, prefix: str) -> list[str]:
        """The secrets that the settings need but Parameter Store does not have."""
        names = {f"{prefix}{name}": name for name in stage_secrets(settings)}
        paths, missing = list(names), []
        for start in range(0, len(paths), MAX_NAMES):
            batch = paths[start : start + MAX_NAMES]
            missing += self.client("ssm").get_parameters(Names=batch)["InvalidParameters"]
        return [names[path] for path in missing]

    def rotated_key(self, prefix: str) -> str:
        """The new text of the secret `console-key`, which set-up generates; the present key stays valid for a while."""
        parameters = self.client("ssm").get_parameters(Names=[prefix + KEY_NAME], WithDecryption=True)["Parameters"]
        return rotated(parameters[0]["Value"] if parameters else "", utc_now())

    def put_secret(self, prefix: str, name: str, value: str) -> None:
        """Store a secret as a SecureString, encrypted with the account's own key."""
        self.client("ssm").put_parameter(Name=prefix + name, Value=value, Type="SecureString", Overwrite=True)

    def write(self, settings: Settings, variables: Mapping[str, str], location: StageLocation) -> list[str]:
        """Write the stage's environment and policies below `.chalice/`. Return the files that changed.

        Only the main partition has edge-optimized endpoints, Chalice's default (AWS GovCloud (US) user guide and Getting Started
        with Amazon Web Services in China, "Amazon API Gateway").
        """
        defaults = {} if location.partition == "aws" else {"api_gateway_endpoint_type": "REGIONAL"}
        return write_stage(self.project, self.stage, variables, policies(settings, variables, location), defaults)

    def create_log_groups(self, settings: Settings, variables: Mapping[str, str], location: StageLocation) -> None:
        """Create each function's log group with a retention period: the ones that Lambda creates never expire. Chalice's own
        retention setting uses a wrong name for the REST API's function and breaks its Terraform packaging.
        """
        logs = self.client("logs")
        for function in policies(settings, variables, location):
            with suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=log_group(function, self.stage))
            logs.put_retention_policy(logGroupName=log_group(function, self.stage), retentionInDays=LOG_DAYS)


def _enable_stream(table: str) -> str:
    specification = "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
    return f"aws dynamodb update-table --table-name {table} --stream-specification {specification}"


def _view_warnings(settings: Settings, table: str, view: str) -> Iterator[str]:
    """A warning for each rule whose conditions need more than the stream's view contains. The view of a stream cannot change
    (Amazon DynamoDB developer guide, "Change data capture for DynamoDB Streams"): it takes another stream.
    """
    disable = f"aws dynamodb update-table --table-name {table} --stream-specification StreamEnabled=false"
    for rule in settings.rules:
        if rule.item and rule.item.table == table and (conditions := impossible_conditions(rule.item, view)):
            yield (
                f"rule {rule.name!r} never matches: the stream of the table {table!r} has the view {view}, which is not enough "
                f"for {' and '.join(conditions)}; replace it: {disable}, then {_enable_stream(table)}"
            )
