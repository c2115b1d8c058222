"""The pacer of a channel: evenly spaced slots, fewer of them when the provider throttles, and more again when it stops.

Additive increase, multiplicative decrease (AIMD), as TCP does it (RFC 5681). After a throttled request the rate drops, soon
returns to slightly below what the provider accepted, stays there for a while, and then probes for more, ever faster, as TCP
CUBIC does it (RFC 9438). If a provider's limit fell, about one request in 60 is wasted. Pure: times are passed in.
"""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from ..controls import ChannelPace
from .limits import has_backlog

SECOND = timedelta(seconds=1)
HEADROOM = 0.96  # of the limit: a provider counts per second of its clock, and requests do not arrive as evenly as they are sent
DECREASE = 0.8
RETURN = 0.05  # of the limit, per second: the increase to where it was throttled
PROBE, ACCELERATION = 0.01, 0.004  # of the limit, per second and per second²: the increase from there
HOLD, HELD_MESSAGES, LONGEST_HOLD = 10.0, 60, 60.0  # between the two: seconds, or the time of so many messages
FORGOTTEN = timedelta(minutes=10)  # a lowered rate says nothing about the provider after this time
MEASURED = 3.0  # seconds: what a provider accepts is measured over this time, or that of four messages
MIN_RATE = 0.1  # messages per second
MAX_WAIT = 16 * SECOND  # a provider that throttles everything still gets a few requests a minute
LATE = 0.25  # of the time between two slots: a wait ends a little late, and that must not add up


class Pacer(Struct, frozen=True):
    """How fast one channel's messages are sent by one sender. Rates are messages per second.

    `base` is the rate at `changed_at`; it grows from there to `plateau`, stays there for a while, and then grows to the ceiling.
    """

    limit: float
    base: float
    plateau: float
    changed_at: datetime
    next_at: datetime  # the earliest time of the next slot
    busy_since: datetime  # since when every slot was used
    lowered: tuple[datetime, ...] = ()  # the last three times
    accepted: tuple[datetime, ...] = ()  # when the latest messages were accepted
    refused: int = 0  # throttled requests since a message was last accepted

    @property
    def ceiling(self) -> float:
        """The highest rate."""
        return max(self.limit * HEADROOM, min(MIN_RATE, self.limit))

    def rate(self, now: datetime) -> float:
        """The rate at a time."""
        seconds = max((now - self.changed_at).total_seconds(), 0.0)
        plateau = max(self.plateau, self.base)
        returned = min(self.base + RETURN * self.limit * seconds, plateau)
        probing = max(seconds - _hold(plateau), 0.0)
        return min(returned + self.limit * (PROBE + ACCELERATION * probing) * probing, self.ceiling)

    def sustained(self, now: datetime) -> float:
        """The rate that the provider seems to accept: the one to return to after it throttled."""
        return max(self.rate(now), min(self.plateau, self.ceiling))


def start_pacer(limit: float, recorded: ChannelPace | None, now: datetime, share: float = 1.0) -> Pacer:
    """Return the pacer of a sender that has a share of a limit. It continues at the recorded rate, if that was lowered."""
    limit *= share
    pacer = Pacer(limit, limit, limit, now, now, now)
    if recorded is None:
        return pacer
    if recorded.rate * share < pacer.ceiling and now - recorded.changed_at < FORGOTTEN:
        rate = recorded.rate * share
        since = now - timedelta(seconds=_hold(rate))  # nobody has probed for more since then
        changed_at = min(max(recorded.changed_at, since), now)
        pacer = replace(pacer, base=rate, plateau=rate, changed_at=changed_at, lowered=(changed_at, changed_at))
    if has_backlog(recorded, now):  # another sender has just stopped
        pacer = replace(pacer, next_at=now + SECOND / pacer.rate(now))
    return pacer


def take_slot(pacer: Pacer, now: datetime) -> tuple[datetime, Pacer]:
    """Return when the next message may be sent, and the pacer after it.

    Unused slots are not made up for, except that a slot taken a little late does not delay the next one.
    """
    at = max(now, pacer.next_at)
    spacing = SECOND / pacer.rate(at)
    busy_since = at if at - pacer.next_at > SECOND else pacer.busy_since
    return at, replace(pacer, next_at=max(pacer.next_at, at - LATE * spacing) + spacing, busy_since=busy_since)


def record_accepted(pacer: Pacer, now: datetime) -> Pacer:
    """The provider accepted a message."""
    return replace(pacer, accepted=(*pacer.accepted[-round(5 + MEASURED * pacer.limit) :], now), refused=0)


def slow_down(pacer: Pacer, now: datetime, not_before: datetime | None = None) -> Pacer:
    """The provider throttled: lower the rate, at most once per second, and let the provider's second pass.

    If nothing was accepted since the last throttled request, others use the rate, or there is none: that says nothing about the
    limit, but the waits get longer. `not_before` is the provider's Retry-After.
    """
    is_close = sum(at > now - SECOND for at in pacer.accepted) >= max(pacer.rate(now) / 2, 3)  # its second is nearly over
    wait = SECOND / 2 if is_close else min(SECOND * 2**pacer.refused, MAX_WAIT)
    resumed = replace(pacer, next_at=max(pacer.next_at, now + wait, not_before or now))
    if pacer.lowered and now - pacer.lowered[-1] < SECOND:
        return resumed
    lowered, rate = (*pacer.lowered[-2:], now), pacer.rate(now)
    if pacer.refused:
        return replace(resumed, base=rate, changed_at=now, lowered=lowered, refused=min(pacer.refused + 1, 10))
    reached = _reached(pacer, now, rate)
    base = min(max(DECREASE * reached, MIN_RATE), pacer.ceiling)
    plateau = max(HEADROOM * reached, base)
    return replace(resumed, base=base, plateau=plateau, changed_at=now, lowered=lowered, refused=1)


def _hold(plateau: float) -> float:
    return min(max(HOLD, HELD_MESSAGES / plateau), LONGEST_HOLD)


def _reached(pacer: Pacer, now: datetime, rate: float) -> float:
    """Return the rate at which the provider throttled: what it accepted in the last seconds, if all of them were used.

    Not at the first throttled requests of a sender, and at least half of the rate: for up to half a minute, uploads that do not
    know of its backlog use the rate too.
    """
    seconds = max(MEASURED, 4 / rate)
    since = now - timedelta(seconds=seconds)
    if len(pacer.lowered) < 2 or pacer.busy_since > since:
        return rate
    return min(rate, max(sum(at > since for at in pacer.accepted) / seconds, rate / 2))
