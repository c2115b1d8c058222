"""Time: the only place that reads the clock, and milliseconds as the ledger stores them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]  # passed in, so that tests set the time

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970, exact (a float would not be)."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """The time this many milliseconds after 1970, aware, in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
