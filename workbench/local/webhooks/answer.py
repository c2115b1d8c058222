"""What a double answers, and the error that ends the check of a request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LINKS = ("https://", "http://127.0.0.1:")  # what messages may link to; the second: the local stage's own pages


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its status, its body (JSON, or a text) and more headers."""

    status: int
    body: object = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Rejected(Exception):
    """The service rejects the request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(str(answer.body))
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Call:
    """A request: path and query of its URL (without the host), headers and body."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


def units(text: str) -> int:
    """The length of a text as the strictest reading of a limit counts it: in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def unknown_keys(value: Mapping[str, object], known: Iterable[str]) -> list[str]:
    """The keys of an object that its documentation does not have."""
    return sorted(set(value) - set(known))
