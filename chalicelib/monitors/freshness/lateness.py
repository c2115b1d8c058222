"""Checks that data arrives by its due times: on time, late, missing, empty, incomplete or suspiciously small.

    06:00 due      06:05 warn     07:00 error      07:10 arrives        06:00 due
    not there      warning        error            "70 minutes late"    next due time
    |- one check --|- one check, then one per `every` ---|- no checks --|

The check looks for the latest due time's data until it arrives or the next is due. Data that was due before the monitor existed
is looked for once and never reported as missing.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal
from zlib import crc32
from zoneinfo import ZoneInfo

from msgspec import Struct, ValidationError, convert, field, to_builtins
from msgspec.structs import replace

from ...domain.monitor import CheckResult, ProbeContext
from ...domain.payloads import Level
from ...platform.phrases import duration
from ...policy.calendar import Expectation, next_due, previous_due, wall_time_of
from ...rendering.filters import in_zone
from .objects import too_many_keys
from .requirement import MAX_SIZES, Requirement, Thresholds, total_amount
from .targets import ArrivalQuery, Arrivals, Target

_TICK = timedelta(microseconds=1)
_MINUTE = timedelta(minutes=1)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class LatenessMemory(Struct, frozen=True, omit_defaults=True):
    """What a result passes to the next check: CheckResult.memory."""

    fingerprint: str = field(default="", name="of")  # of the description: memory of another target or schedule is ignored
    since: datetime = _LONG_AGO  # when the monitor started
    due: datetime | None = None  # the due time checked last
    window_start: datetime = field(default=_LONG_AGO, name="begin")  # earlier arrivals belong to an earlier due time
    state: Literal["", "missing", "small"] = ""  # of that due time
    missing_at: datetime | None = None  # the latest check that found it missing
    missed: int = 0  # consecutive due times before it that were missed
    arrived_due: datetime | None = field(default=None, name="arrived")  # the latest due time whose data arrived
    arrived_at: datetime = _LONG_AGO  # and when
    level: Level = Level.OK
    message: str = field(default="", name="said")
    sizes: tuple[float, ...] = ()  # of the latest arrivals, in bytes
    sizes_due: datetime | None = field(default=None, name="sized")  # the due time of the last of them


class LatenessObservation(Struct, frozen=True):
    """What a probe returned."""

    due: datetime
    arrivals: Arrivals = ()
    truncated: bool = False  # not all keys were listed
    window_start: datetime = _LONG_AGO
    already_arrived: bool = False  # known from memory, without a request


class _Fault(Struct, frozen=True):
    """What is wrong with the data of a due time."""

    state: Literal["missing", "small"]
    message: str
    error_message: str = ""  # replaces `message` once it is an error
    value: str = "missing"
    min_level: Level = Level.WARNING
    max_level: Level = Level.ERROR


class LatenessCheck(Struct, frozen=True):
    """A target, its due times and how late it may be."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1

    target: Target
    expect: Expectation
    requirement: Requirement = Requirement()
    grace: Thresholds = Thresholds()
    interval: timedelta = timedelta(minutes=5)  # the monitor's own `every`

    @property
    def description(self) -> str:
        """The target and its due times, in one line. Stored state depends on this text: see LatenessMemory.fingerprint."""
        return f"{self.target.description}, {self.expect}"

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """Due times later than `after`, without end."""
        while True:
            after = next_due(self.expect, after)
            yield after

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Required IAM permissions of the target."""
        return self.target.permissions

    def probe(self, context: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> LatenessObservation:
        """Read the data of the latest due time; no request if it has already arrived.

        Raises:
            ProbeError: the request failed.
        """
        past, due = self._load(memory, now), previous_due(self.expect, now)
        if past.arrived_due == due and not past.state:
            return LatenessObservation(due, already_arrived=True)
        start = past.window_start if past.due == due else max(previous_due(self.expect, due - _TICK), past.arrived_at)
        arrivals, truncated = self.target.probe(context, ArrivalQuery(now, start, (self._local_time(due),)))
        if self.target.needs_time_filter:
            arrivals = tuple((at, amount) for at, amount in arrivals if at > start)
        return LatenessObservation(due, arrivals, truncated, start)

    def evaluate(self, observation: LatenessObservation, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """Compare the arrivals with the requirement, and schedule the next check."""
        due, past = observation.due, self._load(memory, now)
        following = next_due(self.expect, due)
        if observation.already_arrived:
            return _result(past, Level.OK, past.message, next_check_at=following)
        if past.due != due:
            missed = past.missed + 1 if past.state == "missing" else 0
            past = replace(past, due=due, window_start=observation.window_start, state="", missing_at=None, missed=missed)
        arrivals = self.requirement.select(observation.arrivals)
        fault = self._fault(arrivals, observation, past)
        if fault is None:
            return self._arrived(arrivals, observation, past)
        if observation.truncated:
            return CheckResult(Level.UNKNOWN, too_many_keys(self._name(due)), memory=to_builtins(past))
        if due <= past.since:  # due before the monitor existed: not missed
            return _result(past, Level.OK, f"{self._name(following)} is not due yet", next_check_at=following)
        if fault.state == "small":
            past = self._record_arrival(past, arrivals, due)
        past = replace(past, state=fault.state, missing_at=None if fault.state == "small" else now)
        return self._faulty(fault, due, following, now, past)

    def _fault(self, arrivals: Arrivals, observation: LatenessObservation, past: LatenessMemory) -> _Fault | None:
        """Find what is wrong with the arrivals; None if nothing is."""
        due, requirement = observation.due, self.requirement
        name, location = self._name(due), self._location(due)
        if not arrivals and observation.arrivals:
            return _Fault("missing", f"{location} {requirement.arrived} empty; it", value="empty", min_level=Level.ERROR)
        if not arrivals:
            error_message = f"{name} has still not gone out; it" if requirement.outgoing else f"{name} is missing; it"
            return _Fault("missing", f"{name} {requirement.has_not_arrived}; it", error_message)
        violation = requirement.violation(arrivals)
        if violation:
            value = violation.removeprefix("only ").removesuffix(f" {requirement.arrived}")
            return _Fault("missing", f"{violation}: {name}", value=value)
        small = requirement.small_size(arrivals, past.sizes[:-1] if past.sizes_due == due else past.sizes)
        if small:
            message = f"{location} {requirement.arrived}, but is suspiciously small: {small}"
            return _Fault("small", message, value=small.partition(",")[0], max_level=Level.WARNING)
        return None

    def _arrived(self, arrivals: Arrivals, observation: LatenessObservation, past: LatenessMemory) -> CheckResult:
        """The result once the data is complete. It arrived no earlier than the last check that found it missing."""
        due = observation.due
        location, details = self._location(due), self.requirement.details(arrivals)
        if observation.truncated:
            details = f"at least {details}"
        at = max(self.requirement.completed_at(arrivals), past.missing_at or _LONG_AGO)
        late = at - due >= _MINUTE and due > past.since
        message = f"{location} {self.requirement.arrived}"
        if late:
            message += f" {duration(at - due)} late" + (f" ({details})" if details else "")
        elif details:
            message += f", {details}"
        if past.missed:
            message += f"; the previous {'one was' if past.missed == 1 else f'{past.missed} were'} not on time"
        past = replace(self._record_arrival(past, arrivals, due), state="", missed=0)
        since, following = at if late else None, next_due(self.expect, due)
        return _result(past, Level.OK, message, value=details, since=since, next_check_at=following)

    def _faulty(self, fault: _Fault, due: datetime, following: datetime, now: datetime, past: LatenessMemory) -> CheckResult:
        """The result while the data is missing or wrong: its level at this time, and the next check."""
        error = self.grace.error
        changes_at = [due + self.grace.warn, *([] if error is None else [due + error]), max(following, now + _TICK)]
        next_change_at = min(at for at in changes_at if at > now)
        if now < due + self.grace.warn:  # until the grace ends, the level of the previous due time remains
            message = past.message if past.level is not Level.OK else self._message(fault, due, now, past, Level.OK)
            return _result(past, past.level, message, next_check_at=next_change_at)
        level = Level.ERROR if error is not None and now >= due + error else Level.WARNING
        level = min(fault.max_level, max(fault.min_level, level, key=_rank), key=_rank)
        next_check_at = next_change_at if next_change_at < now + self.interval else None
        message = self._message(fault, due, now, past, level)
        return _result(past, level, message, value=fault.value, since=due, next_check_at=next_check_at)

    def _message(self, fault: _Fault, due: datetime, now: datetime, past: LatenessMemory, level: Level) -> str:
        if fault.state == "small":
            return fault.message
        zone = ZoneInfo(wall_time_of(self.expect, due)[1])
        due_text = f"on {in_zone(due, zone.key)}"
        if due.astimezone(zone).date() == now.astimezone(zone).date():
            due_text = f"at {due_text.rpartition(', ')[2]}"
        ago = f", {duration(now - due)} ago" if now - due >= _MINUTE else ""
        in_a_row = f"; {past.missed + 1} missed in a row" if past.missed else ""
        message = fault.error_message if level is Level.ERROR and fault.error_message else fault.message
        return f"{message} was due {due_text}{ago}{in_a_row}"

    def _record_arrival(self, past: LatenessMemory, arrivals: Arrivals, due: datetime) -> LatenessMemory:
        """Remember when the data of a due time arrived, and its size."""
        earlier_sizes = past.sizes[:-1] if past.sizes_due == due else past.sizes
        sizes = (*earlier_sizes, total_amount(arrivals))[-MAX_SIZES:] if self.requirement.counts_files else ()
        return replace(past, arrived_due=due, arrived_at=max(at for at, _ in arrivals), sizes=sizes, sizes_due=due)

    def _local_time(self, due: datetime) -> datetime:
        return wall_time_of(self.expect, due)[0]

    def _name(self, due: datetime) -> str:
        return self.target.name(self._local_time(due))

    def _location(self, due: datetime) -> str:
        return self.target.location(self._local_time(due))

    def _load(self, memory: Mapping[str, Any], now: datetime) -> LatenessMemory:
        """Parse the memory; start a new one if there is none, or if it belongs to another target or schedule."""
        fingerprint = f"{crc32(self.description.encode()):08x}"
        try:
            past = convert(memory, LatenessMemory)
        except ValidationError:
            past = LatenessMemory()
        return past if past.fingerprint == fingerprint else LatenessMemory(fingerprint=fingerprint, since=now)


def _result(past: LatenessMemory, level: Level, message: str, **fields: Any) -> CheckResult:
    return CheckResult(level, message, memory=to_builtins(replace(past, level=level, message=message)), **fields)


def _rank(level: Level) -> int:
    return level.rank
