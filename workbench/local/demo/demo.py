"""`make demo`: three real files go up by a real S3 client, and every text and mail that comes of them is shown."""

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

from ...waiting import wait_until
from ..running import RunningEnvironment

FILES = {
    "hello.txt": 1_200,
    "video.mp4": 17 * 1024 * 1024,  # over 16 MB: rclone sends it by multipart
    "menu à la carte + drinks 🎉.csv": 4_321,
}
PATIENCE_S = 20.0


@dataclass
class Told:
    """What came of the demo's uploads."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"texts": self.texts, "mails": self.mails, "missing": self.missing, "seconds": round(self.seconds, 2)}

    def print(self, say: Callable[..., None]) -> None:
        """For people."""
        for text in reversed(self.texts):
            say(f"SMS to {text['person'] or text['to_shown']}, {text['segments']} × {text['encoding']}", "bold")
            say(f"  {text['body']}\n")
        for mail in reversed(self.mails):
            say(f"Mail to {mail['person'] or 'somebody'}: {mail['subject']}", "bold")
            say("".join(f"  {line}\n" for line in mail["text"].splitlines()))
        say(f"{len(self.texts)} texts and {len(self.mails)} mails for {len(FILES)} uploads in {self.seconds:.1f} s")


def run_demo(world: RunningEnvironment, step: Callable[[str], object]) -> Told:
    """Upload the files and wait for a text and a mail of each; `missing` says what did not come, or came twice."""
    started = time.monotonic()
    with TemporaryDirectory(prefix="dropnote-demo-") as folder:
        for name, size in FILES.items():
            step(f"uploading {name}")
            file = Path(folder) / name
            file.write_bytes(os.urandom(size))
            upload_by_rclone(world, file, f"demo/{name}")
    step("waiting for the messages")
    told = Told()

    def all_told() -> bool:
        inbox = requests.get(f"{world.desk}/inbox.json", timeout=5).json()
        told.texts, told.mails = inbox["texts"], inbox["mails"]
        told.missing = [line for name in FILES for line in _wrong(name, told)]
        return not told.missing

    wait_until(all_told, PATIENCE_S, pause_s=0.05)
    told.seconds = time.monotonic() - started
    return told


def upload_by_rclone(world: RunningEnvironment, file: Path, key: str) -> None:
    """Upload by rclone, which is not boto3. Its remote is told by the environment: no file of the user's is read.

    Raises:
        subprocess.CalledProcessError: it failed; `stderr` says why.
    """
    remote = {
        "RCLONE_CONFIG": os.devnull,
        "RCLONE_S3_PROVIDER": "Other",
        "RCLONE_S3_ENDPOINT": world.endpoint,
        "RCLONE_S3_ACCESS_KEY_ID": world.access_key,
        "RCLONE_S3_SECRET_ACCESS_KEY": world.secret_key,
        "RCLONE_S3_REGION": world.region,
        "RCLONE_S3_UPLOAD_CUTOFF": "16M",
        "RCLONE_S3_CHUNK_SIZE": "8M",
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
    }
    rclone = Path(sys.executable).with_name("rclone")
    subprocess.run(
        [rclone, "copyto", str(file), f":s3:{world.bucket}/{key}"],
        env={"PATH": os.environ.get("PATH", ""), "HOME": os.environ.get("HOME", "/"), **remote},
        check=True,
        capture_output=True,
        timeout=60,
    )


def _wrong(name: str, told: Told) -> list[str]:
    stem = name.rpartition(".")[0]
    texts = sum(stem in text["body"] for text in told.texts)
    mails = sum(stem in mail["subject"] for mail in told.mails)
    return [f"{name}: {count} {what}s came, not one" for count, what in ((texts, "text"), (mails, "mail")) if count != 1]
