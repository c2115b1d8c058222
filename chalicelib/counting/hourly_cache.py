"""Remembers hours that no longer change, so that a dashboard of a month that updates itself reads only the last two days."""

from datetime import UTC, datetime, timedelta

from ..store.counts.counter_writes import MARK_RETENTION
from ..store.counts.hourly import HourlyRow, HourlyRows

SETTLED_AFTER = MARK_RETENTION + timedelta(hours=1)  # then nothing is counted for an hour any more
_READ_AGAIN = timedelta(days=1)  # forget what is remembered, so that it does not grow


class HourlyCache:
    """The settled hours that one container has read."""

    def __init__(self) -> None:
        self._since = self._until = datetime.max.replace(tzinfo=UTC)
        self._rows: list[HourlyRow] = []

    def hours(self, rows: HourlyRows, since: datetime, now: datetime) -> list[HourlyRow]:
        """Return the hours from `since` on, like HourlyRows.hours; one Query, or two if settled ones are not known yet."""
        settled = (now - SETTLED_AFTER).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if since >= settled:
            return rows.hours(since, now)
        if not (self._since <= since and self._until <= settled < self._until + _READ_AGAIN):
            self._since, self._until, self._rows = since, settled, rows.hours(since, settled)
        return [row for row in self._rows if row.at + timedelta(hours=1) > since] + rows.hours(self._until, now)
