"""Reads one page of the log through index `day`, newest first. A request reads a bounded number of rows, never all."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from ...platform.clock import from_ms, to_ms
from ...store.rows import RETENTION
from .rows import Filter, Row

PAGE = 50  # rows shown
MAX_READ = 500  # rows that a request reads to find them
WINDOW = timedelta(days=7)  # that a request searches: each day is a query per shard, even without rows

Newest = Callable[[datetime, datetime], Iterator[Row]]  # Ledger.newest


class Cursor(Struct, frozen=True):
    """Where a page begins: at a moment, after some rows of the same millisecond."""

    at_ms: int
    skip: int = 0

    def __str__(self) -> str:
        return f"{self.at_ms}.{self.skip}"

    @classmethod
    def parse(cls, text: str) -> "Cursor | None":
        """Read a cursor from an address; None for any other text."""
        at, _, skip = text.partition(".")
        if not (at.isascii() and at.isdigit() and skip.isascii() and skip.isdigit()) or len(at) > 14 or len(skip) > 6:
            return None
        return cls(int(at), int(skip))


class Page(Struct, frozen=True):
    """One page of the log; `next` is where to go on, None at the end. `read_until`: how far back the search went."""

    rows: tuple[Row, ...]
    read_until: datetime
    next: Cursor | None = None


def read_page(
    newest: Newest, accepted: Filter, now: datetime, cursor: Cursor | None = None, *, size: int = PAGE, window: timedelta = WINDOW
) -> Page:
    """Read the next rows that pass the filter, from `cursor` or the newest on. At most `size` rows of the time `window`."""
    cursor = cursor or Cursor(to_ms(now + timedelta(minutes=1)))  # clocks differ
    until = from_ms(cursor.at_ms)
    since, rows, place, count = max(until - window, now - RETENTION), list[Row](), cursor, 0
    skip = cursor.skip
    for row in newest(since, until):
        at_ms = to_ms(row.created_at)
        if skip and at_ms == cursor.at_ms:
            skip -= 1
            continue
        place, count = Cursor(at_ms, place.skip + 1 if at_ms == place.at_ms else 1), count + 1
        if accepted.accepts(row):
            rows.append(row)
        if len(rows) == size or count == MAX_READ:
            return Page(tuple(rows), row.created_at, place)
    more = since > now - RETENTION
    return Page(tuple(rows), since, Cursor(to_ms(since) - 1) if more else None)
