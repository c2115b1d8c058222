"""What the functions live on: the buckets that tell them, the queue, the sweep, the secrets.

Source: AWS Systems Manager API reference, "GetParameters" (without decryption no secret leaves it); Amazon SQS developer
guide, "Available CloudWatch metrics" (the age of the oldest message: looking at messages themselves would count as a try).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.channels.registry import RECEIPTS
from chalicelib.domain.settings import Settings
from chalicelib.health import check
from chalicelib.health import rules as health_rules
from chalicelib.health.rules import Problem, on_stage
from chalicelib.platform.function_names import function_name

from ..account import Account
from ..deployment.grants import secret_names
from .deployed import functions, name_of


def buckets(account: Account) -> Iterator[Problem]:
    """Does each bucket of a rule tell its function?"""
    client, there = account.client("s3"), {each["FunctionName"]: each["FunctionArn"] for each in functions(account)}
    for bucket in account.settings.buckets:
        name = name_of(account, function_name("upload", bucket))
        told = check.notifications(client, bucket)
        yield from health_rules.bucket(bucket, told, there.get(name, f"arn:aws:lambda:::function:{name}"), account.stage)


def sweep(account: Account) -> Iterator[Problem]:
    """When did a sweep last end?"""
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
    """Does anything wait that the functions failed at?"""
    queue = account.variables.get("DROPNOTE_DEAD_EVENTS", "")
    try:
        waiting = check.dead_letter_count(account.client("sqs"), queue)
    except ClientError as error:
        if "NonExistentQueue" not in error.response["Error"]["Code"] and "QueueDoesNotExist" not in str(type(error)):
            raise
        what = f"The dead-event queue {queue} does not exist: what fails for good is lost."
        yield Problem("dead-events", "", what, f"dropnote setup --stage {account.stage}")
    else:
        yield from health_rules.dead_letters(waiting, account.stage, _oldest(account, queue) if waiting else None)


def secrets(account: Account) -> Iterator[Problem]:
    """Are the secrets there, and kept as secrets? None is read."""
    prefix = account.variables.get("DROPNOTE_SECRETS", "/dropnote/")
    names = secret_names(account.settings)
    kinds = _kinds(account.client("ssm"), [prefix + name for name in names])
    for name in names:
        kind = kinds.get(prefix + name)
        if kind is None:
            yield Problem("secrets", name, f"The secret {prefix}{name} is not there.", f"dropnote setup --stage {account.stage}")
        elif kind != "SecureString":
            what = f"The secret {prefix}{name} is kept in the clear ({kind})."
            how = f"aws ssm delete-parameter --name {prefix}{name}, then dropnote setup --stage {account.stage}"
            yield Problem("secrets", name, what, how)


def has_secrets(settings: Settings) -> bool:
    """Whether these settings need any."""
    return bool(secret_names(settings))


def receipts(account: Account) -> Iterator[Problem]:
    """Does Twilio know where to tell how a text fared?"""
    secrets = account.bot().secrets
    url = secrets.public_url() if secrets else ""
    finish = on_stage("finish", account.stage)
    if not url:
        what = "Twilio is not told where our receipts go: a text stays `sent`, and nobody learns that it did not arrive."
        yield Problem("receipts", "", what, finish)
        return
    resources = account.resources() or [] if account.stage != "local" else []  # the local world has a URL of its own
    deployed = next((str(each["rest_api_url"]).rstrip("/") for each in resources if each["resource_type"] == "rest_api"), url)
    if deployed != url and "execute-api" in url:  # a domain of one's own is nobody else's business
        yield Problem("receipts", "", f"Twilio tells receipts to {url}{RECEIPTS}…, and the stage is at {deployed}.", finish)


def _kinds(client: Any, names: list[str]) -> dict[str, str]:
    told = client.get_parameters(Names=names, WithDecryption=False) if names else {"Parameters": []}
    return {each["Name"]: each["Type"] for each in told["Parameters"]}


def _oldest(account: Account, queue: str) -> timedelta | None:
    """How long the oldest message has waited, by CloudWatch; None where it does not say so yet."""
    now = datetime.now(UTC)
    told = account.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue}],
        StartTime=now - timedelta(minutes=30),
        EndTime=now,
        Period=300,
        Statistics=["Maximum"],
    )
    newest = max(told["Datapoints"], key=lambda each: each["Timestamp"], default=None)
    return timedelta(seconds=newest["Maximum"]) if newest else None
