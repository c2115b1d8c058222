"""Checks what the functions depend on: bucket notifications, the sweep, the dead-letter queue, secrets, receipts.

Source: AWS Systems Manager API reference, "GetParameters" (without decryption it returns no secret value); Amazon SQS developer
guide, "Available CloudWatch metrics" (the age of the oldest message: receiving messages would count as an attempt).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.channels.twilio_receipts import RECEIPTS_PATH
from chalicelib.health import buckets as bucket_rules
from chalicelib.health import check
from chalicelib.health import rules as health_rules
from chalicelib.health.rules import Problem, on_stage, redeploy_hint
from chalicelib.platform.function_names import function_name, queue_function, topic_function
from chalicelib.platform.secrets import MAX_NAMES

from ..account import Account
from ..deployment.config import stage_secrets
from .deployed import functions, name_of
from .streams import READING


def buckets(account: Account) -> Iterator[Problem]:
    """Check that the uploads to each bucket of a rule reach the bot."""
    client = account.client("s3")
    arns = {function["FunctionName"]: function["FunctionArn"] for function in functions(account)}

    def arn_of(handler: str) -> str:
        name = name_of(account, handler)
        return str(arns.get(name, f"arn:aws:lambda:::function:{name}"))

    for bucket in account.settings.buckets:
        notifications = check.bucket_notifications(client, bucket)
        function = arn_of(function_name("upload", bucket))
        yield from bucket_rules.bucket(account.settings, bucket, notifications, function, account.stage)
    for topic in account.settings.topics:
        if arn_of(topic_function(topic)) not in _subscribers(account, topic):
            what = f"The topic {topic.rpartition(':')[2]} reports uploads, but no function of the bot is subscribed to it."
            yield Problem("bucket", topic, what, redeploy_hint(account.stage))
    for queue in account.settings.queues:
        mappings = account.client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
        if arn_of(queue_function(queue)) not in [mapping["FunctionArn"] for mapping in mappings if mapping["State"] in READING]:
            what = f"The queue {queue.rpartition(':')[2]} reports uploads, but no function of the bot reads it."
            yield Problem("bucket", queue, what, redeploy_hint(account.stage))


def _subscribers(account: Account, topic: str) -> list[str]:
    pages = account.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    return [str(subscription["Endpoint"]) for page in pages for subscription in page["Subscriptions"]]


def sweep(account: Account) -> Iterator[Problem]:
    """Check when a sweep last ended."""
    deliverer = account.bot().deliverer
    try:
        swept = deliverer.control.now().swept
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        what = f"The table {account.variables.get('DROPNOTE_LEDGER')} does not exist."
        yield Problem("sweep", "ledger", what, f"dropnote setup --stage {account.stage}")
    else:
        yield from health_rules.sweep(swept, deliverer.clock(), account.stage)


def dead_events(account: Account) -> Iterator[Problem]:
    """Check that the dead-letter queue exists and is empty."""
    queue = account.variables.get("DROPNOTE_DEAD_EVENTS", "")
    try:
        count = check.dead_letter_count(account.client("sqs"), queue)
    except ClientError as error:
        if "NonExistentQueue" not in error.response["Error"]["Code"] and "QueueDoesNotExist" not in str(type(error)):
            raise
        what = f"The dead-letter queue {queue} does not exist: events that keep failing are lost."
        yield Problem("dead-events", "", what, f"dropnote setup --stage {account.stage}")
    else:
        yield from health_rules.dead_letters(count, account.stage, _oldest(account, queue) if count else None)


def secrets(account: Account) -> Iterator[Problem]:
    """Check that the secrets exist and are encrypted. Reads no secret value."""
    prefix = account.variables.get("DROPNOTE_SECRETS", "/dropnote/")
    names = stage_secrets(account.settings)
    types = _parameter_types(account.client("ssm"), [prefix + name for name in names])
    for name in names:
        type_ = types.get(prefix + name)
        if type_ is None:
            yield Problem("secrets", name, f"The secret {prefix}{name} is missing.", f"dropnote setup --stage {account.stage}")
        elif type_ != "SecureString":
            what = f"The secret {prefix}{name} is stored in plain text ({type_})."
            advice = f"aws ssm delete-parameter --name {prefix}{name}, then dropnote setup --stage {account.stage}"
            yield Problem("secrets", name, what, advice)


def receipts(account: Account) -> Iterator[Problem]:
    """Check that the stage has the URL to which Twilio sends delivery receipts."""
    secrets = account.bot().secrets
    url = secrets.public_url() if secrets else ""
    finish = on_stage("finish", account.stage)
    if not url:
        what = "Twilio has no URL for delivery receipts: texts stay `sent`, and failed deliveries go unnoticed."
        yield Problem("receipts", "", what, finish)
        return
    resources = account.resources() or [] if account.stage != "local" else []  # the local environment has its own URL
    apis = (resource for resource in resources if resource["resource_type"] == "rest_api")
    deployed = next((str(api["rest_api_url"]).rstrip("/") for api in apis), url)
    if deployed != url and "execute-api" in url:  # the user's own domain is not checked
        what = f"Twilio sends delivery receipts to {url}{RECEIPTS_PATH}…, but the stage is at {deployed}."
        yield Problem("receipts", "", what, finish)


def _parameter_types(client: Any, names: list[str]) -> dict[str, str]:
    batches = [names[start : start + MAX_NAMES] for start in range(0, len(names), MAX_NAMES)]
    found = [client.get_parameters(Names=batch, WithDecryption=False)["Parameters"] for batch in batches]
    return {parameter["Name"]: parameter["Type"] for parameters in found for parameter in parameters}


def _oldest(account: Account, queue: str) -> timedelta | None:
    """The age of the oldest message according to CloudWatch; None while it has no data."""
    now = datetime.now(UTC)
    metric = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue}],
        StartTime=now - timedelta(minutes=30),
        EndTime=now,
        Period=300,
        Statistics=["Maximum"],
    )
    newest = max(metric["Datapoints"], key=lambda datapoint: datapoint["Timestamp"], default=None)
    return timedelta(seconds=newest["Maximum"]) if newest else None
