"""Shared by the crash test and the outage test: an environment with its own settings, uploads, sweeps and message counts."""

import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import FINAL_STATES, Delivery, State
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.store.ledger import Ledger
from chalicelib.store.rows import Parked
from workbench.local.environment import LocalEnvironment
from workbench.local.mailbox import Mailbox
from workbench.paths import PROJECT
from workbench.waiting import wait_until

MAX_PENDING = 40  # uploads in progress: enough to keep the workers busy
SETTINGS = """
[bot]
name = "chaos"
owner = "owner"
[email]
from = "drops@example.com"
[sms]
account = "${TWILIO_ACCOUNT_SID}"
from = "+15005550006"
[people.asha]
email = "asha@example.com"
sms = "+919812345678"
[people.owner]
email = "owner@example.com"
[[rules]]
name = "all"
bucket = "${UPLOAD_BUCKET}"
notify = ["email:asha", "sms:asha"]
"""
ONE_BY_ONE = 'then = "off"\n'  # a message per upload, instead of summaries
PEOPLE = "[people.asha]\nbudget = []"  # the default budget would stop most of these messages
_NAME = re.compile(r"upload-(\d{6})")


@dataclass
class Count:
    """The messages that the providers received, and the final states in the ledger."""

    lost: int = 0
    texts_twice: int = 0
    mails_twice: int = 0
    unknown_resolved: int = 0
    unsettled: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the delivery guarantee held."""
        return not (self.lost or self.texts_twice or self.unsettled)


def copy_project(folder: Path, settings: str) -> Path:
    """A copy of the project with other settings."""
    project = folder / "project"
    project.mkdir()
    for name in ("app.py", "requirements.txt", "resources.yaml"):
        shutil.copy2(PROJECT / name, project / name)
    for name in ("chalicelib", ".chalice", "vendor"):
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("custom", "deployed"))
    (project / "chalicelib" / "dropnote.toml").write_text(settings)
    return project


def make_environment(
    folder: Path, variables: Mapping[str, str], ministack: Mapping[str, str], port: int = 0, *, bundled: bool = False
) -> LocalEnvironment:
    """A local environment with a copy of the project and the settings above: one message per upload, or `bundled` by default."""
    settings = SETTINGS if bundled else SETTINGS.replace("[people.asha]", PEOPLE) + ONE_BY_ONE
    project = copy_project(folder, settings)
    return LocalEnvironment(
        port=port, server_port=0, project=project, state=folder / "state", environment=variables, ministack=ministack
    )


def wait_for_capacity(environment: LocalEnvironment, uploaded: int) -> None:
    """Wait until the workers have caught up, but not long: a delayed text must not stop the uploads."""
    wait_until(lambda: uploaded - len(environment.twilio.messages()) < MAX_PENDING, within_s=10)


def upload(environment: LocalEnvironment, number: int) -> None:
    """Upload one file."""
    client = environment.ministack.client("s3")
    client.put_object(Bucket=environment.running.bucket, Key=f"in/upload-{number:06}.txt", Body=b"some words")


@contextmanager
def sweeping(environment: LocalEnvironment, every_s: float) -> Iterator[None]:
    """Sweep repeatedly, more often than the schedule's once a minute. A killed sweep is followed by another one."""
    stopped = threading.Event()

    def sweep() -> None:
        while not stopped.wait(every_s):
            with suppress(BotoCoreError, ClientError):
                environment.ministack.client("lambda").invoke(FunctionName="dropnote-local-sweep", Payload=b"{}")

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def is_idle(environment: LocalEnvironment) -> bool:
    """Whether the dead-letter queue is empty and no row of the ledger is due or will be."""
    rows = _all_rows(environment)
    return not dead_letter_count(environment) and not any(row.due_at for row in rows if not isinstance(row, Parked))


def dead_letter_count(environment: LocalEnvironment) -> int:
    """The number of events in the dead-letter queue."""
    queues = environment.ministack.client("sqs")
    url = queues.get_queue_url(QueueName="dropnote-local-dead-events")["QueueUrl"]
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])


def count_messages(environment: LocalEnvironment, uploads: int) -> Count:
    """Count the messages about each upload."""
    count = Count()
    mails = Mailbox(environment.ministack.endpoint).read().mails
    sent = {
        "text": Counter(_NAME.findall(" ".join(text.body for text in environment.twilio.messages()))),
        "mail": Counter(_NAME.findall(" ".join(mail.subject for mail in mails))),
    }
    for number in range(uploads):
        for medium, counts in sent.items():
            times = counts[f"{number:06}"]
            count.lost += times == 0
            count.texts_twice += medium == "text" and times > 1
            count.mails_twice += medium == "mail" and times > 1
            if times == 0 or (medium == "text" and times > 1):
                count.examples.append(f"upload-{number:06}: {times} {medium}s")
    rows = _deliveries(environment)
    count.unknown_resolved = sum(any(step.state is State.UNKNOWN for step in row.steps) for row in rows)
    unsettled = [row for row in rows if row.state not in FINAL_STATES]
    count.unsettled = len(unsettled)
    count.examples += [f"{row.id} by {row.channel}: {row.state}, {row.reason} {row.detail}, {row.due_at}" for row in unsettled]
    return count


def count_bundled_messages(environment: LocalEnvironment, uploads: int) -> Count:
    """Count uploads sent as summaries: by the number of files in the messages, and the number of messages."""
    count, rows = Count(), [row for row in _deliveries(environment) if row.rule == "all"]
    mails = [mail for mail in Mailbox(environment.ministack.endpoint).read().mails if "owner@example.com" not in mail.to]
    for channel, messages in ((Channel.EMAIL, len(mails)), (Channel.SMS, len(environment.twilio.messages()))):
        sent = [row for row in rows if row.channel is channel and row.sent_at]
        files = sum(row.event.summary.files if row.event.summary else 1 for row in sent)
        count.lost += max(uploads - files, 0)
        count.examples.append(f"{channel}: {messages} messages for {files} files")
        duplicates = max(files - uploads, 0) + max(messages - len(sent), 0)
        if channel is Channel.SMS:
            count.texts_twice += duplicates
        else:
            count.mails_twice += duplicates
    count.unknown_resolved = sum(any(step.state is State.UNKNOWN for step in row.steps) for row in rows)
    count.unsettled = sum(row.state not in FINAL_STATES for row in rows)
    return count


def _deliveries(environment: LocalEnvironment) -> list[Delivery]:
    return [row for row in _all_rows(environment) if isinstance(row, Delivery)]


def _all_rows(environment: LocalEnvironment) -> list[Delivery | Bundle | Parked]:
    ledger, now = Ledger(environment.ministack.client("dynamodb"), environment.running.ledger), utc_now()
    return list(ledger.newest(now - timedelta(hours=6), now))
