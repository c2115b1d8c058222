"""Reads every log line of a test run, and collects those with a telephone number or an e-mail address.

The lines of this process come from the bot's log. Those of functions in a local environment, with the tracebacks and
warnings of the libraries that they load, are read from CloudWatch Logs before the emulator stops.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.platform import log
from workbench.local.ministack import MiniStack

ADDRESS = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
MESSAGE_ID = re.compile(r"[0-9a-f-]{36}@email\.amazonses\.com")  # a receipt of the emulator's SES
NUMBER = re.compile(r"(?<![\w+])\+\d{7,15}(?!\d)")  # E.164, as the settings have them
# Test numbers are also looked for without their plus. Other digits may be an account, a time or a sequence number.
KNOWN_NUMBERS = re.compile("919812345678|15005550006")
_FUNCTIONS = "/aws/lambda/"


class LogScan:
    """Collects bad lines."""

    def __init__(self) -> None:
        self.lines = 0
        self.found: list[str] = []

    def scan(self, lines: Iterable[str]) -> None:
        """Read lines."""
        for line in lines:
            self.lines += 1
            text = MESSAGE_ID.sub("", line)
            if ADDRESS.search(text) or NUMBER.search(text) or KNOWN_NUMBERS.search(text):
                self.found.append(line)

    def take(self) -> list[str]:
        """The bad lines since the last call."""
        found, self.found = self.found, []
        return found


class LogLines:
    """The bot's log lines: as text, and parsed."""

    def __init__(self) -> None:
        self.text = ""
        self.lines: list[dict[str, Any]] = []

    def write(self, line: str) -> None:
        """Take a line."""
        self.text += f"{line}\n"
        self.lines.append(json.loads(line))

    def of(self, happened: str) -> list[dict[str, Any]]:
        """The lines about one kind of outcome."""
        return [line for line in self.lines if line["happened"] == happened]


@contextmanager
def scanning(scan: LogScan) -> Iterator[None]:
    """Let a scan read the lines of this process, and of every function of every emulator that stops meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "writers", [lambda line: scan.scan([line])])  # no line goes to the output of a test
        patch.setattr(MiniStack, "stop", _reading_first(MiniStack.stop, scan))
        yield


@contextmanager
def writing_to(*writers: Callable[[str], object]) -> Iterator[None]:
    """Give every line of the bot's log to these functions too; afterwards, to those of before only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "writers", [*log.writers, *writers])
        yield


def _reading_first(stop: Callable[[MiniStack], None], scan: LogScan) -> Callable[[MiniStack], None]:
    @wraps(stop)
    def stop_after_reading(ministack: MiniStack) -> None:
        if ministack.pid:
            scan.scan(function_lines(ministack))
        stop(ministack)

    return stop_after_reading


def function_lines(ministack: MiniStack) -> list[str]:
    """The lines that an emulator's functions wrote; [] if it no longer responds."""
    logs: Any = ministack.client("logs")
    try:
        groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=_FUNCTIONS)
        names = [group["logGroupName"] for page in groups for group in page["logGroups"]]
        pages = [page for name in names for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name)]
    except (BotoCoreError, ClientError):
        return []
    return [event["message"] for page in pages for event in page["events"]]
