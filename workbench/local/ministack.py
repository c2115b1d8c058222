"""The local AWS: one MiniStack process, started with a clean environment and gone without a trace.

What callers need to know of MiniStack 1.5.33 beyond its own documentation:

- `AUTH=true` checks policies: functions run as their role and are denied what it does not allow. Access key
  `test` is the account's root user, whatever the secret; any other must have been made by IAM or STS.
- Functions get AWS_ENDPOINT_URL from GATEWAY_PORT, their role's credentials, and the server's environment.
- Past the cap on concurrent functions an asynchronous invocation is tried twice more and then lost, a bus
  target is tried once (AWS keeps both for hours): ministack_child.py lets them queue. A function that failed
  is retried after one and two minutes, as on AWS; `settings` shortens that where a test needs it.
- Two more listeners (MQTT on 8883, SFTP on 2222) are on by default, on every interface: they are off here.
- `POST /_ministack/reset` empties every service, and stops the functions' workers.
- A REST API answers below `<endpoint>/restapis/<id>/<stage>/_user_request_/`.
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from boto3.session import Session as BotoSession
from botocore.config import Config
from botocore.session import Session

from ..paths import MINISTACK_PYTHON
from ..waiting import wait_until

ACCOUNT = "000000000000"
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "test"
READY_S = 20.0
RESET_S = 30.0
WORKERS = 8


class MiniStackError(Exception):
    """MiniStack did not start, or does not answer. One sentence."""


class PortTakenError(Exception):
    """Somebody else listens on the port that was asked for."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is in use by another program.")
        self.port = port


def free_port(port: int = 0) -> int:
    """The port itself when nobody has it, any free one for 0.

    Raises:
        PortTakenError: somebody has it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            raise PortTakenError(port) from None
        found: int = probe.getsockname()[1]
        return found


def local_client(endpoint: str, service: str, **config: Any) -> Any:
    """A boto3 client of the local world; it looks at no profile, credential file or proxy of the machine."""
    isolated = Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    return BotoSession(
        botocore_session=isolated,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=REGION,
    ).client(
        service,
        endpoint_url=endpoint,
        config=Config(**{"proxies": {}, "retries": {"total_max_attempts": 1}, "connect_timeout": 5, **config}),
    )


class MiniStack:
    """One MiniStack process as a context manager; it ends with the block, or with this process."""

    def __init__(
        self,
        port: int = 0,
        *,
        folder: Path | None = None,
        python: Path = MINISTACK_PYTHON,
        ready_s: float = READY_S,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` is for its temporary files and its log, removed at the end; one is made when none is
        given. `settings` are more environment variables for MiniStack, over ours."""
        self._wanted, self._given = port, folder
        self._python, self._ready_s, self._settings = python, ready_s, settings or {}
        self._clients: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        """The base URL of every AWS service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process; the functions' workers are its children."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> Path:
        """What MiniStack wrote; also where the functions' output goes."""
        return self._folder / "ministack.log"

    def __enter__(self) -> Self:
        """Start it and wait until it answers.

        Raises:
            PortTakenError: somebody else has the port.
            MiniStackError: it ended or did not answer in time.
        """
        self.port = free_port(self._wanted)
        self._folder = self._given or Path(tempfile.mkdtemp(prefix="dropnote-ministack-"))
        try:
            self._start()
            self._await(self._healthy)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self.stop()

    def client(self, service: str) -> Any:
        """A boto3 client of that service; the same one for each call."""
        if service not in self._clients:
            self._clients[service] = local_client(self.endpoint, service)
        return self._clients[service]

    def reset(self) -> None:
        """Empty every service.

        Raises:
            MiniStackError: it did not.
        """
        if _ask(self.port, "POST", "/_ministack/reset", RESET_S) != {"reset": "ok"}:
            raise MiniStackError(f"MiniStack on port {self.port} did not reset.")

    def stop(self) -> None:
        """End it, its workers and its folder; a second call does nothing."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the workers; there is no state to save
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
                start_new_session=True,  # a group of its own: Ctrl-C is ours to handle
            )

    def _environment(self, temp: Path) -> dict[str, str]:
        """All it sees of the machine. Functions see it too, so nothing of the user's is in it."""
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
            raise MiniStackError(f"MiniStack ended while it started: {self._last_words()}")
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            return "services" in _ask(self.port, "GET", "/_ministack/health", 1)
        return False

    def _await(self, ready: Callable[[], bool]) -> None:
        if not wait_until(ready, self._ready_s):
            raise MiniStackError(f"MiniStack did not answer within {self._ready_s:g} s: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")


def remove_folder(folder: Path) -> None:
    """Remove a folder, though a worker that is just dying may still write there."""

    def gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    wait_until(gone, within_s=1.0)


def _ask(port: int, method: str, path: str, timeout_s: float) -> dict[str, Any]:
    """One request without any proxy of the machine. Raises OSError, ValueError or HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()
