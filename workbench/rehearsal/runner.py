"""Runs the commands of a rehearsal and records facts, printing each as it happens."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

COMMAND_S = 300


class CommandFailed(Exception):
    """A command failed, so the rehearsal cannot continue. One sentence; `tail` is the end of its output."""

    def __init__(self, sentence: str, tail: str = "") -> None:
        super().__init__(sentence)
        self.tail = tail


@dataclass
class Runner:
    """The rehearsal's commands and facts. `print_line` receives every line."""

    folder: Path
    variables: Mapping[str, str]
    print_line: Callable[[str, str], object]  # the line and its style
    facts: int = 0
    failed: list[str] = field(default_factory=list)
    timeout_s: float = COMMAND_S

    def begin(self, stage: str) -> None:
        """Announce the next stage of the rehearsal."""
        self.print_line(stage, "bold")

    def fact(self, description: str, actual: object, expected: object = True) -> None:
        """Record whether a fact holds: the actual value must equal the expected one."""
        self.facts += 1
        if actual == expected:
            self.print_line(f"  ok  {description}", "")
            return
        self.failed.append(description)
        suffix = "" if expected is True else f", expected {_short(expected)}"
        self.print_line(f"  !!  {description}: got {_short(actual)}{suffix}", "red")

    def run(self, *command: str, variables: Mapping[str, str] | None = None, status: int | None = 0) -> str:
        """Run a program of the project's environment in the rehearsed checkout, as a user would. Return its standard output.

        `dropnote` is that checkout's own. `variables` are added to its environment. A status of None accepts any exit code.
        Ctrl-C on a terminal reaches only this process.

        Raises:
            CommandFailed: its exit code was not `status`.
        """
        self.print_line(f"  $ {' '.join(command)}", "dim")
        program = [sys.executable, "-m", "workbench.cli.main"] if command[0] == "dropnote" else [_beside_python(command[0])]
        try:
            result = subprocess.run(
                [*program, *command[1:]],
                cwd=self.folder,
                env={**self.variables, **(variables or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=self.timeout_s,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"`{' '.join(command)}` took longer than {self.timeout_s:g} s") from error
        if status is not None and result.returncode != status:
            lines = f"{result.stdout}{result.stderr}".strip().splitlines()
            output = [line for line in lines if not line.endswith(" …")]  # without the progress
            raise CommandFailed(f"`{' '.join(command)}` exited with code {result.returncode}", "\n".join(output[-25:]))
        return result.stdout


def _beside_python(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} …"
