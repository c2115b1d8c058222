"""Sends the deliveries in the queues at the pace of their providers, for up to a minute.

The leases of the shards are taken only if there is something to send: an idle sweep writes nothing.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from threading import Lock

from ...domain.delivery import Delivery, Reason, State
from ...domain.message import Notice
from ...policy.controls import ChannelPace
from ...policy.pacing.limits import is_paused, limit_of
from ...policy.pacing.pacer import Pacer, record_accepted, slow_down, start_pacer, take_slot
from ...policy.pacing.queue import Queue
from ...rules.recipients import fallback_notice, notice_of_delivery
from ..deliver import SEND_RESERVE, Deliverer, TimeLeft
from .fan_out import parts_for
from .hand_over import BUSY_CACHE_TIME
from .leases import Leases
from .publish import Publisher
from .readers import LOOK_INTERVAL, EarlierRows, Lane, Reader
from .request import StartSweep, SweepRequest
from .workers import Workers

SWEEP_TIME = timedelta(seconds=58)  # from its start: until just before the next one
PAGE_SECONDS = 5.0  # a page holds what is sent in this time
LINGER = timedelta(seconds=30)  # after a backlog: containers know for so long at most that it is over

Advance = Callable[[Delivery, TimeLeft], list[Delivery]]


class QueueSweep:
    """One run over the queues. `advance` makes a delivery's next transition, which may send it."""

    def __init__(
        self, deliverer: Deliverer, advance: Advance, pause: Callable[[float], None], start: StartSweep, workers: Workers
    ) -> None:
        self._deliverer, self._advance, self._pause, self._start = deliverer, advance, pause, start
        self._clock, self._queues, self._workers = deliverer.clock, deliverer.ledger.queues, workers
        self._lanes: dict[str, Lane] = {}
        self._known: dict[str, Reader] = {}
        self._lock = Lock()  # of the pacers, which workers slow down

    def run(self, request: SweepRequest, earlier: list[EarlierRows], started_at: datetime, time_left: TimeLeft) -> None:
        """Send until nothing is left or the time is over; the rest stays due."""
        self._request, self._share, self._time_left = request, request.share, time_left
        self._deadline, self._publisher = started_at + SWEEP_TIME, Publisher(self._deliverer, request)
        self._leases = Leases(self._queues, self._clock, self._pause, self._deliverer.token(), request.temporary)
        if request.temporary and not request.shards:  # until then, uploads that do not know of the backlog still send directly
            self._pause(BUSY_CACHE_TIME.total_seconds())
        self._registry, self._looked_at = self._queues.read(), self._clock()
        all_shards = tuple(range(max((queue.shards for queue in self._registry.queues), default=0)))
        self._add(self._registry.queues, request.shards or all_shards)
        for rows in earlier:
            self._lane(rows.channel).normal.append(rows)
        while self._has_time() and self._fill() and not self._has_rows():
            pass  # these rows needed no slot
        self._workers.finish()
        if self._has_rows():
            self._lease_and_send(request.shards or self._split(all_shards))
        elif self._has_time():
            self._publisher.end(self._lanes.values(), self._share)
            self._forget_unused()

    def _lease_and_send(self, shards: tuple[int, ...]) -> None:
        waited = self._leases.acquire(shards, self._registry.leases, self._deadline)
        try:
            if waited:
                self._restart_pacers()
            if waited or len(self._leases.held) < len(shards):
                self._restrict()
            self._send()
        finally:
            self._leases.release()

    def _split(self, shards: tuple[int, ...]) -> tuple[int, ...]:
        """Start further sweeps if this one is too slow for the allowed rate. Returns this one's part of the shards."""
        sweepers = self._deliverer.settings.bot.sweepers
        mine, *others = parts_for(self._lanes.values(), shards, sweepers, self._clock())
        if others:
            self._split_at, self._share = self._clock(), len(mine) / len(shards)
            for part in others:
                self._start(SweepRequest(part, len(part) / len(shards), self._request.temporary))
            self._restart_pacers()
            for reader in self._known.values():
                reader.restrict(mine)
        return mine

    def _send(self) -> None:
        """Send one row after the other, each in its slot."""
        lingers_until: datetime | None = None
        while self._has_time() and self._has_shards():
            self._look()
            self._fill()
            if lane := min((lane for lane in self._lanes.values() if lane.has_rows), key=_next_slot, default=None):
                self._send_next(lane)
            elif not (self._workers.finish() or self._fill()):
                if not self._others_send():
                    lingers_until = lingers_until or self._drained()
                    if self._clock() >= lingers_until:
                        break
                self._pause(LOOK_INTERVAL.total_seconds())
        self._workers.finish()
        if self._leases.held:
            self._publisher.end(self._lanes.values(), self._share)
        if lingers_until:
            self._forget_unused()

    def _send_next(self, lane: Lane) -> None:
        """Wait for the lane's slot, but not past the next look; then send the row whose turn it is."""
        self._workers.wait_for_one()
        wait = (lane.pacer.next_at - self._clock()).total_seconds()
        if wait > 0:
            self._pause(min(wait, LOOK_INTERVAL.total_seconds()))
            return
        row = lane.next_row()
        if row is None:
            return
        with self._lock:
            _, lane.pacer = take_slot(lane.pacer, self._clock())
        lane.sent += 1
        self._workers.submit(partial(self._attempt, row, lane), row.log_ids)

    def _attempt(self, row: Delivery, lane: Lane) -> list[Delivery]:
        """Send a row, and adapt the lane to how the provider responded."""
        if lane.is_paused or self._time_left() < SEND_RESERVE:
            return []
        advanced = self._advance(row, self._time_left)
        after, now = next((delivery for delivery in advanced if delivery.id == row.id), row), self._clock()
        with self._lock:
            if after.reason is Reason.QUOTA:
                lane.is_paused = True
            elif after.reason is Reason.RATE and after is not row:
                lane.pacer = slow_down(lane.pacer, now, after.due_at)
            elif after.state is State.SENT:
                lane.pacer = record_accepted(lane.pacer, now)
        return advanced

    def _drained(self) -> datetime:
        """All that was due is sent: uploads may send directly again. Returns until when late rows are waited for."""
        had_backlog = self._publisher.end(self._lanes.values(), self._share)
        return self._clock() + (LINGER if had_backlog else timedelta(0))

    def _fill(self) -> bool:
        now = self._clock()
        lanes = [lane for lane in self._lanes.values() if not (lane.is_paused and lane.readers and self._looked_once(lane))]
        were_read = [lane.fill(now, PAGE_SECONDS, partial(self._needs_slot, lane=lane)) for lane in lanes]
        return any(were_read)

    def _looked_once(self, lane: Lane) -> bool:
        """Whether a page of a paused channel was read: one per sweep, for rows that are not sent but expire or fall back."""
        return any(getattr(reader, "cursors", None) for reader in lane.readers)

    def _needs_slot(self, row: Delivery, lane: Lane) -> bool:
        """Whether a row is sent now. Others are looked up, expire, are dropped or deferred, which needs no slot."""
        notice = self._notice_to_send(row)
        if notice and not lane.is_paused:
            return True
        if notice and not self._falls_back(row, notice):
            return False  # it stays due until the channel's pause ends
        self._workers.wait_for_one()
        self._workers.submit(partial(self._advance, row, self._time_left), row.log_ids)
        return False

    def _notice_to_send(self, row: Delivery) -> Notice | None:
        deliverer, now = self._deliverer, self._clock()
        notice = notice_of_delivery(row, deliverer.settings)
        if row.state is State.UNKNOWN or now >= row.expires_at or isinstance(notice, str):
            return None
        if row.reason is not Reason.OPERATOR and (deliverer.recheck_deferral(notice) or deliverer.suppression(notice)):
            return None
        return notice

    def _falls_back(self, row: Delivery, notice: Notice) -> bool:
        """Whether the person's other channel is tried instead."""
        is_time = notice.fallback is not None and self._clock() >= row.created_at + notice.fallback
        return is_time and fallback_notice(notice, self._deliverer.settings) is not None

    def _look(self) -> None:
        """Every few seconds: find new queues, give up shards that another sweep has taken, and publish a backlog."""
        if timedelta(0) <= self._clock() - self._looked_at < LOOK_INTERVAL:
            return
        self._looked_at = self._clock()
        self._registry = registry = self._queues.read()
        if self._leases.keep(registry.leases):
            self._publisher.hand_on(self._lanes.values(), self._share)
            self._restrict()
        self._add(registry.queues, tuple(self._leases.held))
        if self._share < 1 and not self._request.shards and not self._others_send() and self._clock() > self._split_at + LINGER:
            self._share = 1.0  # the others have finished
            self._restart_pacers()
        self._publisher.record_backlog(self._lanes.values(), self._share)

    def _add(self, queues: tuple[Queue, ...], shards: tuple[int, ...]) -> None:
        for queue in queues:
            if queue.id not in self._known:
                self._known[queue.id] = reader = Reader(self._queues, queue, shards)
                lane = self._lane(queue.lane)
                (lane.urgent if queue.urgent else lane.normal).append(reader)

    def _lane(self, name: str) -> Lane:
        if name not in self._lanes:
            recorded, now = self._deliverer.control.now().paces.get(name), self._clock()
            self._lanes[name] = Lane(name, self._new_pacer(name, recorded), is_paused=is_paused(recorded, now))
        return self._lanes[name]

    def _new_pacer(self, lane: str, recorded: ChannelPace | None) -> Pacer:
        limit = limit_of(lane, self._deliverer.settings, recorded)
        return start_pacer(limit, recorded, self._clock(), self._share)

    def _restart_pacers(self) -> None:
        """Continue at the rate that another sweep has found, and with this sweep's share of it."""
        paces = self._deliverer.control.fresh().paces
        for lane in self._lanes.values():
            lane.pacer = self._new_pacer(lane.name, paces.get(lane.name))

    def _restrict(self) -> None:
        for reader in self._known.values():
            reader.restrict(self._leases.held)

    def _forget_unused(self) -> None:
        for reader in self._known.values():
            if not self._request.shards:
                self._queues.forget(reader.queue, self._clock())

    def _has_time(self) -> bool:
        return self._clock() < self._deadline and self._time_left() >= SEND_RESERVE

    def _has_rows(self) -> bool:
        return any(lane.has_rows for lane in self._lanes.values())

    def _others_send(self) -> bool:
        """Whether another sweep is sending rows of other shards: until it has finished, uploads must not send directly."""
        held, now = self._leases.held, self._clock()
        return any(lease.until > now for shard, lease in self._registry.leases.items() if shard not in held)

    def _has_shards(self) -> bool:
        readers = (reader for lane in self._lanes.values() for reader in lane.normal)
        return bool(self._leases.held) or any(isinstance(reader, EarlierRows) for reader in readers)


def _next_slot(lane: Lane) -> datetime:
    return lane.pacer.next_at
