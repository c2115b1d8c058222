"""What Chalice cannot set, listed in this one place and set after each deploy; setting it again changes nothing.

Source: AWS Lambda developer guide, "Configuring error handling settings for asynchronous invocations" and "Reporting batch
item failures".
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Retries:
    """How Lambda treats an asynchronous invocation that fails; what fails for good goes to the dead-event queue."""

    attempts: int  # after the first
    event_age_s: int
    keep: bool  # in the dead-event queue


UPLOADS = Retries(attempts=2, event_age_s=6 * 3600, keep=True)
ON_SCHEDULE = Retries(attempts=0, event_age_s=60, keep=False)  # the next one comes anyway
RETRIES = {"upload": UPLOADS, "sweep": ON_SCHEDULE, "watch": ON_SCHEDULE}  # by the first word of the handler's name
BATCH_RESPONSES = ["ReportBatchItemFailures"]  # of every queue's mapping


def retries_of(handler: str) -> Retries | None:
    """What is set for a handler's function; nothing for one that reads a queue, where the queue keeps what fails."""
    return None if handler == "upload_queue" else RETRIES.get(handler.split("_")[0])


def finish(client: Any, resources: list[dict[str, Any]], dead_events: str) -> list[str]:
    """Set it on what Chalice deployed; gives what was set, a line each.

    `client` is a boto3 Lambda client, `resources` Chalice's own list of what it deployed, `dead_events` the queue's ARN.
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
            client.update_event_source_mapping(UUID=resource["event_uuid"], FunctionResponseTypes=BATCH_RESPONSES)
            said.append(f"{resource['name']}: reports each record's fate")
    return said
