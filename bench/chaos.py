"""The crash test: the deployed app in the local world, its processes killed at random moments, every message counted.

    make chaos                                            2,000 uploads, 200 kills, three seeds
    .venv/bin/python -m bench.chaos --uploads 100 --kills 20

Uploads come directly and by EventBridge, so each is told twice. Lambda's retries, the dead-event queue and the sweep have to
bring back what the kills cost. It is counted at the providers: the Twilio double's and SES's own records.
"""

import random
import re
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import click
import psutil
from rich.progress import Progress

from chalicelib.clock import utc_now
from chalicelib.delivery import FINAL, Delivery, State
from chalicelib.ledger import Ledger
from workbench.mailbox import Mailbox
from workbench.output import as_json, err, table
from workbench.places import PROJECT
from workbench.waiting import wait_until
from workbench.world import World

LEASE_S = 8  # instead of two minutes; everything that waits for a lapsed lease shrinks with it
AT_ONCE = 40  # uploads under way: the workers keep up, and are busy
QUIET_S = 900.0
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
_NAME = re.compile(r"upload-(\d{6})")


@dataclass
class Result:
    """What one run came to."""

    seed: int
    uploads: int
    kills: int = 0
    lost: int = 0
    texts_twice: int = 0
    mails_twice: int = 0
    unknown_resolved: int = 0
    unsettled: int = 0
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.texts_twice or self.unsettled)


def run(uploads: int, kills: int, seed: int, on_progress: Callable[[int], object]) -> Result:
    """One run in a world of its own."""
    result, dice, started = Result(seed, uploads), random.Random(seed), monotonic()
    with TemporaryDirectory(prefix="dropnote-chaos-") as folder, _world(Path(folder)) as world:
        with _sweeping(world):
            for number in range(uploads):
                _wait_for_room(world, number)
                world.ministack.client("s3").put_object(
                    Bucket=world.running.bucket, Key=f"in/upload-{number:06}.txt", Body=b"some words"
                )
                due = kills * (number + 1) // uploads
                while result.kills < due:
                    sleep(dice.uniform(0, 0.1))
                    result.kills += _kill_one(world, dice)
                on_progress(number + 1)
            wait_until(lambda: _quiet(world), QUIET_S, pause_s=1.0)
        _judge(world, result)
    result.seconds = monotonic() - started
    return result


def _wait_for_room(world: World, uploaded: int) -> None:
    """Keep to the pace of the workers; a text that a kill delays holds nobody up for long."""
    wait_until(lambda: uploaded - len(world.twilio.messages()) < AT_ONCE, within_s=10)


def _world(folder: Path) -> World:
    """A world that runs the project with settings of its own, leases and retries in seconds."""
    project = folder / "project"
    for name in ("app.py", "requirements.txt", "resources.yaml", "chalicelib", ".chalice", "vendor"):
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, project / name)
        elif source.exists():
            project.mkdir(exist_ok=True)
            shutil.copy2(source, project / name)
    (project / "chalicelib" / "dropnote.toml").write_text(SETTINGS)
    return World(
        port=0,
        desk_port=0,
        project=project,
        state=folder / "state",
        environment={"DROPNOTE_LEASE_SECONDS": str(LEASE_S)},
        ministack={"LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1", "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "2"},
    )


def _kill_one(world: World, dice: random.Random) -> bool:
    """SIGKILL one of the processes that run functions, any of them; False when it ended by itself just before."""
    workers = psutil.Process(world.ministack.pid).children()
    try:
        dice.choice(sorted(workers, key=lambda process: process.pid)).kill()
    except (psutil.NoSuchProcess, IndexError):
        return False
    return True


@contextmanager
def _sweeping(world: World) -> Iterator[None]:
    """Sweep all the time, as the schedule does once a minute. A sweep that is killed is just another one."""
    over = threading.Event()

    def sweep() -> None:
        while not over.wait(0.5):
            world.ministack.client("lambda").invoke(FunctionName="dropnote-local-sweep", Payload=b"{}")

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _rows(world: World) -> list[Delivery]:
    ledger, now = Ledger(world.ministack.client("dynamodb"), world.running.ledger), utc_now()
    return [row for row in ledger.newest(now - timedelta(hours=6), now) if isinstance(row, Delivery)]


def _quiet(world: World) -> bool:
    """Nothing waits in the ledger or in the dead-event queue."""
    queues = world.ministack.client("sqs")
    url = queues.get_queue_url(QueueName="dropnote-local-dead-events")["QueueUrl"]
    told = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    dead = int(told["ApproximateNumberOfMessages"]) + int(told["ApproximateNumberOfMessagesNotVisible"])
    return not dead and all(row.state in FINAL for row in _rows(world))


def _judge(world: World, result: Result) -> None:
    mails = Mailbox(world.ministack.endpoint).read().mails
    told = {
        "text": Counter(_NAME.findall(" ".join(text.body for text in world.twilio.messages()))),
        "mail": Counter(_NAME.findall(" ".join(mail.subject for mail in mails))),
    }
    for number in range(result.uploads):
        for what, counts in told.items():
            count = counts[f"{number:06}"]
            result.lost += count == 0
            result.texts_twice += what == "text" and count > 1
            result.mails_twice += what == "mail" and count > 1
            if count == 0 or (what == "text" and count > 1):
                result.examples.append(f"upload-{number:06}: {count} {what}s")
    rows = _rows(world)
    result.unknown_resolved = sum(any(step.state is State.UNKNOWN for step in row.steps) for row in rows)
    unsettled = [row for row in rows if row.state not in FINAL]
    result.unsettled = len(unsettled)
    result.examples += [f"{row.id} by {row.channel}: {row.state}, {row.reason} {row.detail}, {row.due_at}" for row in unsettled]


@click.command()
@click.option("--uploads", default=2_000, show_default=True)
@click.option("--kills", default=200, show_default=True)
@click.option("--seed", "seeds", multiple=True, type=int, default=[1], show_default=True)
@click.option("--json", "json_", is_flag=True)
def main(uploads: int, kills: int, seeds: tuple[int, ...], json_: bool) -> None:
    """Kill the bot at random moments, and count what was lost or said twice."""
    results = []
    for seed in seeds:
        with Progress(console=err, disable=not err.is_terminal) as progress:
            task = progress.add_task(f"seed {seed}", total=uploads)
            results.append(run(uploads, kills, seed, lambda done, task=task: progress.update(task, completed=done)))  # type: ignore[misc]
    if json_:
        as_json([vars(result) for result in results])
    else:
        columns = ["seed", "uploads", "kills", "lost", "SMS twice", "mail twice", "unknown resolved", "unsettled", "seconds"]
        table(columns, [[f"{value:.0f}" for name, value in vars(result).items() if name != "examples"] for result in results])
        for result in results:
            for example in result.examples[:10]:
                err.print(f"seed {result.seed}: {example}")
    if not all(result.kept for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
