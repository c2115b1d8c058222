"""The hourly health check of the bot itself: notifies the owner of problems, once a day each.

It checks what costs next to nothing: the notifications of the rules' buckets, the dead-letter queue, the control item and SES.
The rate and quota of SES go into the control item: they set the pace of e-mails.
`dropnote doctor` checks everything else.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..delivery.deliver import ONCE_A_DAY, Deliverer, TimeLeft
from ..domain.people import Channel
from ..platform import aws, log
from ..platform.aws import ClientFactory
from ..platform.function_names import function_name
from . import rules as health_rules
from .account_pace import pace_of_account
from .buckets import bucket
from .rules import Problem

NAME = "watch"  # of the function that runs the check
INTERVAL = timedelta(minutes=55)  # hourly: a schedule is not exact to the second
RESERVE = timedelta(seconds=20)  # enough to send one message to the owner


class HealthCheck:
    """Checks the bot's own surroundings. `clients` creates AWS clients, each when it is first needed."""

    def __init__(self, deliverer: Deliverer, environ: Mapping[str, str], clients: ClientFactory | None = None) -> None:
        self._deliverer = deliverer
        self._settings = deliverer.settings
        self._stage = deliverer.renderer.stage
        self._queue = environ.get("DROPNOTE_DEAD_EVENTS", "")
        self._client = clients or aws.client_factory()
        self._errors: list[str] = []

    def run_hourly(self, arn: str, time_left: TimeLeft) -> list[Problem]:
        """Run the check if the last one was an hour ago, and record that the watch runs.

        Right after the first deploy, only SES's rate and quota are read: everything else has an hour to settle.
        """
        deliverer = self._deliverer
        now, controls = deliverer.clock(), deliverer.control.now()
        due = controls.checked is None or now - controls.checked >= INTERVAL
        problems: list[Problem] = []
        if due and controls.checked:
            problems = self.run(arn, time_left)
        elif due:
            self._read_mail_account()
        if due:
            deliverer.control.record_run("checked", now)
        deliverer.control.record_run("watched", now)
        return problems

    def run(self, arn: str, time_left: TimeLeft) -> list[Problem]:
        """Check everything, notify the owner and log the result. `arn` is the ARN of the function that runs this."""
        messages = 0
        problems = [*self._buckets(arn), *self._sweeps(), *self._mail()]
        for kind in dict.fromkeys(problem.kind for problem in problems):  # one message for ten buckets
            of_kind = [problem for problem in problems if problem.kind == kind]
            if time_left() > RESERVE:
                about = " ".join(["watch", kind, *sorted(problem.subject for problem in of_kind)])
                failed = Channel.EMAIL if kind == "mail" else None  # if possible, a text says that e-mails are in trouble
                self._deliverer.notify_owner(about, " ".join(map(str, of_kind)), time_left, failed=failed, once=ONCE_A_DAY)
                messages += 1
        write = log.warning if problems or self._errors else log.info
        names = ", ".join(f"{problem.kind} {problem.subject}".strip() for problem in problems)
        write("watched", troubles=names, told=messages or None, unanswered="; ".join(self._errors))
        return problems

    def _buckets(self, arn: str) -> Iterator[Problem]:
        """Whether the uploads to each bucket of a rule reach the bot. Its functions' ARNs differ from ours in the name only."""
        own_arn = ":".join(arn.split(":")[:7])  # without a version
        if not own_arn.endswith(f"-{NAME}"):  # `chalice local` has none
            return
        for name in self._settings.buckets:
            with self._log_errors(f"the notifications of {name}"):
                notifications = bucket_notifications(self._client("s3"), name)
                function_arn = own_arn.removesuffix(NAME) + function_name("upload", name)
                yield from bucket(self._settings, name, notifications, function_arn, self._stage)

    def _sweeps(self) -> Iterator[Problem]:
        swept, now = self._deliverer.control.now().swept, self._deliverer.clock()
        yield from health_rules.sweep(swept, now, self._stage)
        if self._queue:
            with self._log_errors("the dead-letter queue"):
                count = dead_letter_count(self._client("sqs"), self._queue)
                if health_rules.dead_letters_pile_up(count, swept, now):
                    yield from health_rules.dead_letters(count, self._stage)

    def _mail(self) -> Iterator[Problem]:
        account = self._read_mail_account()
        if account is not None:
            yield from health_rules.mail(account, self._ses().meta.region_name)

    def _ses(self) -> Any:
        """A client of SES in the region that mail is sent from."""
        region = self._settings.email.region if self._settings.email else ""
        return self._client("sesv2", **({"region_name": region} if region else {}))

    def _read_mail_account(self) -> Mapping[str, Any] | None:
        """Read SES's account and record the pace it allows; None if mail is not sent by SES, or SES does not respond."""
        email = self._settings.email
        if email is None or email.transport != "ses":
            return None
        account: Mapping[str, Any] | None = None
        with self._log_errors("SES"):
            account = self._ses().get_account()
        if account is not None:
            with self._log_errors("the pace of e-mails"):
                self._record_pace(account, email.rate)
        return account

    def _record_pace(self, account: Mapping[str, Any], own_limit: float) -> None:
        control = self._deliverer.control
        recorded = control.fresh().paces.get(Channel.EMAIL)  # the sweep may have lowered its rate a moment ago
        pace = pace_of_account(account, recorded, own_limit, self._deliverer.clock())
        if pace is not None and pace != recorded:
            control.record_pace(Channel.EMAIL, pace)

    @contextmanager
    def _log_errors(self, subject: str) -> Iterator[None]:
        """If AWS does not respond, that is not a problem of the bot: it is logged, and the other checks run."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            self._errors.append(f"{subject}: {error}")


def bucket_notifications(client: Any, bucket: str) -> Mapping[str, Any] | None:
    """A bucket's notification configuration; None if the bucket does not exist."""
    try:
        configuration: Mapping[str, Any] = client.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return None
        raise
    return configuration


def dead_letter_count(client: Any, queue: str) -> int:
    """The number of messages in a queue, without those that a sweep is processing."""
    url = client.get_queue_url(QueueName=queue)["QueueUrl"]
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])
