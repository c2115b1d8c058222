"""Runs an unpacked Lambda package in AWS's own runtime: awslambdaric with the runtime interface emulator.

    with LambdaRuntime(package, "app.sweep", environment={"AWS_ENDPOINT_URL": ministack.endpoint}) as runtime:
        call = runtime.invoke({})
        print(runtime.init_ms, call.wall_ms, call.cpu_ms, call.result)

The process is new, has only Lambda's environment and writes no bytecode. Differences from Lambda: the CPU is not limited
(reports/cost.py models that), and a layer or extension in the machine's /opt would be used.

The emulator starts Python at the first invocation, so the first wall time includes the start. Only INIT REPORT in its log is the
length of the start: the "Init Duration" of its REPORT line is the time it took to find the program.
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
from ..ports import free_port
from ..waiting import wait_until
from .ministack import ACCESS_KEY, REGION, SECRET_KEY, remove_folder

READY_S = 10.0
_INVOKE = "/2015-03-31/functions/function/invocations"
_INIT = re.compile(rb"INIT REPORT\(durationMs: ([\d.]+)\)")
_EMULATOR_LINE = re.compile(rb"\(rapid\)|^(START|END|REPORT) RequestId: ")
_CLEAN_UP = 'read -r _; kill -s KILL -- "-$1"; rm -rf -- "$2"'  # runs if we are killed; Python ends with the emulator
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


class LambdaRuntimeError(Exception):
    """The runtime is not installed, did not start or did not respond. One sentence."""


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation. Times are those of this machine at full speed."""

    result: Any
    error: str  # "TypeName: message", or ""
    wall_ms: float  # of the first call: with the start
    cpu_ms: float  # user and system, all threads, since the previous call; of the first call: with the start


class LambdaRuntime:
    """A function's container that runs while the block does."""

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
        """`package` is the folder of the unpacked zip, `environment` the function's own variables."""
        self._package, self._handler, self._environment = package.resolve(), handler, environment or {}
        self._memory_mb, self._timeout_s, self._function = memory_mb, timeout_s, function
        self._python, self._emulator = python, emulator
        self._lines: list[str] = []
        self._start_reported = threading.Event()
        self._pid = 0
        self._cpu_ms = 0.0
        self.init_ms = 0.0  # from the start of Python to its first request for an event; 0 before the first call
        self.init_cpu_ms = 0.0
        self.peak_mb = 0.0  # peak memory of the function's process, in MB of 2^20 bytes

    def __enter__(self) -> Self:
        """Start the emulator; Python starts with the first invocation.

        Raises:
            LambdaRuntimeError: it is not installed or does not listen.
        """
        if not (self._emulator.exists() and self._python.exists()):
            raise LambdaRuntimeError("AWS's runtime is not installed; run python3 -m workbench.bootstrap runtime")
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
            ["/bin/sh", "-c", _CLEAN_UP, "sh", str(self._process.pid), str(self._folder)],
            stdin=subprocess.PIPE,  # closes when we end
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not wait_until(self._listens, READY_S, pause_s=0.002):
            self._end()
            raise LambdaRuntimeError(f"the runtime interface emulator did not listen within {READY_S:g} s: {self._last_line()}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Kill it and the function."""
        self._end()

    def invoke(self, payload: Any) -> Call:
        """Invoke the function. `payload` is JSON as bytes, or an object to encode.

        Raises:
            LambdaRuntimeError: it did not respond.
        """
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s + READY_S)
        started = perf_counter()
        try:
            connection.request("POST", _INVOKE, body)
            response = connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            raise LambdaRuntimeError(f"the function did not respond ({type(error).__name__}): {self._last_line()}") from error
        finally:
            connection.close()
        wall_ms = (perf_counter() - started) * 1e3
        self._start_reported.wait(READY_S)  # the emulator prints its report before it responds; another thread reads it
        return Call(*_parse(response), wall_ms, self._measure())

    @property
    def output(self) -> list[str]:
        """The function's output lines."""
        return list(self._lines)

    def _variables(self) -> dict[str, str]:
        """Lambda's environment variables, and temporary folders for HOME and TMPDIR."""
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
        """Read the output. When the start has ended, measure its CPU time."""
        for line in self._process.stdout or ():
            if match := _INIT.search(line):
                self.init_ms, self.init_cpu_ms = float(match[1]), _cpu_ms(_child_of(self._process.pid))
                self._start_reported.set()
            elif not _EMULATOR_LINE.search(line):
                self._lines.append(line.decode(errors="replace").rstrip("\n"))

    def _measure(self) -> float:
        """The CPU time since the previous call. After a crash or a timeout the emulator starts another process."""
        pid = _child_of(self._process.pid)
        if pid != self._pid:
            self._pid, self._cpu_ms = pid, 0.0
        with contextlib.suppress(OSError):
            if match := _PEAK.search(Path(f"/proc/{pid}/status").read_text()):
                self.peak_mb = max(self.peak_mb, int(match[1]) / 1024)
        before, self._cpu_ms = self._cpu_ms, _cpu_ms(pid)
        return max(0.0, self._cpu_ms - before)

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise LambdaRuntimeError(f"the runtime interface emulator ended: {self._last_line()}")
        probe = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        with contextlib.suppress(OSError):
            probe.connect()
            probe.close()
            return True
        return False

    def _last_line(self) -> str:
        return next((line for line in reversed(self._lines) if line.strip()), "no output")

    def _end(self) -> None:
        self._watcher.kill()
        self._watcher.wait()
        if self._watcher.stdin:
            self._watcher.stdin.close()
        child = _child_of(self._process.pid)
        for group in (child, self._process.pid):  # the emulator runs Python in its own process group
            with contextlib.suppress(ProcessLookupError):
                if group:
                    os.killpg(group, signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=READY_S)
        if self._process.stdout:
            self._process.stdout.close()
        remove_folder(self._folder)


def _child_of(pid: int) -> int:
    """The only child process, whichever thread started it; 0 if there is none."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            if children := (task / "children").read_text().split():
                return int(children[0])
    return 0


def _cpu_ms(pid: int) -> float:
    """User and system time of a process, all threads, to the nanosecond; 0 if it has ended."""
    with contextlib.suppress(OSError):
        return clock_gettime((~pid << 3) | 2) * 1e3 if pid else 0.0  # a process's clock: linux/posix-timers.h
    return 0.0


def _parse(response: bytes) -> tuple[Any, str]:
    """The result and the error. A failed function returns an object with its error."""
    try:
        result = json.loads(response) if response else None
    except ValueError:  # the emulator's own message, for example "Task timed out after 1.00 seconds"
        return None, response.decode(errors="replace").strip()
    if isinstance(result, dict) and "errorMessage" in result:
        return None, f"{result.get('errorType', 'Error')}: {result['errorMessage']}"
    return result, ""
