"""Settled hours are read once; the others each time, and no hour is missing or twice."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.counting.hourly_cache import SETTLED_AFTER, HourlyCache
from chalicelib.store.counts.hourly import HourlyRow
from tests.support.builders import NOON

HOUR = timedelta(hours=1)


class Rows:
    """Every hour has a row; records what is read."""

    def __init__(self) -> None:
        self.read: list[timedelta] = []

    def hours(self, since: datetime, until: datetime) -> list[HourlyRow]:
        self.read.append(until - since)
        at, found = since.replace(minute=0), list[HourlyRow]()
        while at < until:
            found.append(HourlyRow(at))
            at += HOUR
        return found


@pytest.mark.parametrize("days", [1, 7, 30])
def test_every_hour_comes_once_however_often_and_late_it_is_asked(days: int) -> None:
    rows, cache, now = Rows(), HourlyCache(), NOON + timedelta(minutes=17)
    stub: Any = rows
    for wait in (0, 1, 40, 60, 600, 3000, 60):
        now += timedelta(minutes=wait)
        since = now - timedelta(days=days)
        found = [row.at for row in cache.hours(stub, since, now)]
        assert found == [row.at for row in Rows().hours(since, now)]


def test_settled_hours_are_read_once_a_day() -> None:
    rows, cache = Rows(), HourlyCache()
    stub: Any = rows
    for minutes in range(0, 23 * 60, 30):
        now = NOON + timedelta(minutes=minutes)
        cache.hours(stub, now - timedelta(days=30), now)
    assert sum(read > timedelta(days=20) for read in rows.read) == 1
    assert max(read for read in rows.read if read < timedelta(days=20)) <= SETTLED_AFTER + timedelta(days=1)
