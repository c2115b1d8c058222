"""Monitors: what a check returns, how much it takes to alert, and the state that is stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from msgspec import Struct, field

from .event import Event
from .payloads import Level
from .people import Recipient
from .rule import Rule


class CheckResult(Struct, frozen=True, omit_defaults=True):
    """What one look of a monitor gave."""

    level: Level
    says: str  # what is so; reads on after the monitor's name: "answered 503, not 200"
    value: str = ""  # what was measured, short: "503", "87 %"
    since: datetime | None = None  # since when it is so, where that is known better than by when it was looked at
    look_at: datetime | None = None  # when to look next; None: after the monitor's `every`
    memory: Mapping[str, Any] = field(default_factory=dict)  # what the next look is to know; JSON


class AlertPolicy(Struct, frozen=True):
    """How patient a monitor is."""

    every: timedelta = timedelta(minutes=5)
    failures: int = 1  # results in a row that make it worse
    recoveries: int = 1  # and better
    remind: timedelta | None = None
    urgent: bool = True  # an error waits for nothing


class Incident(Struct, frozen=True, omit_defaults=True):
    """A monitor's open alarm."""

    id: str
    opened_at: datetime
    title: str
    first: Level  # as which it was opened
    worst: Level
    told_at: datetime | None = None  # when people last heard of it
    acked_by: str = ""
    acked_at: datetime | None = None


class MonitorState(Struct, frozen=True, omit_defaults=True):
    """How a monitor stands: a row of the ledger's table, changed only by `step`, `acknowledge` and `delivered`."""

    name: str
    shown: str = ""  # what people call it, where that is another name
    rule: str = ""  # which rule is told of it, where no monitor is: an alarm of the bus
    level: Level = Level.OK
    since: datetime | None = None  # since when it has this level
    told: Level = Level.OK  # what people were told last
    streak: int = 0  # results in a row that say otherwise
    streak_level: Level = Level.OK  # what all of them say at least (or at most, where it gets better)
    streak_since: datetime | None = None
    incident: Incident | None = None
    changes: tuple[datetime, ...] = ()  # of the level, of late
    flapping: bool = False
    flapping_told: bool = False
    result: CheckResult | None = None  # the last one
    checked_at: datetime | None = None
    look_at: datetime | None = None
    notices: int = 0  # told so far: each has a number
    untold: Event | None = None  # is to be delivered; told again it says nothing twice
    version: int = 0

    @property
    def memory(self) -> Mapping[str, Any]:
        """What the last look left for the next."""
        return self.result.memory if self.result else {}


class ProbeError(Exception):
    """What a monitor looks at cannot be read now; the text completes "it cannot be read: …", without a secret."""


class MonitorDefaults(Struct, frozen=True):
    """What monitors take from the rest of the settings."""

    zone: str = "UTC"  # the bot's
    holidays: Mapping[str, tuple[str, ...]] = {}  # the lists of [holidays] by name: "2026-01-26", or each year's "12-25"


class ProbeContext(Struct, eq=False):
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

    def probe(self, reach: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Any:
        """Ask. `memory` is what the last judgement left.

        Raises:
            Unreadable: nobody can say.
        """

    def evaluate(self, seen: Any, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """What a look amounts to. Pure."""

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow it: actions and what they are on: ("s3:ListBucket", "acme-drops"); or "*"."""

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """The moments (UTC) at which something is expected, later than `after`; none where it is only looked at now and then."""


@runtime_checkable
class BatchProbe(Protocol):
    """A kind of check of which many are looked at by few requests."""

    @classmethod
    def probe_all(cls, checks: Sequence[Self], reach: ProbeContext, now: datetime) -> list[Any]:
        """What each of them sees, or the Unreadable that it would raise, in the same order."""


class Monitor(Struct, frozen=True):
    """What is looked at now and then, and who hears when it is not as it should be."""

    name: str
    kind: str
    check: Check
    alert_policy: AlertPolicy
    rule: Rule  # of the same name: who hears, and when
    on_error: tuple[Recipient, ...] = ()  # hear too, of errors
    table: str = ""  # the name of the [[monitors]] table, where that stands for several
