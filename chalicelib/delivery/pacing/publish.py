"""Publishes in the control item how fast each channel sends and whether it has a backlog, only when that changes."""

from collections.abc import Iterable

from msgspec.structs import replace

from ...policy.controls import ChannelPace
from ...policy.pacing.limits import BACKLOG, has_backlog, is_material, limit_of
from ..deliver import Deliverer
from .hand_over import unrecorded_pace
from .readers import Lane
from .request import SweepRequest


class Publisher:
    """Publishes for one sweep, whose pacers have a `share` of each rate. A sweep that another one started publishes nothing."""

    def __init__(self, deliverer: Deliverer, request: SweepRequest) -> None:
        self._deliverer = deliverer
        self._publishes = not request.shards

    def record_backlog(self, lanes: Iterable[Lane], share: float) -> None:
        """Publish that uploads leave their messages to the sweep, if more is due than was read."""
        now = self._deliverer.clock()
        for lane in lanes if self._publishes else ():
            if lane.is_deep and not has_backlog(self._pace(lane), now + BACKLOG / 2):
                self._record(lane, share, has_more=True)

    def hand_on(self, lanes: Iterable[Lane], share: float) -> None:
        """Publish the rates that this sweep has found for the one that takes over its work."""
        for lane in lanes if self._publishes else ():
            if lane.pacer.lowered:
                self._record(lane, share, has_more=True)

    def end(self, lanes: Iterable[Lane], share: float) -> bool:
        """Publish the rate if it changed, and whether work is left; returns whether a backlog was published until now."""
        had_backlog, now = False, self._deliverer.clock()
        for lane in lanes if self._publishes else ():
            pace = self._pace(lane)
            had = has_backlog(pace, now)
            had_backlog = had_backlog or had
            has_more = (lane.is_deep or lane.has_rows) and not lane.is_paused
            extends = has_more and not has_backlog(pace, now + BACKLOG / 2)
            slowed = lane.pacer.lowered and not (pace and lane.pacer.changed_at == pace.changed_at)  # when is recorded too
            changed = pace is not None and lane.sent > 0 and is_material(pace, lane.pacer.sustained(now) / share)
            if extends or slowed or changed or (had and not has_more):
                self._record(lane, share, has_more=has_more)
        return had_backlog

    def _pace(self, lane: Lane) -> ChannelPace | None:
        return self._deliverer.control.now().paces.get(lane.name)

    def _record(self, lane: Lane, share: float, *, has_more: bool) -> None:
        """Write the pace over the latest one, of which the limit and the pause are others'."""
        now, settings, control = self._deliverer.clock(), self._deliverer.settings, self._deliverer.control
        pace = control.fresh().paces.get(lane.name) or unrecorded_pace(lane.name, settings, now)
        until = now + BACKLOG if has_more else None
        limit, rate = limit_of(lane.name, settings, pace), lane.pacer.sustained(now) / share
        changed_at = lane.pacer.changed_at if lane.pacer.lowered else now
        control.record_pace(lane.name, replace(pace, limit=limit, rate=rate, changed_at=changed_at, backlog_until=until))
