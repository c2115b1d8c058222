"""Decides in the upload path whether a message is sent directly or left to the sweep, which sends at the provider's pace.

A container that is throttled leaves its next messages to the sweep, and records the backlog for the other containers.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from ...channels.limits import QUOTA_RETRY
from ...domain.delivery import DeliveryError, Reason
from ...domain.event import Kind
from ...domain.message import Notice
from ...domain.settings import Settings
from ...platform import log
from ...policy.controls import ChannelPace, Controls
from ...policy.pacing.limits import BACKLOG, has_backlog, is_paused, limit_of
from ...policy.pacing.pacer import HEADROOM
from ...policy.pacing.queue import is_urgent
from ...store.control import Control

REMEMBER = timedelta(minutes=1)  # after that, this container has read the control item, which has the sweep's backlog
# In a burst, containers must soon know that the first of them has handed over. One read in 3 s is little for a busy container.
BUSY, BUSY_CACHE_TIME = timedelta(seconds=2), timedelta(seconds=3)


def start_no_sweep() -> None:
    """Leave the start of the next sweep to the schedule."""


class HandOver(Struct, eq=False):
    """What one container remembers. `start_sweep` starts a sweep before the schedule does."""

    start_sweep: Callable[[], None] = start_no_sweep
    throttled_at: dict[tuple[str, bool], datetime] = field(default_factory=dict)  # by lane and urgency
    recorded_at: dict[str, datetime] = field(default_factory=dict)
    seen_at: dict[str, datetime] = field(default_factory=dict)

    def must_wait(self, notice: Notice, control: Control, now: datetime) -> bool:
        """Whether a new message is left to the sweep.

        Urgent messages are tried directly although there is a backlog, unless an urgent one has just been throttled.
        """
        if notice.event.kind is Kind.TEST:
            return False
        lane = notice.recipient.lane
        is_busy = timedelta(0) <= now - self.seen_at.get(lane, now - BUSY) < BUSY
        self.seen_at[lane] = now
        pace = (control.now(BUSY_CACHE_TIME) if is_busy else control.now()).paces.get(lane)
        if is_paused(pace, now) or self._was_throttled(lane, True, now):
            return True
        return not is_urgent(notice.event) and (has_backlog(pace, now) or self._was_throttled(lane, False, now))

    def record_throttle(self, notice: Notice, settings: Settings, control: Control, now: datetime) -> None:
        """Remember that the provider throttled. The first container to notice records the backlog and starts a sweep."""
        lane = notice.recipient.lane
        self.throttled_at[lane, is_urgent(notice.event)] = now
        recorded_at = self.recorded_at.get(lane)
        if recorded_at is not None and now - recorded_at < REMEMBER:
            return
        self.recorded_at[lane] = now
        pace = control.fresh().paces.get(lane)
        if has_backlog(pace, now):
            return
        pace = pace or unrecorded_pace(lane, settings, now)
        control.record_pace(lane, replace(pace, backlog_until=now + BACKLOG))
        log.info("handed-over", channel=lane, **notice.log_ids)
        self.start_sweep()

    def check_pause(self, notice: Notice, controls: Controls, now: datetime) -> None:
        """Check that a channel is not paused; tests are always sent.

        Raises:
            DeliveryError: it is paused.
        """
        pace = controls.paces.get(notice.recipient.lane)
        if notice.event.kind is not Kind.TEST and is_paused(pace, now):
            raise DeliveryError(Reason.QUOTA, "the provider's quota is exhausted")

    def _was_throttled(self, lane: str, urgent: bool, now: datetime) -> bool:
        at = self.throttled_at.get((lane, urgent))
        return at is not None and timedelta(0) <= now - at < REMEMBER


def pause(lane: str, error: DeliveryError, settings: Settings, control: Control, now: datetime) -> datetime | None:
    """Record that a channel's quota is exhausted, and until when; None if that is known already."""
    pace = control.now().paces.get(lane)
    if is_paused(pace, now):
        return None
    until = now + (error.retry_after or QUOTA_RETRY)
    pace = control.fresh().paces.get(lane) or unrecorded_pace(lane, settings, now)
    control.record_pace(lane, replace(pace, paused_until=until))
    log.warning("paused", channel=lane, until=f"{until:%Y-%m-%dT%H:%M:%SZ}")
    return until


def unrecorded_pace(lane: str, settings: Settings, now: datetime) -> ChannelPace:
    """Return the pace of a channel that has none in the control item."""
    limit = limit_of(lane, settings, None)
    return ChannelPace(limit, limit * HEADROOM, now)
