"""One structured line per outcome, as JSON for CloudWatch Logs. Names and ids only: no address, no body, no secret.

Source of what `configure` switches off: Python's Logging HOWTO, "Optimization".
"""

import json
import logging
import sys

_encode = json.JSONEncoder(default=str).encode  # json.dumps would create an encoder for each line
_logger = logging.getLogger("chalicelib")  # not "dropnote": Chalice formats the logger of the app's name


def configure() -> None:
    """Write our lines to standard output, which Lambda collects, and silence libraries that log requests."""
    if not _logger.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    _logger.propagate = False
    logging._srcfile = None  # no line has its place in the code, thread or process
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.getLogger("twilio").setLevel(logging.WARNING)  # at INFO it writes URLs and headers


def info(happened: str, **facts: object) -> None:
    """Log an expected outcome."""
    _logger.info(_line("info", happened, facts))


def warning(happened: str, **facts: object) -> None:
    """Log something that may need attention."""
    _logger.warning(_line("warning", happened, facts))


def _line(level: str, happened: str, facts: dict[str, object]) -> str:
    known = {name: fact for name, fact in facts.items() if fact not in (None, "")}
    return _encode({"level": level, "happened": happened, **known})
