"""Monitors: the result of a check, the policy that turns results into alerts, and the state stored between checks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

from msgspec import Struct, field

from .event import Event
from .payloads import Level
from .people import Recipient
from .rule import Rule


class CheckResult(Struct, frozen=True, omit_defaults=True):
    """The result of one check."""

    level: Level
    message: str = field(name="says")  # continues after the monitor's name: "returned 503, not 200"
    value: str = ""  # the measured value, short: "503", "87 %"
    since: datetime | None = None  # start of this condition, if it is not the time of the check
    next_check_at: datetime | None = field(default=None, name="look_at")  # None: after the monitor's `every`
    memory: Mapping[str, Any] = field(default_factory=dict)  # passed to the next check; JSON


class AlertPolicy(Struct, frozen=True):
    """When a monitor's results open, repeat and resolve an incident."""

    every: timedelta = timedelta(minutes=5)
    failures: int = 1  # consecutive results that raise the level
    recoveries: int = 1  # consecutive results that lower it
    remind: timedelta | None = None
    urgent: bool = True  # errors are never deferred


class Incident(Struct, frozen=True, omit_defaults=True):
    """A monitor's open incident."""

    id: str
    opened_at: datetime
    title: str
    first: Level  # when it opened
    worst: Level
    reported_at: datetime | None = field(default=None, name="told_at")  # when people were last notified
    acked_by: str = ""
    acked_at: datetime | None = None
    root: str = ""  # the identity of its first event


class MonitorState(Struct, frozen=True, omit_defaults=True):
    """A monitor's state, one row of the ledger's table. Only `step`, `acknowledge` and `mark_delivered` change it."""

    name: str
    display_name: str = field(default="", name="shown")  # what people call it, if not `name`
    rule: str = ""  # for an EventBridge alarm, which has no monitor: the rule that matched it
    level: Level = Level.OK
    since: datetime | None = None  # start of this level
    reported_level: Level = field(default=Level.OK, name="told")  # the level people were last notified of
    streak: int = 0  # consecutive results that differ from the level
    streak_level: Level = Level.OK  # the mildest level of the streak (the most severe, if it lowers the level)
    streak_since: datetime | None = None
    incident: Incident | None = None
    changes: tuple[datetime, ...] = ()  # recent level changes
    flapping: bool = False
    flapping_reported: bool = field(default=False, name="flapping_told")
    result: CheckResult | None = None  # the latest
    checked_at: datetime | None = None
    next_check_at: datetime | None = field(default=None, name="look_at")
    notices: int = 0  # events created so far; numbers their identities
    pending: Event | None = field(default=None, name="untold")  # to deliver; delivering it twice sends it once
    version: int = 0
    history: tuple[tuple[datetime, Level], ...] = ()  # the latest levels, each with its start

    @property
    def memory(self) -> Mapping[str, Any]:
        """The memory of the latest result."""
        return self.result.memory if self.result else {}


class ProbeError(Exception):
    """The value cannot be read now. The text completes "cannot be read: …" and contains no secret."""


class MonitorDefaults(Struct, frozen=True):
    """The other settings that monitors use."""

    zone: str = "UTC"  # the bot's
    holidays: Mapping[str, tuple[str, ...]] = {}  # the lists in [holidays] by name: "2026-01-26", or "12-25" for every year


class ProbeContext(Struct, eq=False):
    """What a probe may use: a factory of AWS clients, and the time left for all probes."""

    clients: Callable[..., Any]
    time_left: Callable[[], timedelta]


class Check(Protocol):
    """What a monitor checks and expects: frozen settings of one kind."""

    every: ClassVar[timedelta]  # interval, consecutive failures and recoveries if the settings do not set them
    failures: ClassVar[int]
    recoveries: ClassVar[int]

    @property
    def description(self) -> str:
        """What is checked and expected, in one line: "https://example.com/health returns 2xx"."""

    def probe(self, context: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Any:
        """Read the current value. `memory` is from the previous result.

        Raises:
            ProbeError: the value cannot be read.
        """

    def evaluate(self, observation: Any, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Turn what `probe` returned into a result. Pure."""

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Required IAM permissions as action and resource: ("s3:ListBucket", "acme-drops"), or "*" as resource."""

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Due times (UTC) later than `after`; empty if the check has no schedule of its own."""


@runtime_checkable
class BatchProbe(Protocol):
    """A kind of check that probes many monitors with few requests."""

    @classmethod
    def probe_all(cls, checks: Sequence[Self], context: ProbeContext, now: datetime) -> list[Any]:
        """For each check, in order: what `probe` would return, or the ProbeError it would raise."""


class Monitor(Struct, frozen=True):
    """A check with its alert policy and recipients."""

    name: str
    kind: str
    check: Check
    alert_policy: AlertPolicy
    rule: Rule  # of the same name: recipients, and when to notify them
    on_error: tuple[Recipient, ...] = ()  # also notified of errors
    table: str = ""  # name of the [[monitors]] table, which may create several monitors
