"""Uploads one file to a local environment with the user's own settings, and waits for its first message."""

import time

import requests

from ...waiting import wait_until
from ..running import RunningEnvironment

KEY = "hello.txt"
TIMEOUT_S = 20.0


def upload_first(running: RunningEnvironment) -> float | None:
    """Upload the file. Return the seconds until a message arrived; None if none did, for example because of quiet hours."""
    started = time.monotonic()
    running.client("s3").put_object(Bucket=running.bucket, Key=KEY, Body=b"Hello from Dropnote.\n")

    def arrived() -> bool:
        inbox = requests.get(f"{running.server}/inbox.json", timeout=5).json()
        return bool(inbox["texts"] or inbox["mails"])

    return time.monotonic() - started if wait_until(arrived, TIMEOUT_S, pause_s=0.05) else None
