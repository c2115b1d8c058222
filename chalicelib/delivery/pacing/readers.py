"""Reads the queues lazily, a page at a time, and decides whose turn it is: urgent ones first, then one row of each in turn."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from ...domain.bundle import Bundle
from ...domain.delivery import Delivery
from ...domain.people import Channel
from ...policy.pacing.pacer import Pacer
from ...policy.pacing.queue import WAITING_STATES, Queue
from ...store.queues import Cursor, Queues

LOOK_INTERVAL = timedelta(seconds=2)  # how often new queues and new rows of an empty queue are searched for
Sort = Callable[[Delivery], bool]  # handles a row that needs no slot, and returns whether it needs one


class Reader(Struct, eq=False):
    """The due rows of some shards of a queue, oldest first."""

    queues: Queues
    queue: Queue
    shards: tuple[int, ...]
    rows: deque[Delivery] = field(default_factory=deque)
    cursors: dict[int, Cursor | None] = field(default_factory=dict)
    looked_at: datetime | None = None  # when it was found to be empty
    is_deep: bool = False  # the last page was full: there is more

    def fill(self, now: datetime, size: int, needs_slot: Sort) -> bool:
        """Read the next page if there are no rows; returns whether anything was read."""
        if self.rows or (self.looked_at is not None and timedelta(0) <= now - self.looked_at < LOOK_INTERVAL):
            return False
        limit = max(1, -(-size // max(1, len(self.shards))))
        page: list[Delivery] = []
        was_read = self.is_deep = False
        for shard in self.shards:
            before = self.cursors.get(shard)
            rows, after = self.queues.page(self.queue.id, shard, now, limit, before)
            self.cursors[shard] = after
            was_read = was_read or after != before
            self.is_deep = self.is_deep or len(rows) == limit
            page += rows
        self.looked_at = None if was_read else now
        self.rows.extend(sorted(filter(needs_slot, page), key=lambda row: row.due_at or now))
        return was_read

    def restrict(self, shards: Iterable[int]) -> None:
        """Read only these shards from now on; what was read of others is read again by another sweep."""
        self.shards = tuple(shards)
        self.rows.clear()
        self.cursors.clear()
        self.looked_at, self.is_deep = None, False


class EarlierRows(Struct, eq=False):
    """The waiting rows of one channel that an earlier version wrote into the shards without a queue."""

    source: Iterator[Delivery | Bundle]
    channel: Channel
    rows: deque[Delivery] = field(default_factory=deque)
    is_deep: bool = False

    def fill(self, now: datetime, size: int, needs_slot: Sort) -> bool:
        """Read the next rows if there are none."""
        while len(self.rows) < size and (row := next(self.source, None)):
            if isinstance(row, Delivery) and row.channel is self.channel and row.state in WAITING_STATES and needs_slot(row):
                self.rows.append(row)
        return bool(self.rows)

    def restrict(self, shards: Iterable[int]) -> None:
        """They are in no shard of a queue."""


class Lane(Struct, eq=False):
    """The queues of one channel or webhook, and its pacer."""

    name: str
    pacer: Pacer
    urgent: "deque[Reader | EarlierRows]" = field(default_factory=deque)
    normal: "deque[Reader | EarlierRows]" = field(default_factory=deque)
    is_paused: bool = False  # its quota is exhausted
    sent: int = 0

    @property
    def readers(self) -> "list[Reader | EarlierRows]":
        """All readers."""
        return [*self.urgent, *self.normal]

    @property
    def is_deep(self) -> bool:
        """Whether more rows are due than were read."""
        return any(reader.is_deep for reader in self.readers)

    @property
    def has_rows(self) -> bool:
        """Whether a row is ready to be sent."""
        return not self.is_paused and any(reader.rows for reader in self.readers)

    def fill(self, now: datetime, page_seconds: float, needs_slot: Sort) -> bool:
        """Read a page into each empty reader: together about what is sent in that many seconds."""
        readers = self.readers
        size = max(4, round(page_seconds * self.pacer.rate(now) / max(1, len(readers))))
        were_read = [reader.fill(now, size, needs_slot) for reader in readers]
        return any(were_read)

    def next_row(self) -> Delivery | None:
        """Return the row whose turn it is, of those that were read."""
        for readers in (self.urgent, self.normal):
            for _ in range(len(readers)):
                reader = readers[0]
                readers.rotate(-1)
                if reader.rows:
                    return reader.rows.popleft()
        return None
