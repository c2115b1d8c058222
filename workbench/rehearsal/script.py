"""What a rehearsal is made of: commands that must work, and facts that must hold; told as they come."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

COMMAND_S = 300


class Stopped(Exception):
    """A command failed, and what follows would make no sense. One sentence; `tail` is the end of what it wrote."""

    def __init__(self, sentence: str, tail: str = "") -> None:
        super().__init__(sentence)
        self.tail = tail


@dataclass
class Script:
    """The facts so far. `tell` hears of each line."""

    folder: Path
    variables: Mapping[str, str]
    tell: Callable[[str, str], object]  # the line, and a style
    facts: int = 0
    failed: list[str] = field(default_factory=list)

    def act(self, name: str) -> None:
        """A new act begins."""
        self.tell(name, "bold")

    def fact(self, what: str, found: object, wanted: object = True) -> None:
        """Something must hold: what was found must be what was wanted."""
        self.facts += 1
        if found == wanted:
            self.tell(f"  ok  {what}", "")
            return
        self.failed.append(what)
        self.tell(f"  !!  {what}: found {_short(found)}" + ("" if wanted is True else f", wanted {_short(wanted)}"), "red")

    def run(self, *command: str, more: Mapping[str, str] | None = None, status: int = 0) -> str:
        """Run a program of the project's environment in the rehearsed checkout, as a user would; gives its standard output.

        `dropnote` is that checkout's own. `more` is added to its environment.

        Raises:
            Stopped: it ended otherwise than with `status`.
        """
        self.tell(f"  $ {' '.join(command)}", "dim")
        program = [sys.executable, "-m", "workbench.cli.main"] if command[0] == "dropnote" else [_beside_python(command[0])]
        try:
            done = subprocess.run(
                [*program, *command[1:]],
                cwd=self.folder,
                env={**self.variables, **(more or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Stopped(f"`{' '.join(command)}` was not done after {COMMAND_S} s.") from error
        if done.returncode != status:
            wrote = f"{done.stdout}{done.stderr}".strip().splitlines()
            raise Stopped(f"`{' '.join(command)}` ended with {done.returncode}.", "\n".join(wrote[-25:]))
        return done.stdout


def _beside_python(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]} …"
