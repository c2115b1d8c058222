"""From an empty folder to a delivered message: `dropnote init DIR --run`, as a new user runs it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.support.checkouts import copy_project, variables_of
from workbench.waiting import wait_until

pytestmark = pytest.mark.environment
MAX_S = 60.0


def test_empty_folder_reaches_a_delivered_message_in_under_a_minute(tmp_path: Path) -> None:
    checkout, mine, log = copy_project(tmp_path / "checkout"), tmp_path / "mine", tmp_path / "log"
    mine.mkdir()
    options = ["--yes", "--run", "--port", "0", "--inbox-port", "0"]
    people = ["--person", "asha asha@example.com +919812345678", "--channels", "both", "--bucket", "my-own-bucket"]
    command = [sys.executable, "-m", "workbench.cli.main", "init", str(mine), *people, *options]
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=checkout, env=variables_of(checkout), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        assert wait_until(lambda: "its first message arrived" in log.read_text() or process.poll() is not None, MAX_S, 0.1)
        seconds = time.monotonic() - started
        running = json.loads((checkout / ".dropnote" / "environment.json").read_text())
        inbox = requests.get(f"{running['server']}/inbox.json", timeout=5).json()
        assert running["bucket"] == "my-own-bucket"
        assert {message["person"] for message in (*inbox["texts"], *inbox["mails"])} == {"asha"}
        assert any("hello.txt" in text["body"] for text in inbox["texts"]) or "hello.txt" in inbox["mails"][0]["subject"]
        assert seconds < MAX_S
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert "Stopped; nothing was left behind." in log.read_text()
