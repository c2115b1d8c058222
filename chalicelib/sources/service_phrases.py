"""What an event of a service says, in plain words: what its describer is given, and what it gives."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct, field

LONGEST_REASON = 160  # letters


class Description(Struct, frozen=True):
    """What an event says. `page` is the path of the AWS console's page, in the event's region."""

    subject: str
    says: str
    facts: Mapping[str, str] = field(default_factory=dict)  # the empty ones are not shown
    page: str = ""
    bad: bool = False  # something failed, or is about to


class About(Struct, frozen=True):
    """What a describer is given."""

    type: str
    detail: Mapping[str, Any]
    resources: Sequence[str]
    region: str
    account: str

    def text(self, *path: str) -> str:
        """A field of the detail as text; "" where there is none, or no single value."""
        value: Any = self.detail
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def cut(text: str, most: int = LONGEST_REASON) -> str:
    """The beginning of a text, on one line."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def last_of(arn: str) -> str:
    """The last part of an ARN or a path: the name of what it is of."""
    return arn.replace("/", ":").rpartition(":")[2]


def because(what: str, reason: str) -> str:
    """What happened, and why, where that is known."""
    return f"{what}: {cut(reason).rstrip('.')}" if reason else what


def word(state: str) -> str:
    """FAILED as people write it: failed; TIMED_OUT: timed out."""
    return state.replace("_", " ").lower()


def is_bad(state: str) -> bool:
    """Whether the name of a state says that something did not go well."""
    return any(word in state.upper() for word in ("FAIL", "TIME", "ABORT", "ERROR", "FAULT", "EXPIRED"))


def quoted(text: str) -> str:
    """A name as part of a URL."""
    return quote(text, safe="")
