"""Configures after each `chalice deploy` what Chalice cannot: retries, dead-letter queues, stream filters and the public URL.
Idempotent.

Source: AWS Lambda developer guide, "Configuring error handling settings for asynchronous invocations", "Reporting batch item
failures", "Control which events Lambda sends to your function" and "Using AWS Lambda with Amazon DynamoDB"; API reference,
"UpdateEventSourceMapping" (ResourceInUseException). Filtering by eventName: Amazon DynamoDB developer guide, "Tutorial #2:
Using filters to process some events with DynamoDB and Lambda".
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.counting.ledger_stream import COUNTED_STATES
from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE
from chalicelib.domain.payloads import ChangeType
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.signing.keys import KEY_NAME, derived
from chalicelib.policy.controls import LinkSettings
from chalicelib.rules.item_conditions import EXPIRED
from chalicelib.store.control import Control, TableStore

from ..waiting import wait_until
from .replies.reports import report_lines
from .setup import Client, Setup, SetupError
from .stack import PAUSE_S, Stack

MAPPING_S = 180.0  # AWS takes a while to connect a stream


@dataclass(frozen=True, slots=True)
class Retries:
    """How Lambda retries a failed asynchronous invocation."""

    attempts: int  # after the first
    event_age_s: int
    dead_letter: bool  # whether an event that still fails goes to the dead-letter queue


UPLOADS = Retries(attempts=2, event_age_s=6 * 3600, dead_letter=True)
ON_SCHEDULE = Retries(attempts=0, event_age_s=60, dead_letter=False)  # the schedule invokes it again anyway
# by the first word of the handler's name
# A dropped report leaves a row as "sent". SES's own suppression list has the address anyway.
REPORTS = Retries(attempts=2, event_age_s=6 * 3600, dead_letter=False)
RETRIES = {"mail": REPORTS, "upload": UPLOADS, "uploads": UPLOADS, "bus": UPLOADS, "sweep": ON_SCHEDULE, "watch": ON_SCHEDULE}
QUEUE: dict[str, Any] = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}  # for every queue's mapping

# The ledger's writes that invoke the function. Without a filter every write would, including its own.
_COUNTED = {"sk": {"S": ["delivery"]}, "state": {"S": sorted(COUNTED_STATES)}}
# A failed batch is dropped after ten retries: a lost count makes a budget slightly too generous, but a shard that is blocked for
# a day stops all counting. Dropped batches do not go to a queue: AWS would store only the records' sequence numbers there, not
# their content, so nobody could use them. The function's log has the reason.
STREAM: dict[str, Any] = {
    **QUEUE,
    "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"dynamodb": {"NewImage": _COUNTED}})}]},
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 10,
    "MaximumRecordAgeInSeconds": 86_400,  # the retention of a stream
}


# For the stream of a table with rules. Dropped after ten retries as well: a blocked shard blocks every later record.
ITEMS: dict[str, Any] = {name: value for name, value in STREAM.items() if name != "FilterCriteria"}
_EVENT_NAMES: dict[str, set[str]] = {  # the stream's name: our change types
    "INSERT": {ChangeType.CREATED},
    "MODIFY": {ChangeType.UPDATED},
    "REMOVE": {ChangeType.DELETED, EXPIRED},
}


def retries_for(handler: str) -> Retries | None:
    """The retries of a handler's function. None for one that reads a queue: the queue keeps failed messages itself."""
    reads_queue = handler == "upload_queue" or handler.startswith("uploads_queue_")
    return None if reads_queue else RETRIES.get(handler.split("_")[0])


def is_finished(mapping: Mapping[str, Any], rules: Sequence[Rule] = ()) -> bool:
    """Whether an event source mapping, as Lambda describes it, has our settings. True for sources that need none."""
    expected = {"sqs": QUEUE, "dynamodb": stream_settings(mapping.get("EventSourceArn", ""), rules)}.get(
        source_service(mapping), {}
    )
    return all(_comparable(mapping.get(name)) == _comparable(value) for name, value in expected.items())


def stream_settings(arn: str, rules: Sequence[Rule]) -> dict[str, Any]:
    """The settings of a stream's mapping. The ledger's stream passes counted deliveries; a table's, what its rules match."""
    table = arn.partition(":table/")[2].partition("/")[0]
    if re.fullmatch(r"dropnote-[a-z0-9]+-ledger", table):
        return STREAM
    pattern = json.dumps({"eventName": _event_names(table, rules)})
    return {**ITEMS, "FilterCriteria": {"Filters": [{"Pattern": pattern}]}}


def _event_names(table: str, rules: Sequence[Rule]) -> list[str]:
    """The stream's names for the changes that rules on the table match; all names for a table without rules."""
    matched = {did for rule in rules if rule.item and rule.item.table == table for did in rule.item.did}
    return [name for name, changes in _EVENT_NAMES.items() if not matched or changes & matched]


def source_service(mapping: Mapping[str, Any]) -> str:
    """The service that a mapping reads, from its ARN: "sqs" for a queue, "dynamodb" for a stream."""
    return str(mapping.get("EventSourceArn", "::::")).split(":")[2]


def _comparable(value: Any) -> Any:
    """Parse filter patterns, because AWS may format their JSON differently. Other values stay unchanged."""
    return [json.loads(pattern["Pattern"]) for pattern in value["Filters"]] if isinstance(value, dict) else value


def deployed(project: Path, stage: str) -> list[dict[str, Any]]:
    """The resources of a stage that Chalice deployed from this checkout.

    Raises:
        SetupError: this checkout has not deployed the stage.
    """
    try:
        listing = json.loads((project / ".chalice" / "deployed" / f"{stage}.json").read_text())
    except OSError:
        raise SetupError(f"no .chalice/deployed/{stage}.json; run `chalice deploy --stage {stage}` first") from None
    resources: list[dict[str, Any]] = listing["resources"]
    return resources


def finish_stage(
    project: Path,
    stage: str,
    client: Client,
    public_url: str = "",
    confirm: Callable[[str, bool], bool] = lambda question, default: False,
) -> list[str]:
    """Configure everything. Return one line per setting. `public_url` is the user's own domain for the stage; it is kept until
    another one is given. `confirm` is asked whether texts from people should arrive here.
    """
    resources = deployed(project, stage)
    outputs = Stack(client("cloudformation"), stage).outputs()
    if "DeadEventsArn" not in outputs:
        raise SetupError(f"the account has no stack for stage {stage}; run `dropnote setup --stage {stage}` first")
    work = Setup(project, stage, client)
    variables = work.variables()
    settings = work.settings(variables)
    lines = finish_functions(client("lambda"), resources, outputs["DeadEventsArn"], settings.rules)
    location = work.location(settings)
    lines += work.buckets(settings, variables, location).status()
    api = next((resource for resource in resources if resource["resource_type"] == "rest_api"), None)
    if api:
        url = (public_url or _own_domain(client("ssm"), stage) or api["rest_api_url"]).rstrip("/")
        client("ssm").put_parameter(Name=f"/dropnote/{stage}/public-url", Value=url, Type="String", Overwrite=True)
        lines.append(f"public-url: {url}")
        lines.append(_record_links(client, variables, url))
        lines += report_lines(client, settings, location, url)
        lines += _offer_replies(client, settings, variables, url, confirm)
    return lines


def _offer_replies(
    client: Client, settings: Settings, variables: Mapping[str, str], url: str, confirm: Callable[[str, bool], bool]
) -> list[str]:
    if settings.sms is None:
        return []
    name = variables["DROPNOTE_SECRETS"] + "twilio-auth-token"
    parameters = client("ssm").get_parameters(Names=[name], WithDecryption=True)["Parameters"]
    if not parameters:
        return []
    from .replies.webhook import offer_replies  # imported late: Twilio's package takes a second

    return [offer_replies(settings.sms, parameters[0]["Value"], variables.get("TWILIO_BASE_URL", ""), url, confirm)]


def _record_links(client: Client, variables: Mapping[str, str], url: str) -> str:
    """Record what links in mails are made of, in the control item. Mail programs require HTTPS (RFC 8058, section 3.1)."""
    if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        return "links in mails: none, because the public URL is not https"
    name = variables["DROPNOTE_SECRETS"] + KEY_NAME
    parameters = client("ssm").get_parameters(Names=[name], WithDecryption=True)["Parameters"]
    if not parameters:
        raise SetupError(f"the account has no secret {name}; run `dropnote setup --stage {variables['DROPNOTE_STAGE']}` first")
    control = Control(TableStore(client("dynamodb"), variables["DROPNOTE_LEDGER"]), utc_now)
    control.record_links(LinkSettings(url, derived(parameters[0]["Value"], KEY_PURPOSE)))
    return "links in mails: unsubscribe, mute, acknowledge"


def finish_functions(
    client: Any,
    resources: list[dict[str, Any]],
    dead_letter_queue: str,
    rules: Sequence[Rule] = (),
    pause_s: float = PAUSE_S,
) -> list[str]:
    """Configure the functions that Chalice deployed. Return one line per setting.

    `client` is a boto3 Lambda client, `resources` Chalice's own list of deployed resources, `dead_letter_queue` the queue's ARN,
    `rules` those of the settings.

    Raises:
        SetupError: AWS is still busy with the deploy.
    """
    lines = []
    for resource in resources:
        if resource["resource_type"] == "lambda_function" and (retries := retries_for(resource["name"])):
            client.put_function_event_invoke_config(
                FunctionName=resource["lambda_arn"],
                MaximumRetryAttempts=retries.attempts,
                MaximumEventAgeInSeconds=retries.event_age_s,
                DestinationConfig={"OnFailure": {"Destination": dead_letter_queue}} if retries.dead_letter else {},
            )
            then = "dead-letter queue" if retries.dead_letter else "dropped"
            lines.append(f"{resource['name']}: {retries.attempts} retries, then {then}")
        if resource["resource_type"] == "sqs_event":
            _set_mapping(client, resource, QUEUE, pause_s)
            lines.append(f"{resource['name']}: reports failures per message")
        if resource["resource_type"] == "dynamodb_event":
            mapping = stream_settings(client.get_event_source_mapping(UUID=resource["event_uuid"])["EventSourceArn"], rules)
            _set_mapping(client, resource, mapping, pause_s)
            passed = "delivery results" if mapping is STREAM else "changes that rules match"
            lines.append(f"{resource['name']}: {passed}, {mapping['MaximumRetryAttempts']} retries")
    return lines


def _set_mapping(client: Any, resource: Mapping[str, Any], settings: Mapping[str, Any], pause_s: float) -> None:
    """Change a mapping. Retry while AWS is still creating or updating it: until then it rejects changes."""

    def updated() -> bool:
        try:
            client.update_event_source_mapping(UUID=resource["event_uuid"], **settings)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
            return False
        return True

    if not wait_until(updated, MAPPING_S, pause_s):
        raise SetupError(f"AWS is still busy with {resource['name']}; run this again in a minute")


def _own_domain(client: Any, stage: str) -> str:
    """The current URL, unless it is the stack's "unset" or one from API Gateway."""
    parameters = client.get_parameters(Names=[f"/dropnote/{stage}/public-url"])["Parameters"]
    url = str(parameters[0]["Value"]) if parameters else ""
    return url if url.startswith("http") and "execute-api" not in url else ""
