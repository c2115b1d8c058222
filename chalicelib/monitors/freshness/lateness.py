"""Is it there in time? What a look at arrivals amounts to: on time, late, missing, empty, too few, suspiciously small.

    06:00 due      06:05 warn     07:00 error      08:10 it comes       the next 06:00
    not there      warning        error            "70 minutes late"    the next one is looked for
    |- one look ---|- one look, then each `every` -|- no look at all ---|

The moment that was due last is the one looked at, until it is there or the next is due. What came due before the monitor
watched is looked at once and never missed.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal
from zlib import crc32
from zoneinfo import ZoneInfo

from msgspec import Struct, ValidationError, convert, to_builtins
from msgspec.structs import replace

from ...domain.monitor import CheckResult, ProbeContext
from ...domain.payloads import Level
from ...platform.phrases import rough_duration
from ...policy.calendar import Expectation, next_due, previous_due, wall_of
from ...rendering.filters import in_zone
from .arrivals import Ask, Target, Things, too_many
from .demand import LATELY, Demand, Patience, together

_TICK = timedelta(microseconds=1)
_A_MINUTE = timedelta(minutes=1)
_EARLY = datetime(1970, 1, 1, tzinfo=UTC)


class Memory(Struct, frozen=True, omit_defaults=True):
    """What a judgement leaves for the next."""

    of: str = ""  # what was watched: of anything else all this is void
    since: datetime = _EARLY  # it watches
    due: datetime | None = None  # the moment looked at last
    begin: datetime = _EARLY  # what came before it is not that moment's
    state: Literal["", "missing", "small"] = ""  # how that one stands
    missing_at: datetime | None = None  # it was looked at then, and not there
    missed: int = 0  # so many in a row before it did not come
    arrived: datetime | None = None  # the due moment whose things came last
    arrived_at: datetime = _EARLY  # and when they did
    level: Level = Level.OK
    said: str = ""
    sizes: tuple[float, ...] = ()  # of the last arrivals, in bytes
    sized: datetime | None = None  # the due moment of the last of them


class Seen(Struct, frozen=True):
    """What a look saw."""

    due: datetime
    things: Things = ()
    cut: bool = False  # there is more than was looked through
    begin: datetime = _EARLY
    known: bool = False  # it had come already; nobody was asked


class _Fault(Struct, frozen=True):
    """What is wrong with what was due."""

    state: Literal["missing", "small"]
    says: str  # before the grace for an error is over
    says_then: str = ""  # after it, where that is said otherwise
    value: str = "missing"
    least: Level = Level.WARNING
    most: Level = Level.ERROR


class Freshness(Struct, frozen=True):
    """What is to be there at times that are due."""

    every: ClassVar[timedelta] = timedelta(minutes=5)
    failures: ClassVar[int] = 1
    recoveries: ClassVar[int] = 1

    target: Target
    expect: Expectation
    demand: Demand = Demand()
    grace: Patience = Patience()
    pace: timedelta = timedelta(minutes=5)  # the monitor's own `every`

    @property
    def what(self) -> str:
        """What it looks at and expects, in one line."""
        return f"{self.target.what}, {self.expect}"

    def upcoming(self, after: datetime) -> Iterator[datetime]:
        """The moments at which something is due, later than `after`, without end."""
        while True:
            after = next_due(self.expect, after)
            yield after

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow it."""
        return self.target.permissions

    def probe(self, reach: ProbeContext, now: datetime, memory: Mapping[str, Any]) -> Seen:
        """List, or get, what was due last. What has come already is not looked at again.

        Raises:
            Unreadable: AWS does not say.
        """
        past, due = self._past(memory, now), previous_due(self.expect, now)
        if past.arrived == due and not past.state:
            return Seen(due, known=True)
        begin = past.begin if past.due == due else max(previous_due(self.expect, due - _TICK), past.arrived_at)
        things, cut = self.target.probe(reach, Ask(now, begin, (wall_of(self.expect, due)[0],)))
        if self.target.windowed:
            things = tuple(each for each in things if each[0] > begin)
        return Seen(due, things, cut, begin)

    def evaluate(self, seen: Seen, now: datetime, memory: Mapping[str, Any]) -> CheckResult:
        """What a look amounts to, and when to look next."""
        due, past = seen.due, self._past(memory, now)
        then = next_due(self.expect, due)
        if seen.known:
            return _result(past, Level.OK, past.said, look_at=then)
        if past.due != due:
            missed = past.missed + 1 if past.state == "missing" else 0
            past = replace(past, due=due, begin=seen.begin, state="", missing_at=None, missed=missed)
        things = self.demand.counting(seen.things)
        fault = self._fault(things, seen, past)
        if fault is None:
            return self._arrived(things, seen, past)
        if seen.cut:
            return CheckResult(Level.UNKNOWN, too_many(self._name(due)), memory=to_builtins(past))
        if due <= past.since:  # what was due before it watched is not missed
            return _result(past, Level.OK, f"{self._name(then)} is not due yet", look_at=then)
        if fault.state == "small":
            past = self._came(past, things, due)
        past = replace(past, state=fault.state, missing_at=None if fault.state == "small" else now)
        return self._late(fault, due, then, now, past)

    def _fault(self, things: Things, seen: Seen, past: Memory) -> _Fault | None:
        """What is wrong with what is there; None where nothing is."""
        due = seen.due
        name, there = self._name(due), self.target.place(wall_of(self.expect, due)[0])
        if not things and seen.things:
            return _Fault("missing", f"{there} {self.demand.came} empty: it", value="empty", least=Level.ERROR)
        if not things:
            missing = f"{name} has still not gone out: it" if self.demand.out else f"{name} is missing: it"
            return _Fault("missing", f"{name} {self.demand.not_come}; it", missing)
        lack = self.demand.lacking(things)
        if lack:
            return _Fault("missing", f"{lack}: {name}", value=lack.removeprefix("only ").removesuffix(f" {self.demand.came}"))
        small = self.demand.smallness(things, past.sizes[:-1] if past.sized == due else past.sizes)
        if small:
            says = f"{there} {self.demand.came}, but is suspiciously small: {small}"
            return _Fault("small", says, value=small.partition(",")[0], most=Level.WARNING)
        return None

    def _arrived(self, things: Things, seen: Seen, past: Memory) -> CheckResult:
        due = seen.due
        there, details = self.target.place(wall_of(self.expect, due)[0]), self.demand.details(things)
        if seen.cut:
            details = f"at least {details}"
        at = max(self.demand.whole_at(things), past.missing_at or _EARLY)
        late = at - due >= _A_MINUTE and due > past.since
        if late:
            says = f"{there} {self.demand.came} {rough_duration(at - due)} late" + (f" ({details})" if details else "")
        else:
            says = f"{there} {self.demand.came}" + (f", {details}" if details else "")
        if past.missed:
            says += f"; the {'one' if past.missed == 1 else past.missed} before it did not come in time"
        past = replace(self._came(past, things, due), state="", missed=0)
        return _result(past, Level.OK, says, value=details, since=at if late else None, look_at=next_due(self.expect, due))

    def _late(self, fault: _Fault, due: datetime, then: datetime, now: datetime, past: Memory) -> CheckResult:
        """It is not there as it should be: how bad that is by now, and when to look again."""
        error = self.grace.error
        moments = [due + self.grace.warn, *([] if error is None else [due + error]), max(then, now + _TICK)]
        soonest = min(at for at in moments if at > now)
        if now < due + self.grace.warn:  # what is so of the one before stays so until this one is judged
            says = past.said if past.level is not Level.OK else self._says(fault, due, now, past, Level.OK)
            return _result(past, past.level, says, look_at=soonest)
        level = Level.ERROR if error is not None and now >= due + error else Level.WARNING
        level = min(fault.most, max(fault.least, level, key=_rank), key=_rank)
        look_at = soonest if soonest < now + self.pace else None
        says = self._says(fault, due, now, past, level)
        return _result(past, level, says, value=fault.value, since=due, look_at=look_at)

    def _says(self, fault: _Fault, due: datetime, now: datetime, past: Memory, level: Level) -> str:
        if fault.state == "small":
            return fault.says
        zone = ZoneInfo(wall_of(self.expect, due)[1])
        told = in_zone(due, zone.key)
        if due.astimezone(zone).date() == now.astimezone(zone).date():
            told = told.rpartition(", ")[2]
        ago = f", {rough_duration(now - due)} ago" if now - due >= _A_MINUTE else ""
        row = f"; {past.missed + 1} in a row" if past.missed else ""
        return f"{fault.says_then if level is Level.ERROR and fault.says_then else fault.says} was due {told}{ago}{row}"

    def _came(self, past: Memory, things: Things, due: datetime) -> Memory:
        """Remember an arrival: when, and its size."""
        before = past.sizes[:-1] if past.sized == due else past.sizes
        sizes = (*before, together(things))[-LATELY:] if self.demand.objects else ()
        return replace(past, arrived=due, arrived_at=max(at for at, _ in things), sizes=sizes, sized=due)

    def _name(self, due: datetime) -> str:
        return self.target.name(wall_of(self.expect, due)[0])

    def _past(self, memory: Mapping[str, Any], now: datetime) -> Memory:
        """What the last judgement left, where it is of the same; it watches since now where there is nothing."""
        of = f"{crc32(self.what.encode()):08x}"
        try:
            past = convert(memory, Memory)
        except ValidationError:
            past = Memory()
        return past if past.of == of else Memory(of=of, since=now)


def _result(past: Memory, level: Level, says: str, **more: Any) -> CheckResult:
    return CheckResult(level, says, memory=to_builtins(replace(past, level=level, said=says)), **more)


def _rank(level: Level) -> int:
    return level.rank
