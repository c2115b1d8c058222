"""Describes the running local environment to other commands, in `.dropnote/environment.json`."""

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
from .webhooks.double import PREFIX as WEBHOOKS

FILE = "environment.json"


@dataclass(frozen=True, slots=True)
class RunningEnvironment:
    """A running local environment. The keys work with any S3 client; they are those of the emulated account's root user."""

    pid: int  # the process that runs it; SIGTERM stops it
    endpoint: str  # base URL of every AWS service
    server: str  # base URL of the inbox page and the Twilio double
    bucket: str
    region: str
    access_key: str
    secret_key: str
    stage: str
    ledger: str  # name of the table
    api: str | None  # base URL of the REST API's routes
    shop: str = ""  # base URL of the demo web server, which a monitor checks
    deployed: str = ""  # Chalice's list of deployed resources

    @property
    def webhooks(self) -> str:
        """Base URL of the services behind webhooks."""
        return self.server + WEBHOOKS

    @property
    def project(self) -> Path | None:
        """The folder that the functions are deployed from, a copy of the project; None if it is unknown."""
        return Path(self.deployed).parents[2] if self.deployed else None

    def client(self, service: str, region_name: str = "") -> Any:
        """A boto3 client for this environment."""
        return local_client(self.endpoint, service, region_name or self.region)


def read_running(state: Path = STATE) -> RunningEnvironment | None:
    """The running environment, or None. A file that a killed process left behind is ignored."""
    try:
        running = RunningEnvironment(**json.loads((state / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return running if _alive(running.pid) and _listens(running.endpoint) else None


def write_running(running: RunningEnvironment, state: Path = STATE) -> None:
    """Publish the running environment. The file is written atomically."""
    state.mkdir(parents=True, exist_ok=True)
    fresh = state / f"{FILE}.{running.pid}.new"
    fresh.write_text(json.dumps(asdict(running), indent=1) + "\n")
    fresh.replace(state / FILE)


def remove_running(state: Path = STATE) -> None:
    """Remove this process's file, but not another process's."""
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
