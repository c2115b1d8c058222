"""What becomes of a delivery: each function is one arrow of the state table, from a row to the row it turns into.

All are pure. `now` is handed in, a state is changed by nothing else, and every arrow has its reason.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from ..domain.delivery import Delivery, DeliveryError, OutcomeUnknown, Reason, Receipt, State, Step
from .send_gate import Deferral

FIRST_RETRY = timedelta(minutes=1)  # the sweep runs once a minute
LONGEST_WAIT = timedelta(hours=1)
ATTEMPTS = 20  # with full jitter they last nine hours, the rule's `expires` permitting
LOOK_UPS = 2  # a message that was accepted may be missing from the first list
_STEPS_KEPT = (5, 25)  # the beginning and the end of a long story

Chance = Callable[[], float]  # random.random, or a test's own
Policy = Literal["resend", "give-up"]


def claimed(delivery: Delivery, token: str, now: datetime, lease: timedelta, body_hash: str) -> Delivery:
    """Waiting, and due: somebody takes it for one more attempt. The lease outlives the invocation that holds it."""
    return _moved(
        delivery,
        now,
        State.CLAIMED,
        Reason.DUE,
        due_at=now + lease,
        claim=token,
        attempts=delivery.attempts + 1,
        body_hash=body_hash,
        looked_up=0,
    )


def sent(delivery: Delivery, receipt: Receipt, now: datetime, reason: Reason = Reason.ACCEPTED) -> Delivery:
    """Claimed, and the provider accepted it; or unknown, and the provider's list has it (FOUND)."""
    return _moved(delivery, now, State.SENT, reason, receipt=receipt.id)


def not_sent(
    delivery: Delivery, error: DeliveryError, now: datetime, chance: Chance, settle: timedelta, falls_back_at: datetime | None
) -> Delivery:
    """Claimed, and the attempt came to nothing: retry, failed or unknown, as the error says.

    `settle` is how long after the lease an unknown outcome is looked into. From `falls_back_at` on, the person's other
    channel is a better try than this one. A provider that asks for patience uses up no attempts: only age ends that.
    """
    if isinstance(error, OutcomeUnknown):
        return _moved(delivery, now, State.UNKNOWN, error.reason, str(error), due_at=(delivery.due_at or now) + settle)
    if error.permanent:
        return _moved(delivery, now, State.FAILED, error.reason, str(error))
    if falls_back_at is not None and now >= falls_back_at:
        return _moved(delivery, now, State.FAILED, Reason.FELL_BACK, str(error))
    if delivery.attempts >= ATTEMPTS and error.reason is not Reason.RATE:
        return _moved(delivery, now, State.FAILED, Reason.ATTEMPTS, str(error))
    wait = wait_before(delivery.attempts, error.retry_after, chance)
    return _moved(delivery, now, State.RETRY, error.reason, str(error), due_at=now + wait)


def wait_before(attempts: int, retry_after: timedelta | None, chance: Chance) -> timedelta:
    """How long to wait after that many attempts: exponential with full jitter, and never before the provider says.

    Full jitter (AWS architecture blog, "Exponential backoff and jitter") spreads what failed together.
    """
    longest: timedelta = min(LONGEST_WAIT, FIRST_RETRY * 2 ** min(attempts - 1, 6))
    return max(longest * chance(), retry_after or timedelta(0))


def lapsed(delivery: Delivery, now: datetime, settle: timedelta) -> Delivery:
    """Claimed, and the lease ran out: whoever held it died, before or after the provider took the message."""
    detail = "whoever was sending it stopped before writing down how it went"
    return _moved(delivery, now, State.UNKNOWN, Reason.LEASE_LAPSED, detail, due_at=max(now, (delivery.due_at or now) + settle))


def not_found(delivery: Delivery, now: datetime, settle: timedelta, policy: Policy) -> Delivery:
    """Unknown, and the provider's list does not have it: looked up once more, and then the channel's policy."""
    if delivery.looked_up + 1 < LOOK_UPS:
        detail = "the provider's list does not have it yet"
        return _moved(
            delivery, now, State.UNKNOWN, Reason.NOT_FOUND, detail, due_at=now + settle, looked_up=delivery.looked_up + 1
        )
    return decided(delivery, now, policy, Reason.NOT_FOUND)


def decided(delivery: Delivery, now: datetime, policy: Policy, reason: Reason | None = None) -> Delivery:
    """Unknown, and nobody can say more: the channel's policy."""
    if policy == "give-up":
        detail = "it may have been accepted, and the policy is not to send it again"
        return _moved(delivery, now, State.FAILED, reason or Reason.GIVEN_UP, detail)
    if now >= delivery.expires_at:
        return expired(delivery, now)
    detail = "it may have been accepted, and the policy is to send it again"
    return _moved(delivery, now, State.RETRY, reason or Reason.RESENT, detail, due_at=now)


def look_up_later(delivery: Delivery, now: datetime, settle: timedelta, why: str) -> Delivery:
    """Unknown, and the provider's list could not be read."""
    return _moved(delivery, now, State.UNKNOWN, Reason.UNREACHABLE, why, due_at=now + settle)


def held(delivery: Delivery, now: datetime, wait: Deferral) -> Delivery:
    """Waiting, and due at a moment that does not suit: it waits until another."""
    return _moved(delivery, now, State.HELD, wait.reason, wait.why, due_at=wait.until)


def expired(delivery: Delivery, now: datetime) -> Delivery:
    """Waiting, and older than its rule allows: stale news helps nobody."""
    return _moved(delivery, now, State.EXPIRED, Reason.TOO_OLD, delivery.detail)


def dropped(delivery: Delivery, now: datetime, reason: Reason, why: str) -> Delivery:
    """Waiting, and not wanted any more: the settings no longer have its rule or person, or the address is dead."""
    return _moved(delivery, now, State.DROPPED, reason, why)


def undecidable(delivery: Delivery, now: datetime, why: str) -> Delivery:
    """Unknown, and the settings no longer say whom to ask about it."""
    return _moved(delivery, now, State.FAILED, Reason.NO_CHANNEL, why)


def resent(delivery: Delivery, now: datetime, lifetime: timedelta, who: str) -> Delivery:
    """Failed, expired, dropped or unknown, and an operator wants it sent: due at once, and young again."""
    return _moved(
        delivery,
        now,
        State.RETRY,
        Reason.OPERATOR,
        f"asked for by {who}",
        due_at=now,
        attempts=0,
        expires_at=max(delivery.expires_at, now + lifetime),
    )


def arrived(delivery: Delivery, now: datetime, state: State, detail: str) -> Delivery:
    """Sent, and the provider says how it ended: DELIVERED or UNDELIVERED."""
    return _moved(delivery, now, state, Reason.ARRIVED if state is State.DELIVERED else Reason.NOT_ARRIVED, detail)


def _moved(
    delivery: Delivery,
    now: datetime,
    state: State,
    reason: Reason,
    detail: str = "",
    due_at: datetime | None = None,
    **more: object,
) -> Delivery:
    steps = (*delivery.steps, Step(now, state, reason, detail))
    first, last = _STEPS_KEPT
    if len(steps) > first + last:
        steps = (*steps[:first], *steps[-last:])
    return replace(delivery, state=state, reason=reason, detail=detail, due_at=due_at, steps=steps, **more)
