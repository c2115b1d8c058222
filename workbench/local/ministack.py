"""Runs the local AWS emulator: one MiniStack process with a clean environment, which leaves nothing behind.

What MiniStack 1.5.33 does beyond its own documentation:

- `AUTH=true` enforces policies: functions run with their role's permissions only. The access key `test` is the account's root
  user, with any secret; other keys must have been created by IAM or STS.
- Functions get AWS_ENDPOINT_URL from GATEWAY_PORT, their role's credentials, and the server's environment.
- Above the limit of concurrent functions, an asynchronous invocation is tried twice more and then lost, and an EventBridge
  target only once (AWS keeps both for hours): ministack_child.py queues them. A failed function is retried after one and two
  minutes, as on AWS; `settings` can shorten that in tests.
- Two more listeners (MQTT on 8883, SFTP on 2222) are on by default, on every interface. Here they are off.
- `POST /_ministack/reset` empties every service and stops the functions' workers.
- A REST API's routes are below `<endpoint>/restapis/<id>/<stage>/_user_request_/`.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from boto3.session import Session as BotoSession
from botocore.config import Config
from botocore.session import Session

from ..paths import MINISTACK_PYTHON
from ..ports import free_port
from ..waiting import wait_until
from .strict.check import attach

ACCOUNT = "000000000000"
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"
READY_S = 20.0
RESET_S = 30.0
WORKERS = 8


class MiniStackError(Exception):
    """MiniStack did not start or does not respond. One sentence."""


def local_client(endpoint: str, service: str, region_name: str = REGION, **config: Any) -> Any:
    """A boto3 client for the emulator, as strict as AWS. It ignores the machine's profiles, credential files and proxies."""
    isolated = Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    client = BotoSession(
        botocore_session=isolated,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=region_name,
    ).client(
        service,
        endpoint_url=endpoint,
        config=Config(**{"proxies": {}, "retries": {"total_max_attempts": 1}, "connect_timeout": 5, **config}),
    )
    return attach(client)


class MiniStack:
    """A MiniStack process that runs while the block does; it also ends with this process."""

    def __init__(
        self,
        port: int = 0,
        *,
        folder: Path | None = None,
        python: Path = MINISTACK_PYTHON,
        ready_s: float = READY_S,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` is for its temporary files and its log; by default a new one. It is removed at the end. `settings` overrides
        MiniStack's environment variables.
        """
        self._requested_port, self._requested_folder = port, folder
        self._python, self._ready_s, self._settings = python, ready_s, settings or {}
        self._clients: dict[tuple[str, str], Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        """The base URL of every AWS service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id. The functions' workers are its children."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> Path:
        """The log file, with MiniStack's output and the functions'."""
        return self._folder / "ministack.log"

    def __enter__(self) -> Self:
        """Start it and wait until it responds.

        Raises:
            PortTakenError: another program uses the port.
            MiniStackError: it ended or did not respond in time.
        """
        self.port = free_port(self._requested_port)
        self._folder = self._requested_folder or Path(tempfile.mkdtemp(prefix="dropnote-ministack-"))
        try:
            self._start()
            self._await_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()

    def client(self, service: str, region_name: str = REGION) -> Any:
        """A boto3 client for a service, created once."""
        if (service, region_name) not in self._clients:
            self._clients[service, region_name] = local_client(self.endpoint, service, region_name)
        return self._clients[service, region_name]

    def reset(self) -> None:
        """Empty every service.

        Raises:
            MiniStackError: it failed.
        """
        if _request(self.port, "POST", "/_ministack/reset", RESET_S) != {"reset": "ok"}:
            raise MiniStackError(f"MiniStack on port {self.port} could not be reset")

    def stop(self) -> None:
        """Kill it and its workers, and remove its folder. A second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # includes the workers; there is no state to save
            process.wait()
            if process.stdin:
                process.stdin.close()
        remove_folder(self._folder)

    def _start(self) -> None:
        temp = self._folder / "tmp"
        temp.mkdir(parents=True, exist_ok=True)
        child = Path(__file__).with_name("ministack_child.py")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._python, "-I", child, self._folder],
                env=self._environment(temp),
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # its own process group, so that Ctrl-C reaches only us
            )

    def _environment(self, temp: Path) -> dict[str, str]:
        """Its complete environment, without the user's variables: the functions inherit it."""
        return {
            "PATH": os.defpath,
            "HOME": str(temp),
            "TMPDIR": str(temp),
            "LANG": "C.UTF-8",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AUTH": "true",
            "LAMBDA_ACCOUNT_CONCURRENCY": str(WORKERS),
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "60",
            "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "300",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._settings,
        }

    def _healthy(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise MiniStackError(f"MiniStack ended while starting: {self._last_line()}")
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            return "services" in _request(self.port, "GET", "/_ministack/health", 1)
        return False

    def _await_healthy(self) -> None:
        if not wait_until(self._healthy, self._ready_s):
            raise MiniStackError(f"MiniStack did not respond within {self._ready_s:g} s: {self._last_line()}")

    def _last_line(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def remove_folder(folder: Path) -> None:
    """Remove a folder, even if an ending worker still writes there."""

    def removed() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(removed, within_s=1.0)


def _request(port: int, method: str, path: str, timeout_s: float) -> dict[str, Any]:
    """Send one request, ignoring the machine's proxy.

    Raises:
        OSError, ValueError, HTTPException: there was no valid response.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path)
        body: dict[str, Any] = json.loads(connection.getresponse().read())
        return body
    finally:
        connection.close()
