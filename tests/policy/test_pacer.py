"""The pacer: evenly spaced slots, fewer of them when the provider throttles, and more again when it stops."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.policy.controls import ChannelPace
from chalicelib.policy.pacing.pacer import (
    DECREASE,
    HEADROOM,
    Pacer,
    record_accepted,
    slow_down,
    start_pacer,
    take_slot,
)
from tests.support.builders import NOON

SECOND = timedelta(seconds=1)


@dataclass
class Outcome:
    """What a provider that accepts `limit` messages in each second did for some time."""

    accepted: int = 0
    throttled: int = 0
    rate: float = 0.0


def send(pacer: Pacer, limit: int, seconds: float, phase: float = 0.37) -> Outcome:
    """Send to a provider for a while, each message in its slot."""
    outcome, counts, now = Outcome(), dict[int, int](), NOON
    while True:
        now, pacer = take_slot(pacer, now)
        if now >= NOON + seconds * SECOND:
            return outcome
        second = int((now - NOON).total_seconds() + phase)
        outcome.rate = pacer.rate(now)
        if counts.get(second, 0) < limit:
            counts[second] = counts.get(second, 0) + 1
            outcome.accepted += 1
            pacer = record_accepted(pacer, now)
        else:
            outcome.throttled += 1
            pacer = slow_down(pacer, now)


@given(limit=st.integers(1, 100), late=st.lists(st.floats(0, 0.01), min_size=300, max_size=300))
def test_no_second_has_more_slots_than_the_limit(limit: int, late: list[float]) -> None:
    pacer, now, slots = start_pacer(limit, None, NOON), NOON, list[datetime]()
    for delay in late:
        at, pacer = take_slot(pacer, now)
        slots.append(at)
        now = at + timedelta(seconds=delay / limit)
    for first, beyond in zip(slots, slots[limit:], strict=False):
        assert beyond - first >= SECOND


def test_lateness_does_not_add_up() -> None:
    pacer, now = start_pacer(10, None, NOON), NOON
    for _ in range(96):
        at, pacer = take_slot(pacer, now)
        now = at + timedelta(milliseconds=5)
        now = max(now, pacer.next_at + timedelta(milliseconds=5))
    assert now - NOON < timedelta(seconds=10.2)


def test_unused_slots_are_not_made_up_for() -> None:
    _, pacer = take_slot(start_pacer(10, None, NOON), NOON)
    first, pacer = take_slot(pacer, NOON + 60 * SECOND)
    second, _ = take_slot(pacer, NOON + 60 * SECOND)
    assert second - first > SECOND / 15


def test_rate_is_lowered_at_most_once_per_second() -> None:
    pacer = slow_down(start_pacer(10, None, NOON), NOON)
    again = slow_down(pacer, NOON + SECOND / 2)
    assert pacer.rate(NOON) == pytest.approx(10 * HEADROOM * DECREASE)
    assert again.rate(NOON) == pacer.rate(NOON)
    assert slow_down(pacer, NOON + SECOND).next_at > pacer.next_at


def test_one_throttled_request_costs_seconds_only() -> None:
    pacer = slow_down(start_pacer(10, None, NOON), NOON)
    assert pacer.next_at == NOON + SECOND
    assert pacer.rate(NOON + 5 * SECOND) > 9
    assert pacer.rate(NOON + 60 * SECOND) == pacer.ceiling


def test_retry_after_is_respected() -> None:
    assert slow_down(start_pacer(10, None, NOON), NOON, NOON + 30 * SECOND).next_at == NOON + 30 * SECOND


@given(expected=st.integers(1, 100), data=st.data(), phase=st.floats(0, 0.99))
def test_any_limit_is_found_and_used(expected: int, data: st.DataObject, phase: float) -> None:
    limit = data.draw(st.integers(1, expected))
    outcome = send(start_pacer(expected, None, NOON), limit, 300, phase)
    assert outcome.accepted >= 0.8 * limit * 300
    assert outcome.throttled <= 12 + 0.03 * outcome.accepted


def test_nothing_is_wasted_at_the_expected_limit() -> None:
    for limit in (1, 2, 10, 14, 100):
        outcome = send(start_pacer(limit, None, NOON), limit, 60)
        assert (outcome.throttled, outcome.accepted >= 0.95 * limit * 60) == (0, True)


def test_provider_that_throttles_everything_gets_a_few_requests_a_minute() -> None:
    assert send(start_pacer(100, None, NOON), 0, 60).throttled <= 8


def test_rate_recovers_after_the_provider_does() -> None:
    pacer = start_pacer(14, ChannelPace(14, 3, NOON), NOON)
    assert pacer.rate(NOON) == 3
    assert send(pacer, 14, 60).rate == pacer.ceiling


def test_share_of_a_limit() -> None:
    assert start_pacer(100, ChannelPace(100, 40, NOON), NOON, 0.25).rate(NOON) == 10
    assert start_pacer(100, None, NOON, 0.25).ceiling == 24


def test_sender_that_continues_a_backlog_leaves_the_time_between_two_slots() -> None:
    pace = ChannelPace(1, 1, NOON, backlog_until=NOON + 60 * SECOND)
    at, _ = take_slot(start_pacer(1, pace, NOON), NOON)
    assert at > NOON + SECOND
