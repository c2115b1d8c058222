"""What every kind of monitor is to the watch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from msgspec import Struct

from ..policy.incident import Result


class Unreadable(Exception):
    """What a monitor looks at cannot be read now; the text completes "it cannot be read: …", without a secret."""


class Defaults(Struct, frozen=True):
    """What monitors take from the rest of the settings."""

    zone: str = "UTC"  # the bot's
    holidays: Mapping[str, tuple[str, ...]] = {}  # the lists of [holidays] by name: "2026-01-26", or each year's "12-25"


class Reach(Struct, eq=False):
    """What a look may use: clients of AWS, and how much time is left for all of them."""

    clients: Callable[..., Any]
    time_left: Callable[[], timedelta]


class Check(Protocol):
    """What a monitor looks at, and when it is content: frozen settings of one kind."""

    every: ClassVar[timedelta]  # how often, failures and recoveries in a row: where the settings do not say
    failures: ClassVar[int]
    recoveries: ClassVar[int]

    @property
    def what(self) -> str:
        """What it looks at and expects, in one line: "https://example.com/health answers 2xx"."""

    def look(self, reach: Reach, now: datetime, memory: Mapping[str, Any]) -> Any:
        """Ask. `memory` is what the last judgement left.

        Raises:
            Unreadable: nobody can say.
        """

    def judge(self, seen: Any, now: datetime, memory: Mapping[str, Any]) -> Result:
        """What a look amounts to. Pure."""

    @property
    def asks(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow it: actions and what they are on: ("s3:ListBucket", "acme-drops"); or "*"."""

    def coming(self, after: datetime) -> Iterator[datetime]:
        """The moments (UTC) at which something is expected, later than `after`; none where it is only looked at now and then."""


@runtime_checkable
class Together(Protocol):
    """A kind of check of which many are looked at by few requests."""

    @classmethod
    def look_at_all(cls, checks: Sequence[Self], reach: Reach, now: datetime) -> list[Any]:
        """What each of them sees, or the Unreadable that it would raise, in the same order."""
