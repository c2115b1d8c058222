"""What set-up is made of: programs run into log files, and progress that a person can follow.

Imports only the standard library: it runs before anything is installed.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from pathlib import Path

TYPE_CHECKING = False  # spares set-up the import of typing
if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = re.compile(
    r"NewConnectionError|name resolution|getaddrinfo|Network is unreachable"
    r"|ConnectTimeout|ProxyError|from versions: none"
)


class SetupError(Exception):
    """One sentence for the person at the keyboard."""


class Progress:
    """Says what is being set up: lines, and on a terminal one more of what runs, with its seconds."""

    def __init__(self, write: Callable[[str], object], live: bool) -> None:
        """`live` is true on a terminal, where the last line may be drawn anew."""
        self._write, self._live = write, live
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()

    def start(self, step: str) -> None:
        """A step begins."""
        with self._lock:
            self._running[step] = time.monotonic()
            if not self._live:
                self._write(f"set-up: {step} ...\n")

    def done(self, step: str) -> None:
        """A step is complete; how long it took is said."""
        with self._lock:
            took = time.monotonic() - self._running.pop(step)
            self._write(f"{self._clear()}set-up: {step}: done in {took:.0f} s\n")

    def tick(self) -> None:
        """Draw the running steps with their seconds, on a terminal."""
        with self._lock:
            if self._live and self._running:
                now = time.monotonic()
                steps = ", ".join(f"{step} {now - since:.0f} s" for step, since in self._running.items())
                self._write(f"{self._clear()}set-up: {steps}"[:120])

    def end(self) -> None:
        """Take the line of running steps away."""
        with self._lock:
            self._write(self._clear())

    def _clear(self) -> str:
        return "\r\x1b[K" if self._live else ""


class Runner:
    """Runs programs into log files, several at a time, and can stop them all."""

    def __init__(self, logs: Path) -> None:
        """`logs` is the folder for the log files; it is made."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._lock = threading.Lock()
        self._stopped = False
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self, step: str, *command: str | Path) -> None:
        """Run one program of a step and wait for it.

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
        said = log.read_text(errors="replace")
        if NO_NETWORK.search(said):
            raise SetupError(f"Set-up needs the network: pip could not reach the package index (see {shown(log)}).")
        raise SetupError(f"Set-up failed at {step}: {last_line(said)} (see {shown(log)}).")

    def begin(self, step: str) -> None:
        """Start the step's log file anew."""
        (self._logs / f"set-up-{step}.log").write_bytes(b"")

    def stop(self) -> None:
        """Stop every program that still runs."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                if process.poll() is None:
                    process.kill()
        for process in self._processes:
            process.wait()


def shown(path: Path) -> str:
    """The path as a person in the project's folder would type it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def last_line(text: str) -> str:
    """The line of a log that says most: the last that calls itself an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["it said nothing"])[-1].rstrip(".")
