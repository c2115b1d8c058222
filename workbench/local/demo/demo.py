"""`make demo`: upload three files and a burst of 200 with rclone, a real S3 client, and show the texts and e-mails they cause."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests
from msgspec.structs import replace

from chalicelib.domain.bundle import Bundle
from chalicelib.domain.event import Event, Kind, Upload
from chalicelib.domain.people import Channel
from chalicelib.domain.rule import DEFAULT_FIRST
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.phrases import pluralize
from chalicelib.rules.index import mismatch_reason
from chalicelib.store.bundles import Bundles
from chalicelib.store.ledger import Ledger

from ...waiting import wait_until
from ..running import RunningEnvironment

FILES = {
    "hello.txt": 1_200,
    "video.mp4": 17 * 1024 * 1024,  # over 16 MB: rclone uploads it in parts
    "menu à la carte + drinks 🎉.csv": 4_321,
}
BURST = 200  # more files, which are sent as a summary after the first ones
SUMMARIZED = len(FILES) + BURST - DEFAULT_FIRST
A_DAY = timedelta(days=1)
TIMEOUT_S = 60.0


@dataclass
class DemoResult:
    """The messages that the demo's uploads caused."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # what was not sent exactly once as a text and as an e-mail
    seconds: float = 0.0
    expected: Mapping[str, int] = field(default_factory=dict)  # messages per file, by channel

    def as_dict(self) -> dict[str, Any]:
        """Return the result for --json."""
        return {"texts": self.texts, "mails": self.mails, "missing": self.missing, "seconds": round(self.seconds, 2)}

    def print(self, say: Callable[..., None]) -> None:
        """Print the result for people."""
        for text in reversed(self.texts):
            segments = pluralize(text["segments"], "segment")
            say(f"SMS to {text['person'] or text['to_shown']}, {segments}, {text['encoding']}", "bold")
            say(f"  {text['body']}\n")
        for mail in reversed(self.mails):
            say(f"E-mail to {mail['person'] or 'unknown'}: {mail['subject']}", "bold")
            say("".join(f"  {line}\n" for line in mail["text"].splitlines()))
        sent = f"{len(self.texts)} texts and {len(self.mails)} e-mails for {len(FILES) + BURST} uploads in {self.seconds:.1f} s"
        say(f"{sent}. The summary is sent after ten minutes; the demo sent it immediately.")


def run_demo(running: RunningEnvironment, settings: Settings, step: Callable[[str], object]) -> DemoResult:
    """Upload the files and wait for one text and one e-mail for each; then upload a burst and send its summary immediately.
    With settings of the user: as many texts and e-mails as their rules send.
    """
    started = time.monotonic()
    result = DemoResult(expected=_recipients(settings, running.bucket))
    with TemporaryDirectory(prefix="dropnote-demo-") as folder:
        for name, size in FILES.items():
            step(f"Uploading {name}")
            file = Path(folder) / name
            file.write_bytes(os.urandom(size))
            upload_by_rclone(running, file, f"demo/{name}")
        step("Waiting for the messages")
        wait_until(lambda: not _read(running, result, _wrong_counts), TIMEOUT_S, pause_s=0.05)
        if result.missing:
            return result
        step(f"Uploading a burst of {BURST} files")
        burst = Path(folder) / "burst"
        burst.mkdir()
        for number in range(BURST):
            (burst / f"scan-{number:03}.tiff").write_bytes(os.urandom(2_000))
        upload_by_rclone(running, burst, "demo/burst")
    step("Waiting for the summary")
    if _send_summary(running):
        wait_until(lambda: not _read(running, result, _wrong_summary), TIMEOUT_S, pause_s=0.2)
    else:
        result.missing = [f"the burst: fewer than {SUMMARIZED} files are in its summary"]
    result.seconds = time.monotonic() - started
    return result


def _recipients(settings: Settings, bucket: str) -> dict[str, int]:
    """How many texts and e-mails the rules send for one of the files."""
    event = Event(Kind.UPLOAD, "", utc_now(), upload=Upload(bucket, "demo/hello.txt", FILES["hello.txt"]))
    channels = [
        recipient.channel
        for rule in settings.rules
        if rule.on is Kind.UPLOAD and not mismatch_reason(rule, event)
        for recipient in rule.recipients
    ]
    return {"texts": channels.count(Channel.SMS), "e-mails": channels.count(Channel.EMAIL)}


def _read(running: RunningEnvironment, result: DemoResult, wrong: Callable[[DemoResult], list[str]]) -> list[str]:
    inbox = requests.get(f"{running.server}/inbox.json", timeout=5).json()
    result.texts, result.mails = inbox["texts"], inbox["mails"]
    result.missing = wrong(result)
    return result.missing


def _send_summary(running: RunningEnvironment) -> bool:
    """Make the burst's bundle due when all files are in it, and sweep; False if they do not arrive."""
    client, now = running.client("dynamodb"), utc_now()
    bundles, ledger = Bundles(client, running.ledger), Ledger(client, running.ledger)

    def waiting() -> list[Bundle]:
        rows = [row for row in ledger.newest(now - A_DAY, now + A_DAY) if isinstance(row, Bundle)]
        return [row for row in rows if sum(not member.sent_immediately for member in bundles.members(row)) == SUMMARIZED]

    if not wait_until(lambda: bool(waiting()), TIMEOUT_S, pause_s=0.5):
        return False
    (bundle,) = waiting()
    bundles.update(bundle, replace(bundle, due_at=utc_now()))
    running.client("lambda").invoke(FunctionName=f"dropnote-{running.stage}-sweep", Payload=b"{}")
    return True


def upload_by_rclone(running: RunningEnvironment, file: Path, key: str) -> None:
    """Upload a file or a folder with rclone, which does not use boto3. It ignores the user's configuration file.

    Raises:
        subprocess.CalledProcessError: it failed; `stderr` says why.
    """
    remote = {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_S3_PROVIDER": "Other",
        "RCLONE_S3_ENDPOINT": running.endpoint,
        "RCLONE_S3_ACCESS_KEY_ID": running.access_key,
        "RCLONE_S3_SECRET_ACCESS_KEY": running.secret_key,
        "RCLONE_S3_REGION": running.region,
        "RCLONE_S3_UPLOAD_CUTOFF": "16M",
        "RCLONE_S3_CHUNK_SIZE": "8M",
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
    }
    rclone = Path(sys.executable).with_name("rclone")
    subprocess.run(
        [rclone, "copy" if file.is_dir() else "copyto", str(file), f":s3:{running.bucket}/{key}"],
        env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/"), **remote},
        check=True,
        capture_output=True,
        timeout=60,
    )


def _wrong_counts(result: DemoResult) -> list[str]:
    """The files that were not sent exactly once on each channel."""
    wrong = []
    for name in FILES:
        stem = name.rpartition(".")[0]
        counts = {
            "texts": sum(stem in text["body"] for text in result.texts),
            "e-mails": sum(stem in mail["subject"] and not mail["subject"].startswith("Re:") for mail in result.mails),
        }
        wrong += [
            f"{name}: {count} {messages} instead of {result.expected[messages]}"
            for messages, count in counts.items()
            if count != result.expected[messages]
        ]
    return wrong


def _wrong_summary(result: DemoResult) -> list[str]:
    """What is wrong with the messages of the burst: the first ones one by one, and one summary of the others."""
    summaries = {
        "texts": sum(f"{SUMMARIZED} more files" in text["body"] for text in result.texts),
        "e-mails": sum(f"{SUMMARIZED} more files" in mail["text"] for mail in result.mails),
    }
    totals = {"texts": len(result.texts), "e-mails": len(result.mails)}
    return [
        *(
            f"the burst: {count} {messages} with its summary instead of {result.expected[messages]}"
            for messages, count in summaries.items()
            if count != result.expected[messages]
        ),
        *(
            f"the burst: {count} {messages} instead of {(DEFAULT_FIRST + 1) * result.expected[messages]}"
            for messages, count in totals.items()
            if count != (DEFAULT_FIRST + 1) * result.expected[messages]
        ),
    ]
