"""`make demo`: upload three files with rclone, a real S3 client, and show the texts and e-mails they cause."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from chalicelib.platform.phrases import pluralize

from ...waiting import wait_until
from ..running import RunningEnvironment

FILES = {
    "hello.txt": 1_200,
    "video.mp4": 17 * 1024 * 1024,  # over 16 MB: rclone uploads it in parts
    "menu à la carte + drinks 🎉.csv": 4_321,
}
TIMEOUT_S = 20.0


@dataclass
class DemoResult:
    """The messages that the demo's uploads caused."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # files without exactly one text and one e-mail
    seconds: float = 0.0

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
        say(f"{len(self.texts)} texts and {len(self.mails)} e-mails for {len(FILES)} uploads in {self.seconds:.1f} s")


def run_demo(running: RunningEnvironment, step: Callable[[str], object]) -> DemoResult:
    """Upload the files and wait for one text and one e-mail for each."""
    started = time.monotonic()
    with TemporaryDirectory(prefix="dropnote-demo-") as folder:
        for name, size in FILES.items():
            step(f"Uploading {name}")
            file = Path(folder) / name
            file.write_bytes(os.urandom(size))
            upload_by_rclone(running, file, f"demo/{name}")
    step("Waiting for the messages")
    result = DemoResult()

    def is_complete() -> bool:
        inbox = requests.get(f"{running.server}/inbox.json", timeout=5).json()
        result.texts, result.mails = inbox["texts"], inbox["mails"]
        result.missing = [line for name in FILES for line in _wrong_counts(name, result)]
        return not result.missing

    wait_until(is_complete, TIMEOUT_S, pause_s=0.05)
    result.seconds = time.monotonic() - started
    return result


def upload_by_rclone(running: RunningEnvironment, file: Path, key: str) -> None:
    """Upload with rclone, which does not use boto3. It is configured by environment variables and ignores the user's config file.

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
        [rclone, "copyto", str(file), f":s3:{running.bucket}/{key}"],
        env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/"), **remote},
        check=True,
        capture_output=True,
        timeout=60,
    )


def _wrong_counts(name: str, result: DemoResult) -> list[str]:
    stem = name.rpartition(".")[0]
    counts = {
        "texts": sum(stem in text["body"] for text in result.texts),
        "e-mails": sum(stem in mail["subject"] for mail in result.mails),
    }
    return [f"{name}: {count} {messages} instead of 1" for messages, count in counts.items() if count != 1]
