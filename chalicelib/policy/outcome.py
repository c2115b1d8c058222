"""The arrows of the state table: each function takes a delivery's row along one arrow and returns the new row.

All are pure: `now` is passed in. Nothing else changes a state, and every arrow has a reason.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from ..domain.budget import Reserved
from ..domain.delivery import FINAL_STATES, Delivery, DeliveryError, OutcomeUnknown, Reason, Receipt, State, Step
from .send_gate import Deferral

FIRST_RETRY_DELAY = timedelta(minutes=1)  # the sweep runs once a minute
MAX_RETRY_DELAY = timedelta(hours=1)
MAX_ATTEMPTS = 20  # with full jitter they take nine hours, unless the rule's `expires` is shorter
# An accepted text may be missing from Twilio's list at first. Its page "Messages resource" promises no time; users reported ten
# minutes (twilio-java issue 442, with the filter DateSent, which misses queued texts and is not used here). The list is read a
# minute after the lease, and once more four minutes later.
MAX_LOOKUPS = 2
SECOND_LOOKUP = 4  # settle delays after the first
LIMITS = (Reason.RATE, Reason.QUOTA)  # of the provider: nothing is wrong with the message
# A message that was surely not accepted gives back what its last attempt took from budgets. One that may have been keeps it.
_SURELY_NOT_ACCEPTED = ((State.CLAIMED, State.RETRY), (State.CLAIMED, State.FAILED))
_STEPS_KEPT = (5, 25)  # the beginning and the end of a long history

Chance = Callable[[], float]  # random.random, or a test's own
Policy = Literal["resend", "give-up"]


def reserve(delivery: Delivery, scopes: Iterable[str], now: datetime) -> Delivery:
    """Claimed: its message counts towards these budget scopes, in this hour and day.

    Every attempt after a reserved one has an entry, if necessary without scopes: a failed attempt removes the last, its own.
    """
    entry = Reserved(now, tuple(scopes), delivery.segments)
    return replace(delivery, reserved=(*delivery.reserved, entry)) if entry.scopes or delivery.reserved else delivery


def claim(delivery: Delivery, token: str, now: datetime, lease: timedelta, body_hash: str) -> Delivery:
    """Held or retry, and due: claim it for one more attempt. The lease outlives the invocation that holds it."""
    return _transition(
        delivery,
        now,
        State.CLAIMED,
        Reason.DUE,
        due_at=now + lease,
        claim=token,
        attempts=delivery.attempts + 1,
        body_hash=body_hash,
        lookups=0,
    )


def mark_sent(delivery: Delivery, receipt: Receipt, now: datetime, reason: Reason = Reason.ACCEPTED) -> Delivery:
    """Claimed, and the provider accepted it; or unknown, and the provider's list has it (FOUND)."""
    return _transition(delivery, now, State.SENT, reason, receipt=receipt.id)


def record_failed_attempt(
    delivery: Delivery,
    error: DeliveryError,
    now: datetime,
    chance: Chance,
    settle_delay: timedelta,
    falls_back_at: datetime | None,
) -> Delivery:
    """Claimed, and the attempt failed: retry, failed or unknown, depending on the error.

    `settle_delay`: how long after the lease an unknown outcome is looked up, so that the provider's list has settled by then.
    A permanent error with a grace period is retried until it has lasted that long. From `falls_back_at` on, the person's other
    channel is tried instead. A throttled message is due again immediately, or when the provider allows, and waits for its slot
    in the sweep; an exhausted quota pauses the channel. Neither uses up attempts: only age ends them.
    """
    if isinstance(error, OutcomeUnknown):
        return _transition(delivery, now, State.UNKNOWN, error.reason, str(error), due_at=(delivery.due_at or now) + settle_delay)
    if error.permanent and now - _failing_since(delivery, error.reason, now) >= error.grace:
        return _transition(delivery, now, State.FAILED, error.reason, str(error))
    if falls_back_at is not None and now >= falls_back_at:
        return _transition(delivery, now, State.FAILED, Reason.FELL_BACK, str(error))
    if error.reason in LIMITS:
        delay = error.retry_after if error.retry_after and error.reason is Reason.RATE else timedelta(0)
        return _transition(delivery, now, State.RETRY, error.reason, str(error), due_at=now + delay)
    if delivery.attempts >= MAX_ATTEMPTS:
        return _transition(delivery, now, State.FAILED, Reason.ATTEMPTS, str(error))
    delay = retry_delay(delivery.attempts, error.retry_after, chance)
    return _transition(delivery, now, State.RETRY, error.reason, str(error), due_at=now + delay)


def _failing_since(delivery: Delivery, reason: Reason, now: datetime) -> datetime:
    """When the latest attempts began to fail for this reason, without another one in between; now if this is the first."""
    since = now
    for step in reversed(delivery.steps):
        if step.state is State.RETRY and step.reason is reason:
            since = step.at
        elif step.state is not State.CLAIMED:
            break
    return since


def retry_delay(attempts: int, retry_after: timedelta | None, chance: Chance) -> timedelta:
    """Return the delay after that many attempts: exponential with full jitter, and never less than the provider demands.

    Full jitter (AWS architecture blog, "Exponential backoff and jitter") spreads out what failed together.
    """
    longest: timedelta = min(MAX_RETRY_DELAY, FIRST_RETRY_DELAY * 2 ** min(attempts - 1, 6))
    return max(longest * chance(), retry_after or timedelta(0))


def lapse_lease(delivery: Delivery, now: datetime, settle_delay: timedelta) -> Delivery:
    """Claimed, and the lease ran out: its holder died, before or after the provider accepted the message."""
    detail = "the sender stopped before recording the result"
    due_at = max(now, (delivery.due_at or now) + settle_delay)
    return _transition(delivery, now, State.UNKNOWN, Reason.LEASE_LAPSED, detail, due_at=due_at)


def mark_not_found(delivery: Delivery, now: datetime, settle_delay: timedelta, policy: Policy) -> Delivery:
    """Unknown, and the provider's list does not have it: look it up once more, then apply the channel's policy."""
    if delivery.lookups + 1 < MAX_LOOKUPS:
        detail = "the provider's list does not have it yet"
        lookups = delivery.lookups + 1
        due_at = now + SECOND_LOOKUP * settle_delay
        return _transition(delivery, now, State.UNKNOWN, Reason.NOT_FOUND, detail, due_at=due_at, lookups=lookups)
    return apply_unknown_policy(delivery, now, policy, Reason.NOT_FOUND)


def apply_unknown_policy(delivery: Delivery, now: datetime, policy: Policy, reason: Reason | None = None) -> Delivery:
    """Unknown for good: abandon it or send it again, as the channel's policy says."""
    known = "the provider's list does not have it" if reason is Reason.NOT_FOUND else "it may have been accepted"
    if policy == "give-up":
        detail = f"{known}, and the settings say not to send it again"
        return _transition(delivery, now, State.FAILED, reason or Reason.GIVEN_UP, detail)
    if now >= delivery.expires_at:
        return expire(delivery, now)
    detail = f"{known}: it is sent again"
    return _transition(delivery, now, State.RETRY, reason or Reason.RESENT, detail, due_at=now)


def postpone_lookup(delivery: Delivery, now: datetime, settle_delay: timedelta, why: str) -> Delivery:
    """Unknown, and the provider's list could not be read: look it up later."""
    return _transition(delivery, now, State.UNKNOWN, Reason.UNREACHABLE, why, due_at=now + settle_delay)


def defer(delivery: Delivery, now: datetime, deferral: Deferral) -> Delivery:
    """Held or retry, and due at a time when it cannot be sent: defer it."""
    return _transition(delivery, now, State.HELD, deferral.reason, deferral.why, due_at=deferral.until)


def expire(delivery: Delivery, now: datetime) -> Delivery:
    """Held or retry, and older than its rule allows: too late to be useful."""
    return _transition(delivery, now, State.EXPIRED, Reason.TOO_OLD, delivery.detail)


def drop(delivery: Delivery, now: datetime, reason: Reason, why: str) -> Delivery:
    """Held or retry, and no longer wanted: the settings no longer have its rule or person, or the address is suppressed."""
    return _transition(delivery, now, State.DROPPED, reason, why)


def fail_without_channel(delivery: Delivery, now: datetime, why: str) -> Delivery:
    """Unknown, and the settings no longer have the channel whose provider could look it up."""
    return _transition(delivery, now, State.FAILED, Reason.NO_CHANNEL, why)


def requeue(delivery: Delivery, now: datetime, lifetime: timedelta, who: str) -> Delivery:
    """Failed, expired, dropped or unknown, and an operator wants it sent: due now, with a new lifetime."""
    return _transition(
        delivery,
        now,
        State.RETRY,
        Reason.OPERATOR,
        f"requested by {who}",
        due_at=now,
        attempts=0,
        expires_at=max(delivery.expires_at, now + lifetime),
    )


def record_status(delivery: Delivery, now: datetime, state: State, detail: str) -> Delivery:
    """Sent, and the provider reports the final status: DELIVERED or UNDELIVERED."""
    return _transition(delivery, now, state, Reason.ARRIVED if state is State.DELIVERED else Reason.NOT_ARRIVED, detail)


def _transition(
    delivery: Delivery,
    now: datetime,
    state: State,
    reason: Reason,
    detail: str = "",
    due_at: datetime | None = None,
    **changes: object,
) -> Delivery:
    steps = (*_steps_so_far(delivery), Step(now, state, reason, detail))
    first, last = _STEPS_KEPT
    if len(steps) > first + last:
        steps = (*steps[:first], *steps[-last:])
    reserved = delivery.reserved
    not_found = (delivery.state, state, reason) == (State.UNKNOWN, State.RETRY, Reason.NOT_FOUND)
    if not_found or (delivery.state, state) in _SURELY_NOT_ACCEPTED:
        reserved = reserved[:-1]
    return replace(delivery, state=state, reason=reason, detail=detail, due_at=due_at, steps=steps, reserved=reserved, **changes)


def _steps_so_far(delivery: Delivery) -> tuple[Step, ...]:
    """The steps, with the state that a delivery was inserted in if it was its end: a resend keeps why it was not sent."""
    if delivery.steps or delivery.state not in FINAL_STATES:
        return delivery.steps
    return (Step(delivery.created_at, delivery.state, delivery.reason, delivery.detail),)
