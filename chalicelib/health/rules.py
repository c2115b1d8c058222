"""Is the bot itself well? Facts in, sentences out: the words of the hourly watch and of `dropnote doctor`. Pure.

Sources: Amazon S3 API reference, "GetBucketNotificationConfiguration" (one configuration a bucket: who writes it replaces
all of it); Amazon SES API v2 reference, "GetAccount".
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from ..platform.phrases import rough_duration

CREATED = "s3:ObjectCreated:*"
SWEEP_LATE = timedelta(minutes=15)  # it runs every minute, and notes every five that it did
MANY_DEAD = 100  # what one sweep takes
NEARLY = 0.8  # of a day's quota


class Problem(Struct, frozen=True):
    """One thing that is not as it should be."""

    kind: str  # bucket, sweep, dead-events, mail, …
    subject: str  # which one, where there are several: a bucket's name, say
    what: str  # a plain sentence
    next: str  # what to do, with the command where there is one

    def __str__(self) -> str:
        return f"{self.what} Next: {self.next}"


def redeploy_hint(stage: str) -> str:
    """How a stage is deployed once more."""
    return "stop `make run` and start it again" if stage == "local" else f"chalice deploy --stage {stage}"


def on_stage(command: str, stage: str) -> str:
    """A dropnote command that works on a stage."""
    return f"dropnote {command}" if stage == "local" else f"dropnote {command} --stage {stage}"


def bucket(name: str, told: Mapping[str, Any] | None, function: str, stage: str) -> list[Problem]:
    """Does a bucket tell our function (an ARN) of uploads? `told` is its notification configuration, None where it is gone."""
    if told is None:
        what = f"The bucket {name}, which a rule names, does not exist."
        return [Problem("bucket", name, what, "make it, or name another in .chalice/config.json; then " + redeploy_hint(stage))]
    entries = told.get("LambdaFunctionConfigurations", ())
    if any(each.get("LambdaFunctionArn") == function and CREATED in each.get("Events", ()) for each in entries):
        return []
    still = "Only EventBridge tells" if told.get("EventBridgeConfiguration") is not None else "Nobody tells"
    what = (
        f"{still} the bot of uploads to {name}: the bucket's notifications have no entry for {function.rpartition(':')[2]}. "
        "Another tool has overwritten them, or the stage was not deployed since the rule came."
    )
    missed = on_stage(f"backfill s3://{name}/ --since 2d", stage)
    return [Problem("bucket", name, what, f"{redeploy_hint(stage)}; what was missed is found by: {missed}")]


def sweep(swept: datetime | None, now: datetime, stage: str) -> list[Problem]:
    """Does the sweep still run? `swept` is when one last ended well."""
    if swept is None:
        what = "No sweep has ended yet: the stage is just being deployed, or the schedule is off."
        return [Problem("sweep", "", what, _look_at("sweep", stage))]
    if now - swept < SWEEP_LATE:
        return []
    what = f"The last sweep that ended well was {rough_duration(now - swept)} ago: what waits is not sent."
    return [Problem("sweep", "", what, _look_at("sweep", stage))]


def watch(watched: datetime | None, now: datetime, every: timedelta, stage: str) -> list[Problem]:
    """Does the watch still run? `watched` is when one last ended well, `every` how far apart its runs are."""
    late = max(SWEEP_LATE, 2.5 * every)
    if watched is None or now - watched < late:  # before the first there is nothing to be late for
        return []
    what = f"The last watch that ended well was {rough_duration(now - watched)} ago: nothing is looked at."
    return [Problem("watch", "", what, _look_at("watch", stage))]


def dead_letters(waiting: int, stage: str, oldest: timedelta | None = None) -> list[Problem]:
    """What waits in the dead-event queue: what Lambda gave up on."""
    if not waiting:
        return []
    events = (
        "One event that the functions failed at waits" if waiting == 1 else f"{waiting} events that the functions failed at wait"
    )
    since = f", the oldest for {rough_duration(oldest)}" if oldest else ""
    what = f"{events} in the dead-event queue{since}."
    how = f"the sweep takes {MANY_DEAD} a minute; what fails there too is parked: {on_stage('redrive', stage)} shows it"
    return [Problem("dead-events", "", what, how)]


def dead_letters_pile_up(waiting: int, swept: datetime | None, now: datetime) -> bool:
    """Whether that many are more than the next sweeps will have dealt with."""
    return waiting > MANY_DEAD or (waiting > 0 and (swept is None or now - swept >= SWEEP_LATE))


def mail(account: Mapping[str, Any], region: str) -> list[Problem]:
    """May this account send by SES, and how much more? `account` is what GetAccount answers."""
    found = []
    enforced = account.get("EnforcementStatus", "HEALTHY")
    where = f"https://{region}.console.aws.amazon.com/ses/home?region={region}#/reputation"
    if enforced != "HEALTHY":
        what = f"Amazon has the mail of this account under review or stopped it (SES says {enforced})."
        found.append(Problem("mail", "enforcement", what, f"read its letter and answer it: {where}"))
    if not account.get("SendingEnabled", True):
        how = "aws sesv2 put-account-sending-attributes --sending-enabled, once you know who switched it off and why"
        found.append(Problem("mail", "sending", f"Sending by SES is switched off in {region}.", how))
    quota = account.get("SendQuota", {})
    sent, most = quota.get("SentLast24Hours", 0.0), quota.get("Max24HourSend", -1.0)
    if 0 < most <= sent / NEARLY:  # -1 is without limit
        what = f"{sent:.0f} of the {most:.0f} mails that SES allows in 24 hours are sent."
        how = "ask for more: Service Quotas in the console, Amazon SES, Sending quota"
        found.append(Problem("mail", "quota", what, how))
    return found


def _look_at(function: str, stage: str) -> str:
    if stage == "local":
        return "wait a minute; then look at the end of the log of `make run`"
    return (
        f"aws logs tail /aws/lambda/dropnote-{stage}-{function} --since 3h says why; without any line, the schedule is off: "
        f"aws events enable-rule --name dropnote-{stage}-{function}-event, or {redeploy_hint(stage)}"
    )
