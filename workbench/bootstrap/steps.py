"""The building blocks of set-up: run programs with log files, show progress, remember completed steps.

Imports only the standard library, because it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

TYPE_CHECKING = False  # set-up does not import typing, to start faster
if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = re.compile(
    r"NewConnectionError|name resolution|getaddrinfo|Network is unreachable"
    r"|ConnectTimeout|ProxyError|from versions: none"
)


class SetupError(Exception):
    """Set-up failed. One sentence for the user."""


class Progress:
    """Prints a line per step and, on a terminal, a live line with the running steps and their seconds."""

    def __init__(self, write: Callable[[str], object], live: bool) -> None:
        """`live` is true on a terminal, where the last line can be redrawn."""
        self._write, self._live = write, live
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self, step: str) -> None:
        """Announce a step."""
        with self._lock:
            self._running[step] = time.monotonic()
            if not self._live:
                self._write(f"set-up: {step} ...\n")

    def done(self, step: str) -> None:
        """Report a completed step and how long it took."""
        with self._lock:
            seconds = time.monotonic() - self._running.pop(step)
            self._write(f"{self._clear()}set-up: {step}: done in {seconds:.0f} s\n")

    def tick(self) -> None:
        """Redraw the live line, on a terminal."""
        with self._lock:
            if self._live and self._running:
                now = time.monotonic()
                steps = ", ".join(f"{step} {now - since:.0f} s" for step, since in self._running.items())
                self._write(f"{self._clear()}set-up: {steps}"[:120])

    def end(self) -> None:
        """Remove the live line."""
        with self._lock:
            self._write(self._clear())

    def _clear(self) -> str:
        return "\r\x1b[K" if self._live else ""


class Runner:
    """Runs programs in parallel, each with a log file, and can stop them all."""

    def __init__(self, logs: Path) -> None:
        """Create `logs`, the folder for the log files."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._lock = threading.Lock()
        self._stopped = False
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self, step: str, *command: str | Path) -> None:
        """Run one program of a step and wait until it ends.

        Raises:
            SetupError: it failed; the sentence names the log file.
        """
        log = self._logs / f"set-up-{step}.log"
        with log.open("ab") as output:
            output.write(f"$ {' '.join(map(str, command))}\n".encode())
            output.flush()
            with self._lock:
                if self._stopped:
                    raise SetupError("Set-up was stopped.")
                process = subprocess.Popen(
                    [str(part) for part in command],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
                self._processes.append(process)
        if process.wait() == 0:
            return
        logged = log.read_text(errors="replace")
        if NO_NETWORK.search(logged):
            raise SetupError(f"Set-up needs a network connection: pip could not reach the package index (see {shown(log)}).")
        raise SetupError(f"Set-up failed at {step}: {error_line(logged)} (see {shown(log)}).")

    def begin(self, step: str) -> None:
        """Empty the step's log file."""
        (self._logs / f"set-up-{step}.log").write_bytes(b"")

    def stop(self) -> None:
        """Kill every program that is still running."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                if process.poll() is None:
                    process.kill()
        for process in self._processes:
            process.wait()


class Stamps:
    """The digest with which each step was last completed."""

    def __init__(self, file: Path) -> None:
        """`file` is a JSON object, step to digest; it may not exist."""
        self._file = file
        self._lock = threading.Lock()
        try:
            self._stamps: dict[str, str] = json.loads(file.read_text())
        except (OSError, ValueError):
            self._stamps = {}

    def fresh(self, step: str, stamp: str) -> bool:
        """Whether the step was completed with this digest."""
        return self._stamps.get(step) == stamp

    def put(self, **stamps: str) -> None:
        """Record the digests of completed steps. An empty digest marks a step as incomplete."""
        with self._lock:
            self._stamps.update(stamps)
            fresh = self._file.with_suffix(".new")
            fresh.write_text(json.dumps(self._stamps, indent=1))
            fresh.replace(self._file)


def digest(*files: Path) -> str:
    """Identify this Python and the requirement files, with the files they include."""
    hashed = hashlib.sha256(f"{sys.version_info[:3]} {sys.base_prefix}".encode())
    for file in files:
        text = file.read_text()
        hashed.update(text.encode())
        included = re.findall(r"^-r (\S+)", text, flags=re.MULTILINE)
        hashed.update(digest(*(file.parent / name for name in included)).encode() if included else b"")
    return hashed.hexdigest()


def shown(path: Path) -> str:
    """The path relative to the project's folder, where it is below it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def error_line(text: str) -> str:
    """The last line of a log that starts with "error", else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["no output"])[-1].rstrip(".")
