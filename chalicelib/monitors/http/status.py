"""Statuses of HTTP as people write them: "200", "2xx", "!5xx" (RFC 9110, 15: the first digit is the class)."""

import re
from collections.abc import Sequence

from ...platform.fields.table import FieldError

_STATUS = re.compile(r"!?([1-5]xx|[1-5]\d\d)")
HINT = 'write "200", "2xx", "!5xx" or a list of them'


def parse(text: str) -> str:
    """Check one.

    Raises:
        Wrong: it is none.
    """
    if not _STATUS.fullmatch(text):
        raise FieldError(f"{text!r} is no status", HINT)
    return text


def fits(status: int, wanted: Sequence[str]) -> bool:
    """Whether a status is one of those wanted, and none of those with "!"."""
    allowed, refused = _sides(wanted)
    return not any(_is(status, each) for each in refused) and (not allowed or any(_is(status, each) for each in allowed))


def words(wanted: Sequence[str]) -> str:
    """What is wanted, in words: "200 or 204", "anything but 5xx", "4xx but not 404"."""
    allowed, refused = _sides(wanted)
    if not refused:
        return _listed(allowed)
    return f"{_listed(allowed)} but not {_listed(refused)}" if allowed else f"anything but {_listed(refused)}"


def wrong(status: int, wanted: Sequence[str]) -> str:
    """What is wrong with a status, in words; "" where nothing is."""
    if fits(status, wanted):
        return ""
    return f"answered {status}; wanted is {words(wanted)}" if _sides(wanted)[1] else f"answered {status}, not {words(wanted)}"


def _is(status: int, each: str) -> bool:
    return status // 100 == int(each[0]) if each.endswith("xx") else status == int(each)


def _sides(wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    return [each for each in wanted if not each.startswith("!")], [each[1:] for each in wanted if each.startswith("!")]


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
