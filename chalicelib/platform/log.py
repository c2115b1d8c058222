"""One structured line per outcome, as JSON for CloudWatch Logs. Names and ids only: no address, no body, no secret.

Lambda collects standard output. Python's `logging` on top of it would take 1 to 2 % of a warm upload, and its levels, loggers and
handlers have no use here. Source: AWS Lambda developer guide, "Log and monitor Python Lambda functions".
"""

import json
import logging
import sys
from collections.abc import Callable

_encode = json.JSONEncoder(default=str).encode  # json.dumps would create an encoder for each line

writers: list[Callable[[str], object]] = []  # each gets every line, without its end; outside Lambda there are none


def configure() -> None:
    """Write our lines to standard output, and silence libraries that log requests."""
    if _to_stdout not in writers:
        writers.append(_to_stdout)
    logging.getLogger("twilio").setLevel(logging.WARNING)  # at INFO it writes URLs and headers


def info(happened: str, **facts: object) -> None:
    """Log an expected outcome."""
    _write("info", happened, facts)


def warning(happened: str, **facts: object) -> None:
    """Log something that may need attention."""
    _write("warning", happened, facts)


def _write(level: str, happened: str, facts: dict[str, object]) -> None:
    known = {name: fact for name, fact in facts.items() if fact not in (None, "")}
    line = _encode({"level": level, "happened": happened, **known})
    for write in writers:
        write(line)


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")  # one write: lines of several threads do not mix
    sys.stdout.flush()
