"""Runs an unpacked Lambda package in AWS's own runtime: awslambdaric under the runtime interface emulator.

    with LambdaRuntime(package, "app.sweep", environment={"AWS_ENDPOINT_URL": ministack.endpoint}) as runtime:
        call = runtime.invoke({})
        print(runtime.init_ms, call.wall_ms, call.cpu_ms, call.answer)

The process is fresh, sees what Lambda gives and nothing of the machine, and writes no bytecode. What differs from Lambda: no
processor is rationed (costs.py has a model of that), and a layer or extension of the machine's /opt would be found.

The emulator starts Python at the first invocation, so that one's wall time includes the start. Of its own log only INIT REPORT
is the start's length: the "Init Duration" of its REPORT line is the time it took to find the program.
Source: AWS Lambda developer guide, "Defined runtime environment variables"; aws-lambda-runtime-interface-emulator.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import clock_gettime, perf_counter
from types import TracebackType
from typing import Any, Self

from ..paths import RUNTIME_EMULATOR, RUNTIME_PYTHON
from ..waiting import wait_until
from .ministack import ACCESS_KEY, REGION, SECRET_KEY, free_port, remove_folder

READY_S = 10.0
_INVOKE = "/2015-03-31/functions/function/invocations"
_INIT = re.compile(rb"INIT REPORT\(durationMs: ([\d.]+)\)")
_OWN_LINE = re.compile(rb"\(rapid\)|^(START|END|REPORT) RequestId: ")
_LEFT_ALONE = 'read -r _; kill -s KILL -- "-$1"; rm -rf -- "$2"'  # should we be killed: without the emulator Python ends too
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


class RuntimeTrouble(Exception):
    """The runtime is not there, did not start or gave no answer. One sentence."""


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation. Times are of this machine, at full speed."""

    answer: Any
    error: str  # "TypeName: message", "" where there was none
    wall_ms: float  # the first one's has the start in it
    cpu_ms: float  # user and system, all threads, since the call before; the first one's has the start in it


class LambdaRuntime:
    """One function's container, running while the block does."""

    def __init__(
        self,
        package: Path,
        handler: str,
        *,
        environment: Mapping[str, str] | None = None,
        memory_mb: int = 256,
        timeout_s: int = 60,
        function: str = "function",
        python: Path = RUNTIME_PYTHON,
        emulator: Path = RUNTIME_EMULATOR,
    ) -> None:
        """`package` is the folder that the zip was unpacked to; `environment` the function's own variables."""
        self._package, self._handler, self._environment = package.resolve(), handler, environment or {}
        self._memory_mb, self._timeout_s, self._function = memory_mb, timeout_s, function
        self._python, self._emulator = python, emulator
        self._lines: list[str] = []
        self._pid = 0
        self._cpu_ms = 0.0
        self.init_ms = 0.0  # from the start of Python to its first question for work; 0 before the first call
        self.init_cpu_ms = 0.0
        self.peak_mb = 0.0  # the most memory the function's process has had, in MB of 2^20 bytes

    def __enter__(self) -> Self:
        """Start the emulator; Python starts with the first invocation.

        Raises:
            RuntimeTrouble: it is not installed, or does not listen.
        """
        if not (self._emulator.exists() and self._python.exists()):
            raise RuntimeTrouble("AWS's runtime is not installed: python3 -m workbench.bootstrap runtime")
        self._folder = Path(tempfile.mkdtemp(prefix="dropnote-runtime-"))
        self._port, inner = free_port(), free_port()
        self._process = subprocess.Popen(
            [
                *(self._emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
                *("--runtime-api-address", f"127.0.0.1:{inner}", "--log-level", "info"),
                *(self._python, "-B", "-m", "awslambdaric", self._handler),
            ],
            env=self._variables(),
            cwd=self._package,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _LEFT_ALONE, "sh", str(self._process.pid), str(self._folder)],
            stdin=subprocess.PIPE,  # it ends when we do
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not wait_until(self._listens, READY_S, pause_s=0.002):
            self._end()
            raise RuntimeTrouble(f"The runtime interface emulator did not listen within {READY_S:g} s: {self._last_words()}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Kill it and the function."""
        self._end()

    def invoke(self, payload: Any) -> Call:
        """Invoke the function; `payload` is JSON as bytes, or what becomes JSON.

        Raises:
            RuntimeTrouble: no answer came.
        """
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s + READY_S)
        started = perf_counter()
        try:
            connection.request("POST", _INVOKE, body)
            told = connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeTrouble(f"The function gave no answer ({type(error).__name__}): {self._last_words()}") from error
        finally:
            connection.close()
        wall_ms = (perf_counter() - started) * 1e3
        return Call(*_understand(told), wall_ms, self._look())

    @property
    def output(self) -> list[str]:
        """The lines that the function wrote."""
        return list(self._lines)

    def _variables(self) -> dict[str, str]:
        """What Lambda gives, and a home and a place for temporary files that are nobody's."""
        return {
            "PATH": os.defpath,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "PYTHONPATH": str(self._package),
            "LAMBDA_TASK_ROOT": str(self._package),
            "LAMBDA_RUNTIME_DIR": str(self._python.parent),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_LAMBDA_FUNCTION_NAME": self._function,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._memory_mb),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self._timeout_s),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "_HANDLER": self._handler,
            **self._environment,
        }

    def _read(self) -> None:
        """Follow the output; the moment the start is over is the moment to look at the clock of its processor."""
        for line in self._process.stdout or ():
            if found := _INIT.search(line):
                self.init_ms, self.init_cpu_ms = float(found[1]), _used_ms(_child_of(self._process.pid))
            elif not _OWN_LINE.search(line):
                self._lines.append(line.decode(errors="replace").rstrip("\n"))

    def _look(self) -> float:
        """The CPU time since the last look. After a crash or a timeout the emulator starts another process."""
        pid = _child_of(self._process.pid)
        if pid != self._pid:
            self._pid, self._cpu_ms = pid, 0.0
        with contextlib.suppress(OSError):
            if found := _PEAK.search(Path(f"/proc/{pid}/status").read_text()):
                self.peak_mb = max(self.peak_mb, int(found[1]) / 1024)
        before, self._cpu_ms = self._cpu_ms, _used_ms(pid)
        return max(0.0, self._cpu_ms - before)

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeTrouble(f"The runtime interface emulator ended: {self._last_words()}")
        probe = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        with contextlib.suppress(OSError):
            probe.connect()
            probe.close()
            return True
        return False

    def _last_words(self) -> str:
        return next((line for line in reversed(self._lines) if line.strip()), "it wrote nothing")

    def _end(self) -> None:
        self._watcher.kill()
        self._watcher.wait()
        if self._watcher.stdin:
            self._watcher.stdin.close()
        child = _child_of(self._process.pid)
        for group in (child, self._process.pid):  # the emulator gives Python a process group of its own
            with contextlib.suppress(ProcessLookupError):
                if group:
                    os.killpg(group, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=READY_S)
        if self._process.stdout:
            self._process.stdout.close()
        remove_folder(self._folder)


def _child_of(pid: int) -> int:
    """Its only child, 0 for none: any thread may have started it."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            if children := (task / "children").read_text().split():
                return int(children[0])
    return 0


def _used_ms(pid: int) -> float:
    """User and system time of a process, of all its threads, to the nanosecond; 0 when it has gone."""
    with contextlib.suppress(OSError):
        return clock_gettime((~pid << 3) | 2) * 1e3 if pid else 0.0  # a process' clock: linux/posix-timers.h
    return 0.0


def _understand(told: bytes) -> tuple[Any, str]:
    """The answer and the error; a function that fails answers with an object that says so."""
    try:
        answer = json.loads(told) if told else None
    except ValueError:  # the emulator's own words, such as "Task timed out after 1.00 seconds"
        return None, told.decode(errors="replace").strip()
    if isinstance(answer, dict) and "errorMessage" in answer:
        return None, f"{answer.get('errorType', 'Error')}: {answer['errorMessage']}"
    return answer, ""
