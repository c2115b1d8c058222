"""What becomes of a delivery: each function is one arrow of the state table, from a row to the row it turns into."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from ..channels import DeliveryError, OutcomeUnknown, Receipt
from ..delivery import Delivery, Reason, State

FIRST_RETRY = timedelta(minutes=1)  # the sweep runs once a minute
LONGEST_WAIT = timedelta(hours=1)
ATTEMPTS = 8

Chance = Callable[[], float]  # random.random, or a test's own


def claimed(delivery: Delivery, token: str, now: datetime, lease: timedelta) -> Delivery:
    """Waiting, and due: somebody takes it for one more attempt. The lease outlives the invocation that holds it."""
    return replace(delivery, state=State.CLAIMED, claim=token, attempts=delivery.attempts + 1, due_at=now + lease)


def sent(delivery: Delivery, receipt: Receipt, body_hash: str, now: datetime) -> Delivery:
    """Claimed, and the provider accepted it."""
    return replace(
        delivery,
        state=State.SENT,
        reason=Reason.ACCEPTED,
        detail="",
        due_at=None,
        receipt=receipt.id,
        body_hash=body_hash,
        sent_at=now,
    )


def not_sent(delivery: Delivery, error: DeliveryError, body_hash: str, now: datetime, chance: Chance) -> Delivery:
    """Claimed, and the attempt came to nothing: retry, failed or unknown, as the error says."""
    told = replace(delivery, reason=error.reason, detail=str(error), body_hash=body_hash, due_at=None)
    if isinstance(error, OutcomeUnknown):
        return replace(told, state=State.UNKNOWN)
    if error.permanent:
        return replace(told, state=State.FAILED)
    if delivery.attempts >= ATTEMPTS:
        return replace(told, state=State.FAILED, reason=Reason.ATTEMPTS)
    return replace(told, state=State.RETRY, due_at=now + wait_before(delivery.attempts, error.retry_after, chance))


def wait_before(attempts: int, retry_after: timedelta | None, chance: Chance) -> timedelta:
    """How long to wait after that many attempts: exponential with full jitter, and never before the provider says.

    Full jitter (AWS architecture blog, "Exponential backoff and jitter") spreads what failed together.
    """
    longest: timedelta = min(LONGEST_WAIT, FIRST_RETRY * 2 ** (attempts - 1))
    return max(longest * chance(), retry_after or timedelta(0))


def lapsed(delivery: Delivery) -> Delivery:
    """Claimed, and the lease ran out: whoever held it died, before or after the provider took the message."""
    return replace(
        delivery,
        state=State.UNKNOWN,
        reason=Reason.LEASE_LAPSED,
        detail="whoever was sending it stopped before writing down how it went",
        due_at=None,
    )


def expired(delivery: Delivery) -> Delivery:
    """Waiting, and older than its rule allows: stale news helps nobody."""
    return replace(delivery, state=State.EXPIRED, reason=Reason.TOO_OLD, due_at=None)


def undeliverable(delivery: Delivery, why: str) -> Delivery:
    """Waiting, and the settings no longer have its rule, its person or the address."""
    return replace(delivery, state=State.DROPPED, reason=Reason.NO_CHANNEL, detail=why, due_at=None)
