"""What the crash test and the outage share: a world with settings of its own, uploads at its pace, and the counting."""

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
from chalicelib.domain.delivery import FINAL, Delivery, State
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.store.ledger import Ledger
from chalicelib.store.rows import Parked
from workbench.local.environment import LocalEnvironment
from workbench.local.mailbox import Mailbox
from workbench.paths import PROJECT
from workbench.waiting import wait_until

AT_ONCE = 40  # uploads under way: the workers keep up, and are busy
SETTINGS = """
[bot]
name = "chaos"
owner = "owner"
[email]
from = "drops@example.com"
unknown = "resend"
[sms]
account = "${TWILIO_ACCOUNT_SID}"
from = "+15005550006"
unknown = "resend"
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
PEOPLE = "[people.asha]\nbudget = []"  # else the default budget would end the flood that is to be looked at
_NAME = re.compile(r"upload-(\d{6})")


@dataclass
class Count:
    """What people were told, counted at the providers, and what the ledger says of it."""

    lost: int = 0
    texts_twice: int = 0
    mails_twice: int = 0
    unknown_resolved: int = 0
    unsettled: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.texts_twice or self.unsettled)


def make_world(
    folder: Path, environment: Mapping[str, str], ministack: Mapping[str, str], port: int = 0, alert_policy: str = ""
) -> LocalEnvironment:
    """A world that runs the project with the settings above, and more knobs of their rule."""
    project = folder / "project"
    project.mkdir()
    for name in ("app.py", "requirements.txt", "resources.yaml"):
        shutil.copy2(PROJECT / name, project / name)
    for name in ("chalicelib", ".chalice", "vendor"):
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, project / name)
    (project / "chalicelib" / "dropnote.toml").write_text(SETTINGS.replace("[people.asha]", PEOPLE) + alert_policy)
    return LocalEnvironment(
        port=port, desk_port=0, project=project, state=folder / "state", environment=environment, ministack=ministack
    )


def wait_for_room(world: LocalEnvironment, uploaded: int) -> None:
    """Keep to the pace of the workers; a text that is held up holds nobody up for long."""
    wait_until(lambda: uploaded - len(world.twilio.messages()) < AT_ONCE, within_s=10)


def upload(world: LocalEnvironment, number: int) -> None:
    """Upload one file."""
    world.ministack.client("s3").put_object(Bucket=world.running.bucket, Key=f"in/upload-{number:06}.txt", Body=b"some words")


@contextmanager
def sweeping(world: LocalEnvironment, every_s: float) -> Iterator[None]:
    """Sweep all the time, as the schedule does once a minute. A sweep that is killed is just another one."""
    over = threading.Event()

    def sweep() -> None:
        while not over.wait(every_s):
            with suppress(BotoCoreError, ClientError):
                world.ministack.client("lambda").invoke(FunctionName="dropnote-local-sweep", Payload=b"{}")

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def quiet(world: LocalEnvironment) -> bool:
    """Nothing waits in the ledger or in the dead-event queue."""
    return not dead_events(world) and not any(row.due_at for row in _all_rows(world) if not isinstance(row, Parked))


def dead_events(world: LocalEnvironment) -> int:
    """How many events wait in the dead-event queue."""
    queues = world.ministack.client("sqs")
    url = queues.get_queue_url(QueueName="dropnote-local-dead-events")["QueueUrl"]
    told = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(told["ApproximateNumberOfMessages"]) + int(told["ApproximateNumberOfMessagesNotVisible"])


def evaluate(world: LocalEnvironment, uploads: int) -> Count:
    """Count what came of that many uploads."""
    count = Count()
    mails = Mailbox(world.ministack.endpoint).read().mails
    told = {
        "text": Counter(_NAME.findall(" ".join(text.body for text in world.twilio.messages()))),
        "mail": Counter(_NAME.findall(" ".join(mail.subject for mail in mails))),
    }
    for number in range(uploads):
        for what, counts in told.items():
            times = counts[f"{number:06}"]
            count.lost += times == 0
            count.texts_twice += what == "text" and times > 1
            count.mails_twice += what == "mail" and times > 1
            if times == 0 or (what == "text" and times > 1):
                count.examples.append(f"upload-{number:06}: {times} {what}s")
    rows = _rows(world)
    count.unknown_resolved = sum(any(step.state is State.UNKNOWN for step in row.steps) for row in rows)
    unsettled = [row for row in rows if row.state not in FINAL]
    count.unsettled = len(unsettled)
    count.examples += [f"{row.id} by {row.channel}: {row.state}, {row.reason} {row.detail}, {row.due_at}" for row in unsettled]
    return count


def judge_bundles(world: LocalEnvironment, uploads: int) -> Count:
    """Count what came of that many uploads which are told as one: by what the messages say, and how many of them there are."""
    count, rows = Count(), [row for row in _rows(world) if row.rule == "all"]
    mails = [mail for mail in Mailbox(world.ministack.endpoint).read().mails if "trouble" not in mail.subject]
    for channel, messages in ((Channel.EMAIL, len(mails)), (Channel.SMS, len(world.twilio.messages()))):
        sent = [row for row in rows if row.channel is channel and row.sent_at]
        told = sum(row.event.summary.files if row.event.summary else 1 for row in sent)
        count.lost += max(uploads - told, 0)
        count.examples.append(f"{channel}: {messages} messages tell of {told} files")
        twice = max(told - uploads, 0) + max(messages - len(sent), 0)
        if channel is Channel.SMS:
            count.texts_twice += twice
        else:
            count.mails_twice += twice
    count.unknown_resolved = sum(any(step.state is State.UNKNOWN for step in row.steps) for row in rows)
    count.unsettled = sum(row.state not in FINAL for row in rows)
    return count


def _rows(world: LocalEnvironment) -> list[Delivery]:
    return [row for row in _all_rows(world) if isinstance(row, Delivery)]


def _all_rows(world: LocalEnvironment) -> list[Delivery | Bundle | Parked]:
    ledger, now = Ledger(world.ministack.client("dynamodb"), world.running.ledger), utc_now()
    return list(ledger.newest(now - timedelta(hours=6), now))
