"""What describers of bus events take and return, and the phrases they share."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct, field

MAX_REASON_LENGTH = 160  # characters


class Description(Struct, frozen=True):
    """An event described for people. `page` is the path of its page in the AWS console, in the event's region."""

    subject: str
    says: str
    facts: Mapping[str, str] = field(default_factory=dict)  # empty ones are not shown
    page: str = ""
    is_problem: bool = False  # something failed, or is about to


class EventFields(Struct, frozen=True):
    """The parts of a bus event that a describer needs."""

    type: str
    detail: Mapping[str, Any]
    resources: Sequence[str]
    region: str
    account: str

    def text(self, *path: str) -> str:
        """A field of the detail as text; "" if it is missing or not a single value."""
        value: Any = self.detail
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def truncate(text: str, max_length: int = MAX_REASON_LENGTH) -> str:
    """The beginning of a text, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def last_segment(arn: str) -> str:
    """The last part of an ARN or a path: the resource's name."""
    return arn.replace("/", ":").rpartition(":")[2]


def with_reason(text: str, reason: str) -> str:
    """What happened, and why, if that is known."""
    return f"{text}: {truncate(reason).rstrip('.')}" if reason else text


def readable(state: str) -> str:
    """A state as people write it: failed for FAILED, timed out for TIMED_OUT."""
    return state.replace("_", " ").lower()


def is_failure(state: str) -> bool:
    """Whether the name of a state means that something failed."""
    return any(word in state.upper() for word in ("FAIL", "TIME", "ABORT", "ERROR", "FAULT", "EXPIRED"))


def url_quote(text: str) -> str:
    """A name as part of a URL."""
    return quote(text, safe="")
