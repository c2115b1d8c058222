"""The watch of the bot itself: once an hour the bot looks whether it is well itself, and tells its owner what is not, once a day.

It asks what costs next to nothing: the notifications of the rules' buckets, the dead-event queue, the control item and SES.
`dropnote doctor` looks at the rest.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..delivery.deliver import ONCE_A_DAY, Deliverer, TimeLeft
from ..platform import aws, log
from ..platform.aws import Clients
from ..platform.function_names import function_name
from . import rules as health_rules
from .rules import Problem

NAME = "watch"
HOURLY = timedelta(minutes=55)  # a schedule is not exact to the second
RESERVE = timedelta(seconds=20)  # to tell the owner takes a send


class HealthCheck:
    """Looks at the bot's own surroundings. `clients` makes AWS clients, called for what is looked at and no sooner."""

    def __init__(self, deliverer: Deliverer, environ: Mapping[str, str], clients: Clients | None = None) -> None:
        self._deliverer = deliverer
        self._settings = deliverer.settings
        self._stage = deliverer.renderer.stage
        self._queue = environ.get("DROPNOTE_DEAD_EVENTS", "")
        self._client = clients or aws.clients()
        self._unanswered: list[str] = []

    def run_hourly(self, arn: str, time_left: TimeLeft) -> list[Problem]:
        """Look, where that was not done within the hour, and note that the watch runs."""
        deliverer = self._deliverer
        now, controls = deliverer.clock(), deliverer.control.now()
        found: list[Problem] = []
        if controls.checked and now - controls.checked >= HOURLY:
            found = self.run(arn, time_left)
        if controls.checked is None or now - controls.checked >= HOURLY:  # what was just deployed has an hour to settle
            deliverer.control.record_run("checked", now)
        deliverer.control.record_run("watched", now)
        return found

    def run(self, arn: str, time_left: TimeLeft) -> list[Problem]:
        """Look at everything once, tell the owner and the log. `arn` is that of the function that runs this."""
        deliverer, told = self._deliverer, 0
        found = [*self._buckets(arn), *self._sweeping(), *self._mail()]
        for kind in dict.fromkeys(trouble.kind for trouble in found):  # ten buckets are one message
            some = [trouble for trouble in found if trouble.kind == kind]
            if time_left() > RESERVE:
                about = " ".join(["watch", kind, *sorted(trouble.subject for trouble in some)])
                deliverer.notify_owner(about, " ".join(map(str, some)), time_left, once=ONCE_A_DAY)
                told += 1
        tell = log.warning if found or self._unanswered else log.info
        names = ", ".join(f"{trouble.kind} {trouble.subject}".strip() for trouble in found)
        tell("watched", troubles=names, told=told or None, unanswered="; ".join(self._unanswered))
        return found

    def _buckets(self, arn: str) -> Iterator[Problem]:
        """Does each bucket of a rule still tell its function? Its ARN is ours but for the name."""
        ours = ":".join(arn.split(":")[:7])  # without a version
        if not ours.endswith(f"-{NAME}"):  # `chalice local` has none
            return
        for name in self._settings.buckets:
            with self._asking(f"the notifications of {name}"):
                yield from health_rules.bucket(
                    name,
                    notifications(self._client("s3"), name),
                    ours.removesuffix(NAME) + function_name("upload", name),
                    self._stage,
                )

    def _sweeping(self) -> Iterator[Problem]:
        swept, now = self._deliverer.control.now().swept, self._deliverer.clock()
        yield from health_rules.sweep(swept, now, self._stage)
        if self._queue:
            with self._asking("the dead-event queue"):
                waiting = dead_letter_count(self._client("sqs"), self._queue)
                if health_rules.dead_letters_pile_up(waiting, swept, now):
                    yield from health_rules.dead_letters(waiting, self._stage)

    def _mail(self) -> Iterator[Problem]:
        if self._settings.email and self._settings.email.transport == "ses":
            with self._asking("SES"):
                client = self._client("sesv2")
                yield from health_rules.mail(client.get_account(), client.meta.region_name)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """What AWS does not answer is no trouble of the bot's: the log has it, and the rest is looked at."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            self._unanswered.append(f"{what}: {error}")


def notifications(client: Any, bucket: str) -> Mapping[str, Any] | None:
    """A bucket's notification configuration; None where there is no such bucket."""
    try:
        told: Mapping[str, Any] = client.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return None
        raise
    return told


def dead_letter_count(client: Any, queue: str) -> int:
    """How many messages wait in a queue; those that a sweep has in hand are not counted."""
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    told = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(told["Attributes"]["ApproximateNumberOfMessages"])
