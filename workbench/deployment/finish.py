"""What comes after `chalice deploy`: what Chalice cannot set, listed here and set after each deploy, and the URL that only the
deploy could tell. Setting it again changes nothing.

Source: AWS Lambda developer guide, "Configuring error handling settings for asynchronous invocations", "Reporting batch item
failures", "Control which events Lambda sends to your function" and "Using AWS Lambda with Amazon DynamoDB"; API reference,
"UpdateEventSourceMapping" (ResourceInUseException). That the name of a stream's event can be filtered by says Amazon DynamoDB
developer guide, "Tutorial #2: Using filters to process some events with DynamoDB and Lambda".
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.counting.ledger_stream import COUNTED_STATES
from chalicelib.domain.payloads import ChangeType
from chalicelib.domain.rule import Rule
from chalicelib.rules.item_conditions import EXPIRED

from ..waiting import wait_until
from .setup import Client, Setup, SetupError
from .stack import PAUSE_S, Stack

MAPPING_S = 180.0  # to bind a stream takes AWS a while


@dataclass(frozen=True, slots=True)
class Retries:
    """How Lambda treats an asynchronous invocation that fails; what fails for good goes to the dead-event queue."""

    attempts: int  # after the first
    event_age_s: int
    keep: bool  # in the dead-event queue


UPLOADS = Retries(attempts=2, event_age_s=6 * 3600, keep=True)
ON_SCHEDULE = Retries(attempts=0, event_age_s=60, keep=False)  # the next one comes anyway
# by the first word of the handler's name
RETRIES = {"upload": UPLOADS, "bus": UPLOADS, "sweep": ON_SCHEDULE, "watch": ON_SCHEDULE}
QUEUE: dict[str, Any] = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}  # of every queue's mapping

# Which writes of the ledger are told: without a filter each of them would invoke the function, also those it makes itself.
_COUNTED = {"sk": {"S": ["delivery"]}, "state": {"S": sorted(COUNTED_STATES)}}
# Ten tries for what fails, and then it is let go: a count that is lost makes a budget a little more generous, a shard that is
# held up for a day makes it blind. No queue gets what is let go: AWS would put the records' numbers there and not what they say,
# so that nobody could do anything with them; the function's own log has why.
STREAM: dict[str, Any] = {
    **QUEUE,
    "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"dynamodb": {"NewImage": _COUNTED}})}]},
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 10,
    "MaximumRecordAgeInSeconds": 86_400,  # as long as a stream keeps them
}


# Of a table that rules are on. Ten tries, then it is let go: what holds up a shard holds up all that comes after it.
ITEMS: dict[str, Any] = {name: value for name, value in STREAM.items() if name != "FilterCriteria"}
_NAMES: dict[str, set[str]] = {
    "INSERT": {ChangeType.CREATED},
    "MODIFY": {ChangeType.UPDATED},
    "REMOVE": {ChangeType.DELETED, EXPIRED},
}  # as a stream calls it


def retries_of(handler: str) -> Retries | None:
    """What is set for a handler's function; nothing for one that reads a queue, where the queue keeps what fails."""
    return None if handler == "upload_queue" else RETRIES.get(handler.split("_")[0])


def is_finished(mapping: Mapping[str, Any], rules: Sequence[Rule] = ()) -> bool:
    """Whether a mapping, as Lambda tells it, has what is set here; one of something else is no business of ours."""
    wanted = {"sqs": QUEUE, "dynamodb": of_stream(mapping.get("EventSourceArn", ""), rules)}.get(source_of(mapping), {})
    return all(_read(mapping.get(name)) == _read(value) for name, value in wanted.items())


def of_stream(arn: str, rules: Sequence[Rule]) -> dict[str, Any]:
    """What is set for the mapping of a stream, by its ARN: the ledger's tells what ended, another what some rule is on."""
    table = arn.partition(":table/")[2].partition("/")[0]
    if re.fullmatch(r"dropnote-[a-z0-9]+-ledger", table):
        return STREAM
    pattern = json.dumps({"eventName": _names_of(table, rules)})
    return {**ITEMS, "FilterCriteria": {"Filters": [{"Pattern": pattern}]}}


def _names_of(table: str, rules: Sequence[Rule]) -> list[str]:
    """What a stream calls the changes that rules on the table want; all of them for a table without any."""
    wanted = {did for rule in rules if rule.item and rule.item.table == table for did in rule.item.did}
    return [name for name, did in _NAMES.items() if not wanted or did & wanted]


def source_of(mapping: Mapping[str, Any]) -> str:
    """The service that a mapping reads, as its ARN has it: "sqs" for a queue, "dynamodb" for a stream."""
    return str(mapping.get("EventSourceArn", "::::")).split(":")[2]


def _read(value: Any) -> Any:
    """Filters by what they say: AWS may write their JSON otherwise."""
    return [json.loads(each["Pattern"]) for each in value["Filters"]] if isinstance(value, dict) else value


def deployed(project: Path, stage: str) -> list[dict[str, Any]]:
    """What Chalice says it has deployed of a stage.

    Raises:
        SetupError: nothing, as far as this checkout knows.
    """
    try:
        told = json.loads((project / ".chalice" / "deployed" / f"{stage}.json").read_text())
    except OSError:
        raise SetupError(f"There is no .chalice/deployed/{stage}.json: run `chalice deploy --stage {stage}` first.") from None
    resources: list[dict[str, Any]] = told["resources"]
    return resources


def finish_stage(project: Path, stage: str, client: Client, public_url: str = "") -> list[str]:
    """Set it all, and tell what is set, a line each. `public_url` is a domain of the user's own before the stage, which stays
    until another is given.
    """
    resources = deployed(project, stage)
    outputs = Stack(client("cloudformation"), stage).outputs()
    if "DeadEventsArn" not in outputs:
        raise SetupError(f"The account has no stack of this stage: run `dropnote setup --stage {stage}` first.")
    work = Setup(project, stage, client)
    rules = work.settings(work.variables()).rules
    said = finish_functions(client("lambda"), resources, outputs["DeadEventsArn"], rules)
    api = next((resource for resource in resources if resource["resource_type"] == "rest_api"), None)
    if api:
        url = (public_url or _own_domain(client("ssm"), stage) or api["rest_api_url"]).rstrip("/")
        client("ssm").put_parameter(Name=f"/dropnote/{stage}/public-url", Value=url, Type="String", Overwrite=True)
        said.append(f"public-url: {url}")
    return said


def finish_functions(
    client: Any,
    resources: list[dict[str, Any]],
    dead_events: str,
    rules: Sequence[Rule] = (),
    pause_s: float = PAUSE_S,
) -> list[str]:
    """Set on what Chalice deployed what it cannot set; gives what was set, a line each.

    `client` is a boto3 Lambda client, `resources` Chalice's own list of what it deployed, `dead_events` the queue's ARN, `rules`
    those of the settings.

    Raises:
        SetupError: AWS is not done with what the deploy asked of it.
    """
    said = []
    for resource in resources:
        if resource["resource_type"] == "lambda_function" and (retries := retries_of(resource["name"])):
            client.put_function_event_invoke_config(
                FunctionName=resource["lambda_arn"],
                MaximumRetryAttempts=retries.attempts,
                MaximumEventAgeInSeconds=retries.event_age_s,
                DestinationConfig={"OnFailure": {"Destination": dead_events}} if retries.keep else {},
            )
            said.append(f"{resource['name']}: {retries.attempts} retries, {'kept when dead' if retries.keep else 'then let go'}")
        if resource["resource_type"] == "sqs_event":
            _set_mapping(client, resource, QUEUE, pause_s)
            said.append(f"{resource['name']}: reports each record's fate")
        if resource["resource_type"] == "dynamodb_event":
            wanted = of_stream(client.get_event_source_mapping(UUID=resource["event_uuid"])["EventSourceArn"], rules)
            _set_mapping(client, resource, wanted, pause_s)
            what = "what became of messages" if wanted is STREAM else "changes that rules are on"
            said.append(f"{resource['name']}: {what}, {wanted['MaximumRetryAttempts']} retries")
    return said


def _set_mapping(client: Any, resource: Mapping[str, Any], wanted: Mapping[str, Any], pause_s: float) -> None:
    """Change a mapping as soon as it can be: while AWS still makes it, or changes it as the deploy asked, it refuses."""

    def done() -> bool:
        try:
            client.update_event_source_mapping(UUID=resource["event_uuid"], **wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceInUseException":
                raise
            return False
        return True

    if not wait_until(done, MAPPING_S, pause_s):
        raise SetupError(f"AWS is still busy with {resource['name']}: run this again in a minute.")


def _own_domain(client: Any, stage: str) -> str:
    """The URL there is, where it is neither the stack's "unset" nor one that API Gateway gave."""
    found = client.get_parameters(Names=[f"/dropnote/{stage}/public-url"])["Parameters"]
    url = str(found[0]["Value"]) if found else ""
    return url if url.startswith("http") and "execute-api" not in url else ""
