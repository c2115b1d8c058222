"""What a failed attempt turns a delivery into."""

from datetime import timedelta

import pytest

from chalicelib.domain.delivery import Delivery, DeliveryError, OutcomeUnknown, Reason, State
from chalicelib.domain.people import Channel
from chalicelib.policy import outcome
from tests.support.builders import NOON, an_upload

A_MINUTE = timedelta(minutes=1)


def claimed(attempts: int) -> Delivery:
    day = timedelta(days=1)
    return Delivery("0" * 32, an_upload(), "uploads", "asha", Channel.EMAIL, NOON, NOON + day, attempts=attempts)


def failed(delivery: Delivery, error: DeliveryError, falls_back: bool = False) -> Delivery:
    return outcome.record_failed_attempt(delivery, error, NOON, lambda: 1.0, A_MINUTE, NOON if falls_back else None)


@pytest.mark.parametrize("attempts", [1, 5, outcome.MAX_ATTEMPTS, 500])
def test_limited_message_is_due_immediately_or_when_the_provider_allows(attempts: int) -> None:
    wait = timedelta(hours=1)
    quota = failed(claimed(attempts), DeliveryError(Reason.QUOTA, "the quota is exhausted", retry_after=wait))
    assert (quota.state, quota.reason, quota.due_at) == (State.RETRY, Reason.QUOTA, NOON)  # the pause of its channel holds it
    throttled = failed(claimed(attempts), DeliveryError(Reason.RATE, "slow down"))
    assert (throttled.state, throttled.due_at) == (State.RETRY, NOON)
    asked = failed(claimed(attempts), DeliveryError(Reason.RATE, "slow down", retry_after=timedelta(seconds=9)))
    assert asked.due_at == NOON + timedelta(seconds=9)


def test_unknown_outcome_is_resolved_no_sooner_than_the_provider_allows() -> None:
    usual = failed(claimed(1), OutcomeUnknown(Reason.PROVIDER, "returned 503"))
    busy = failed(claimed(1), OutcomeUnknown(Reason.PROVIDER, "returned 503", retry_after=timedelta(minutes=15)))
    assert (usual.state, busy.state, busy.due_at) == (State.UNKNOWN, State.UNKNOWN, NOON + timedelta(minutes=15))
    assert usual.due_at
    assert usual.due_at < NOON + timedelta(minutes=5)


@pytest.mark.parametrize("reason", outcome.LIMITS)
def test_limit_of_the_provider_uses_up_no_attempts(reason: Reason) -> None:
    after = failed(claimed(outcome.MAX_ATTEMPTS), DeliveryError(reason, "not now"))
    assert (after.state, after.reason) == (State.RETRY, reason)
    assert failed(claimed(outcome.MAX_ATTEMPTS), DeliveryError(Reason.UNREACHABLE, "no")).state is State.FAILED


def test_other_channel_is_used_while_the_quota_is_exhausted() -> None:
    error = DeliveryError(Reason.QUOTA, "the quota is exhausted", retry_after=timedelta(hours=1))
    after = failed(claimed(1), error, falls_back=True)
    assert (after.state, after.reason) == (State.FAILED, Reason.FELL_BACK)


def test_permanent_error_counts_once_it_has_lasted_for_its_grace_period() -> None:
    """A delivery that waited for hours has the same time as a new one, and another error in between starts it again."""
    denied = DeliveryError(Reason.AUTH, "denied", permanent=True, grace=10 * A_MINUTE)
    minutes = [(0, denied), (4, denied), (6, DeliveryError(Reason.UNREACHABLE, "no")), (8, denied), (17, denied), (18, denied)]
    delivery, states = claimed(1), []
    for minute, error in minutes:
        now = NOON + timedelta(hours=6) + minute * A_MINUTE
        after = outcome.record_failed_attempt(delivery, error, now, lambda: 1.0, A_MINUTE, None)
        states.append(after.state)
        delivery = outcome.claim(after, "token", now, A_MINUTE, "") if after.state is State.RETRY else after
    assert states == [State.RETRY] * 5 + [State.FAILED]
