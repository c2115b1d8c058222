"""The report of a smoke test, to attach to an issue: no secrets, no addresses, no account."""

import json
import platform
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from chalicelib import __version__

from ...paths import PROJECT

_EMAIL = re.compile(r"[\w.+%-]+@[\w.-]+\.\w+")
_PHONE = re.compile(r"\+\d[\d ()-]{6,18}\d")
_KEY = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")  # IAM user guide, "IAM identifiers"
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")
_TWILIO = re.compile(r"\b(?:AC|SM|MG|SK)[0-9a-fA-F]{32}\b")

State = Literal["running", "ok", "failed", "skipped"]


@dataclass
class Step:
    """One step: its state, and what it printed."""

    title: str
    state: State = "running"
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)


class StepFailed(Exception):
    """A step did not reach its goal. One sentence."""


@dataclass
class Report:
    """What a smoke test did. `print_line` receives every line and its style. `hidden` are texts that must not be in it."""

    print_line: Callable[[str, str], object]
    facts: dict[str, Any]
    hidden: Iterable[str] = ()
    steps: list[Step] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic

    def line(self, text: str, style: str = "") -> None:
        """Print a line, and add it to the current step."""
        self.print_line(text, style)
        if self.steps:
            self.steps[-1].lines.append(text.strip())

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time a step. An error ends it as failed, and propagates."""
        self.print_line(title, "bold")
        self.steps.append(step := Step(title))
        started = self.clock()
        try:
            yield
        except BaseException as error:
            step.state = "failed"
            reason = "stopped by Ctrl-C" if isinstance(error, KeyboardInterrupt) else f"{error}"
            details = str(getattr(error, "tail", ""))
            self.line("\n".join(filter(None, (details, f"  !!  {reason}"))), "red")
            raise
        else:
            step.state = "ok"
        finally:
            step.seconds = round(self.clock() - started, 1)

    def skip(self, title: str) -> None:
        """Record a step that was not run."""
        self.steps.append(Step(title, "skipped"))

    @property
    def passed(self) -> bool:
        """Whether every step ended well."""
        return bool(self.steps) and all(step.state == "ok" for step in self.steps)

    def as_dict(self) -> dict[str, Any]:
        """The report, without anything that identifies people, the account or its secrets."""
        versions = {name: version(name) for name in ("boto3", "botocore", "chalice")}
        system = {"dropnote": __version__, "python": platform.python_version(), "system": platform.system(), **versions}
        steps = [asdict(step) for step in self.steps]
        report = {"result": "passed" if self.passed else "failed", **self.facts, "versions": system, "steps": steps}
        cleaned: dict[str, Any] = json.loads(redact(json.dumps(report, ensure_ascii=False), self.hidden))
        return cleaned

    def write(self, file: Path) -> None:
        """Write the report as JSON."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n")


def redact(text: str, hidden: Iterable[str] = ()) -> str:
    """Replace addresses, phone numbers, access keys, account numbers, this machine's folders, and the texts in `hidden`."""
    for secret in sorted(filter(None, hidden), key=len, reverse=True):
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "[hidden]")
    for folder, name in ((str(PROJECT), "[checkout]"), (str(Path.home()), "~")):
        text = text.replace(folder, name) if len(folder) > 1 else text
    for pattern, word in (
        (_EMAIL, "[address]"),
        (_PHONE, "[number]"),
        (_KEY, "[key]"),
        (_TWILIO, "[sid]"),
        (_ACCOUNT, "[account]"),
    ):
        text = pattern.sub(word, text)
    return text
