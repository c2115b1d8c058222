"""Takes the leases of the shards that a sweep reads, so that no other sweep reads them at the same time."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field

from ...platform.clock import Clock
from ...store.queues import Lease, Queues

LEASE = timedelta(seconds=70)  # longer than a sweep sends, and over soon after the next one starts if the holder died
WAIT = timedelta(seconds=12)  # for a lease that is about to end
GIVE_WAY = timedelta(seconds=3)  # after that, a temporary sweep has noticed that it must stop, and has stopped
_POLL = timedelta(seconds=1)


class Leases(Struct, eq=False):
    """The leases of one sweep."""

    queues: Queues
    clock: Clock
    pause: Callable[[float], None]
    holder: str
    is_temporary: bool
    held: dict[int, Lease] = field(default_factory=dict)

    def acquire(self, shards: Iterable[int], others: Mapping[int, Lease], deadline: datetime) -> bool:
        """Take the leases of these shards, waiting for those that are about to end; returns whether it waited.

        A sweep of the schedule takes them from a temporary sweep, and waits until that has noticed.
        """
        waiting, took_over, waited = [], False, False
        for shard in shards:
            other = others.get(shard)
            if other is None or other.until <= self.clock():
                self._take(shard)
            elif other.is_temporary and not self.is_temporary:
                took_over = self._take(shard) or took_over
            elif other.until - self.clock() <= WAIT:
                waiting.append(shard)
        while waiting and self.clock() < deadline:
            waited = True
            self.pause(_POLL.total_seconds())
            waiting = [shard for shard in waiting if not self._take(shard) and others[shard].until >= self.clock()]
        if took_over:
            self.pause(GIVE_WAY.total_seconds())
        return waited or took_over

    def keep(self, current: Mapping[int, Lease]) -> bool:
        """Give up the shards that another sweep has taken; returns whether any was."""
        lost = [shard for shard in self.held if shard in current and current[shard].holder != self.holder]
        for shard in lost:
            del self.held[shard]
        return bool(lost)

    def release(self) -> None:
        """Release all leases."""
        for lease in self.held.values():
            self.queues.release(lease, self.clock())
        self.held.clear()

    def _take(self, shard: int) -> bool:
        now = self.clock()
        lease = Lease(shard, self.holder, now + LEASE, self.is_temporary)
        if self.queues.acquire(lease, now):
            self.held[shard] = lease
            return True
        return False
