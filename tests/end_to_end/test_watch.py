"""`dropnote up --watch`: a change of the project reaches the running environment, and one with an error does not."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.checkouts import copy_project, variables_of
from workbench.local.ministack import local_client
from workbench.waiting import wait_until

pytestmark = pytest.mark.environment
MAX_S = 90.0
RELAXED_S = 12.0  # docs/answers.md has the usual time, on a machine that does nothing else


@dataclass
class Session:
    """A running `up --watch` of a copied project."""

    checkout: Path
    log: Path
    process: subprocess.Popen[bytes]

    def wait_for(self, text: str, count: int = 1) -> None:
        def seen() -> bool:
            return self.log.read_text().count(text) >= count or self.process.poll() is not None

        assert wait_until(seen, MAX_S, 0.05), self.log.read_text()
        assert self.process.poll() is None, self.log.read_text()

    def edit(self, name: str, old: str, new: str) -> None:
        file = self.checkout / "chalicelib" / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    @property
    def running(self) -> dict[str, Any]:
        running: dict[str, Any] = json.loads((self.checkout / ".dropnote" / "environment.json").read_text())
        return running

    def texts_about(self, key: str, bucket: str = "dropnote-uploads") -> list[str]:
        """Upload an object, and wait for the texts about it."""
        local_client(self.running["endpoint"], "s3").put_object(Bucket=bucket, Key=key, Body=b"some words")
        texts: list[str] = []

        def arrived() -> bool:
            inbox = requests.get(f"{self.running['server']}/inbox.json", timeout=20).json()
            texts[:] = [text["body"] for text in inbox["texts"] if key.rpartition("/")[2] in text["body"]]
            return bool(texts)

        wait_until(arrived, MAX_S, 0.1)
        return texts


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    checkout, log = copy_project(tmp_path / "checkout"), tmp_path / "log"
    options = ["up", "--watch", "--no-story", "--port", "0", "--inbox-port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench.cli.main", *options],
            cwd=checkout,
            env=variables_of(checkout),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    session = Session(checkout, log, process)
    try:
        session.wait_for("  watch   ")
        yield session
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0  # make reports any other code as an error
    assert "Stopped; nothing was left behind." in log.read_text()


def test_changes_reach_the_running_environment_and_errors_do_not(session: Session) -> None:
    session.edit("templates/upload/sms.txt", "", "EDITED ")
    session.wait_for("settings and templates only")
    (text,) = session.texts_about("in/after the template.txt")
    assert "EDITED " in text

    session.edit("dropnote.toml", 'owner = "asha"', 'owner = "ahsa"')
    session.wait_for("the running version stays")
    assert "chalicelib/dropnote.toml:9: [bot], owner: unknown person 'ahsa'; did you mean 'asha'?" in session.log.read_text()
    assert session.texts_about("in/after the error.txt")

    session.edit("dropnote.toml", 'owner = "ahsa"', 'owner = "ben"')  # of the alarms, which the stack creates
    session.edit("dropnote.toml", 'name = "acme-drops"', 'name = "edited-drops"')
    rule = '[[rules]]\nname = "new"\nbucket = "new-bucket"\nnotify = ["sms:asha"]\n\n[[monitors]]\n'
    session.edit("dropnote.toml", "[[monitors]]\n", rule)
    session.wait_for("complete deploy")
    (text,) = session.texts_about("in/first.txt", "new-bucket")
    assert "edited-drops" in text
    times = [float(seconds) for seconds in re.findall(r"deployed in ([\d.]+) s: .* templates only", session.log.read_text())]
    assert max(times) < RELAXED_S
