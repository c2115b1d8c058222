"""HTTP statuses as written in the settings: "200", "2xx", "!5xx" (RFC 9110, 15: the first digit is the class)."""

import re
from collections.abc import Sequence

from ...platform.fields.table import FieldError

_STATUS = re.compile(r"!?([1-5]xx|[1-5]\d\d)")
HINT = 'use for example "200", "2xx", "!5xx" or a list'


def parse(text: str) -> str:
    """Check one status.

    Raises:
        FieldError: it is invalid.
    """
    if not _STATUS.fullmatch(text):
        raise FieldError(f"invalid status {text!r}", HINT)
    return text


def matches(status: int, expected: Sequence[str]) -> bool:
    """Whether a status is expected, and not excluded by "!"."""
    included, excluded = _split(expected)
    return not any(_equals(status, text) for text in excluded) and (
        not included or any(_equals(status, text) for text in included)
    )


def describe(expected: Sequence[str]) -> str:
    """Describe the expected statuses: "200 or 204", "anything but 5xx", "4xx but not 404"."""
    included, excluded = _split(expected)
    if not excluded:
        return _join(included)
    return f"{_join(included)} but not {_join(excluded)}" if included else f"anything but {_join(excluded)}"


def mismatch(status: int, expected: Sequence[str]) -> str:
    """Describe an unexpected status; "" if it is expected."""
    if matches(status, expected):
        return ""
    separator = "; expected" if _split(expected)[1] else ", not"
    return f"returned {status}{separator} {describe(expected)}"


def _equals(status: int, text: str) -> bool:
    return status // 100 == int(text[0]) if text.endswith("xx") else status == int(text)


def _split(expected: Sequence[str]) -> tuple[list[str], list[str]]:
    included = [text for text in expected if not text.startswith("!")]
    return included, [text.removeprefix("!") for text in expected if text.startswith("!")]


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
