"""Rules for the health of the bot itself: facts in, problems out, for the hourly check and `dropnote doctor`. Pure.

Sources: Amazon S3 API reference, "GetBucketNotificationConfiguration" (one configuration per bucket: each write replaces all of
it); Amazon SES API v2 reference, "GetAccount".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ..platform.custom import CONFIG_NAME
from ..platform.phrases import duration

CREATED = "s3:ObjectCreated:*"
SWEEP_LATE = timedelta(minutes=15)  # it runs every minute, and records that every five
SWEEP_CAPACITY = 100  # dead-lettered events that one sweep takes
QUOTA_WARNING = 0.8  # of SES's quota for 24 hours


class Problem(Struct, frozen=True):
    """Something that needs the owner's attention."""

    kind: str  # bucket, sweep, dead-events, mail, …
    subject: str  # which one, if there are several: for example a bucket's name
    what: str  # what happened, as sentences
    next: str  # what to do, with the command if there is one

    def __str__(self) -> str:
        return f"{self.what} Next: {self.next}"


def redeploy_hint(stage: str) -> str:
    """The command that deploys a stage again."""
    return "stop `make run` and start it again" if stage == "local" else f"chalice deploy --stage {stage}"


def on_stage(command: str, stage: str) -> str:
    """A dropnote command for a stage."""
    return f"dropnote {command}" if stage == "local" else f"dropnote {command} --stage {stage}"


def bucket(name: str, notifications: Mapping[str, Any] | None, function: str, stage: str) -> list[Problem]:
    """Whether a bucket reports uploads to a function (an ARN). `notifications`: its configuration; None if it does not exist."""
    if notifications is None:
        text = f"The bucket {name}, which a rule uses, does not exist."
        fix = f"create it, or name another in {CONFIG_NAME}; then {redeploy_hint(stage)}"
        return [Problem("bucket", name, text, fix)]
    entries = notifications.get("LambdaFunctionConfigurations", ())
    if any(entry.get("LambdaFunctionArn") == function and CREATED in entry.get("Events", ()) for entry in entries):
        return []
    by_eventbridge = notifications.get("EventBridgeConfiguration") is not None
    reach = "reach the bot only through EventBridge" if by_eventbridge else "do not reach the bot"
    text = (
        f"Uploads to {name} {reach}: the bucket's notifications have no entry for {function.rpartition(':')[2]}. "
        "Another tool overwrote them, or the rule was added after the last deploy."
    )
    backfill = on_stage(f"backfill s3://{name}/ --since 2d", stage)
    return [Problem("bucket", name, text, f"{redeploy_hint(stage)}; then find missed uploads: {backfill}")]


def sweep(swept: datetime | None, now: datetime, stage: str) -> list[Problem]:
    """Whether the sweep runs. `swept` is the end of the last successful one."""
    if swept is None:
        text = "No sweep has finished yet: the stage was just deployed, or the schedule is disabled."
        return [Problem("sweep", "", text, _find_cause("sweep", stage))]
    if now - swept < SWEEP_LATE:
        return []
    text = f"The last successful sweep was {duration(now - swept)} ago: retries, deferred messages and summaries are not sent."
    return [Problem("sweep", "", text, _find_cause("sweep", stage))]


def watch(watched: datetime | None, now: datetime, every: timedelta, stage: str) -> list[Problem]:
    """Whether the watch runs. `watched` is the end of the last successful one, `every` the interval between two."""
    late = max(SWEEP_LATE, 2.5 * every)
    if watched is None or now - watched < late:  # never run: just deployed
        return []
    text = f"The last successful watch was {duration(now - watched)} ago: monitors are not checked."
    return [Problem("watch", "", text, _find_cause("watch", stage))]


def dead_letters(count: int, stage: str, oldest: timedelta | None = None) -> list[Problem]:
    """Events in the dead-letter queue, where Lambda puts an event after its last retry."""
    if not count:
        return []
    events, verb = ("1 event", "is") if count == 1 else (f"{count} events", "are")
    age = f", the oldest for {duration(oldest)}" if oldest else ""
    text = f"{events} that the functions failed to process {verb} in the dead-letter queue{age}."
    redrive = on_stage("redrive", stage)
    fix = f"wait for the sweep, which retries {SWEEP_CAPACITY} per minute and parks those that fail again; then run {redrive}"
    return [Problem("dead-events", "", text, fix)]


def dead_letters_pile_up(count: int, swept: datetime | None, now: datetime) -> bool:
    """Whether the queue has more events than the next sweep takes, or no sweep runs that would take them."""
    return count > SWEEP_CAPACITY or (count > 0 and (swept is None or now - swept >= SWEEP_LATE))


def mail(account: Mapping[str, Any], region: str) -> list[Problem]:
    """Whether SES lets this account send, and how much of its quota is left. `account` is the response of GetAccount."""
    problems = []
    status = account.get("EnforcementStatus", "HEALTHY")
    console = f"https://{region}.console.aws.amazon.com/ses/home?region={region}#/reputation"
    if status != "HEALTHY":
        text = f"Amazon SES is reviewing this account or has paused its sending (status {status})."
        problems.append(Problem("mail", "enforcement", text, f"read Amazon's message and reply to it: {console}"))
    if not account.get("SendingEnabled", True):
        fix = "find out who disabled it and why; then: aws sesv2 put-account-sending-attributes --sending-enabled"
        problems.append(Problem("mail", "sending", f"Sending with Amazon SES is disabled in {region}.", fix))
    quota = account.get("SendQuota", {})
    sent, maximum = quota.get("SentLast24Hours", 0.0), quota.get("Max24HourSend", -1.0)
    if 0 < maximum <= sent / QUOTA_WARNING:  # -1 is unlimited
        effect = "e-mails wait until the quota has room again"
        text = f"{sent:.0f} of the {maximum:.0f} e-mails that Amazon SES allows in 24 hours are used"
        text += f": {effect}." if sent >= maximum else f". When all are used, {effect}."
        fix = "request a higher quota: AWS console, Service Quotas, Amazon SES, Sending quota"
        problems.append(Problem("mail", "quota", text, fix))
    return problems


def _find_cause(function: str, stage: str) -> str:
    if stage == "local":
        return "wait a minute; then check the end of the output of `make run`"
    return (
        f"find the cause: aws logs tail /aws/lambda/dropnote-{stage}-{function} --since 3h; if the log is empty, the schedule is "
        f"disabled: aws events enable-rule --name dropnote-{stage}-{function}-event, or {redeploy_hint(stage)}"
    )
