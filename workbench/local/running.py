"""What other commands know of the local world that runs: `.dropnote/world.json`, there as long as it does."""

import contextlib
import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..paths import STATE
from .ministack import local_client

FILE = "world.json"


@dataclass(frozen=True, slots=True)
class RunningEnvironment:
    """A running world. The keys work with any S3 client, as root of an account that is only this process."""

    pid: int  # of the process that runs it: SIGTERM stops it
    endpoint: str  # base URL of every AWS service
    desk: str  # base URL of the inbox page and the Twilio double
    bucket: str
    region: str
    access_key: str
    secret_key: str
    stage: str
    ledger: str  # the table's name
    api: str | None  # base URL of the REST API: routes are below it
    shop: str = ""  # base URL of a web server that can be broken, which a monitor looks at
    deployed: str = ""  # the file in which Chalice lists what it deployed

    def client(self, service: str) -> Any:
        """A boto3 client of that service in this world."""
        return local_client(self.endpoint, service)


def read_running(state: Path = STATE) -> RunningEnvironment | None:
    """The world that runs, None when none does (a file left by one that was killed counts as none)."""
    try:
        world = RunningEnvironment(**json.loads((state / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return world if _alive(world.pid) and _listens(world.endpoint) else None


def write_running(world: RunningEnvironment, state: Path = STATE) -> None:
    """Tell others; they see the whole file or none."""
    state.mkdir(parents=True, exist_ok=True)
    fresh = state / f"{FILE}.{world.pid}.new"
    fresh.write_text(json.dumps(asdict(world), indent=1) + "\n")
    fresh.replace(state / FILE)


def remove_running(state: Path = STATE) -> None:
    """It runs no more. Another process's file stays."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        if json.loads((state / FILE).read_text())["pid"] == os.getpid():
            (state / FILE).unlink()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _listens(endpoint: str) -> bool:
    parts = urlsplit(endpoint)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
    except OSError:
        return False
    return True
