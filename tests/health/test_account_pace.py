"""The pace of e-mails that SES's account allows."""

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.channels.limits import QUOTA_RETRY
from chalicelib.health.account_pace import pace_of_account, quota_used_up
from chalicelib.policy.controls import ChannelPace
from tests.support.builders import NOON

HOUR = timedelta(hours=1)
EARLIER = NOON - 3 * HOUR


def account(rate: float = 14.0, sent: float = 9.0, maximum: float = 50_000.0) -> dict[str, Any]:
    return {"SendQuota": {"MaxSendRate": rate, "Max24HourSend": maximum, "SentLast24Hours": sent}}


def pace(limit: float = 14.0, rate: float = 14.0, **changes: Any) -> ChannelPace:
    return ChannelPace(limit, rate, EARLIER, **changes)


def test_first_pace_is_the_rate_of_the_account() -> None:
    assert pace_of_account(account(), None, 0.0, NOON) == ChannelPace(14.0, 14.0, NOON)


@pytest.mark.parametrize(("own", "limit"), [(0.0, 14.0), (5.0, 5.0), (100.0, 14.0)])
def test_lower_of_the_two_rates_counts(own: float, limit: float) -> None:
    assert pace_of_account(account(), None, own, NOON) == ChannelPace(limit, limit, NOON)


def test_unknown_rate_is_not_recorded() -> None:
    assert pace_of_account({}, None, 0.0, NOON) is None
    assert pace_of_account({}, pace(), 0.0, NOON) == pace()


@pytest.mark.parametrize("now", [pace(), pace(rate=3.5, backlog_until=NOON + HOUR), pace(paused_until=NOON - HOUR)])
def test_unchanged_account_changes_nothing(now: ChannelPace) -> None:
    assert pace_of_account(account(), now, 0.0, NOON) == now


@pytest.mark.parametrize(
    ("limit", "rate", "allowed", "after"),
    [
        (1.0, 1.0, 14.0, 14.0),  # out of the sandbox
        (14.0, 14.0, 5.0, 5.0),
        (14.0, 3.5, 5.0, 3.5),  # throttled before: raised where messages are sent
        (14.0, 3.5, 1.0, 1.0),
        (14.0, 3.5, 50.0, 3.5),
    ],
)
def test_changed_limit_changes_the_rate(limit: float, rate: float, allowed: float, after: float) -> None:
    before = pace(limit, rate, backlog_until=NOON + HOUR)
    assert pace_of_account(account(allowed), before, 0.0, NOON) == ChannelPace(allowed, after, NOON, NOON + HOUR)


@pytest.mark.parametrize(
    ("sent", "maximum", "used_up"), [(199.0, 200.0, False), (200.0, 200.0, True), (201.0, 200.0, True), (1e6, -1.0, False)]
)
def test_quota_is_used_up_at_its_maximum(sent: float, maximum: float, used_up: bool) -> None:
    full = account(sent=sent, maximum=maximum)
    assert quota_used_up(full) is used_up
    until = NOON + QUOTA_RETRY if used_up else None
    assert pace_of_account(full, pace(), 0.0, NOON) == pace(paused_until=until)


def test_pause_ends_when_the_quota_has_room_again_and_is_never_shortened() -> None:
    paused = pace(rate=3.5, paused_until=NOON + 2 * HOUR)
    assert pace_of_account(account(sent=50_000.0), paused, 0.0, NOON) == paused
    assert pace_of_account(account(), paused, 0.0, NOON) == pace(rate=3.5)
