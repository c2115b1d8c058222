"""The delivery: one message to one person by one channel. Its states are the contract of the ledger."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .events import Event, identity_of
from .message import Channel


class State(StrEnum):
    """Where a delivery stands; docs/architecture.md draws the arrows between them."""

    CLAIMED = "claimed"  # somebody holds it and is sending
    HELD = "held"  # waits for a moment that suits
    RETRY = "retry"  # failed for now: surely not accepted, will be tried again
    UNKNOWN = "unknown"  # the request left and no answer came: it may have been accepted
    SENT = "sent"  # the provider accepted it
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"  # will not be tried again by itself
    EXPIRED = "expired"  # too old to be of use before it could be sent
    DROPPED = "dropped"  # on purpose not sent


class Reason(StrEnum):
    """Why a delivery is in its state: one word for logs, ledger and `dropnote log`."""

    FIRST = "first"  # nothing held it back
    ACCEPTED = "accepted"
    BAD_ADDRESS = "bad-address"
    OPTED_OUT = "opted-out"
    BLOCKED = "blocked"  # by a carrier, a filter or a country setting
    AUTH = "auth"  # the provider does not accept our credentials
    ACCOUNT = "account"  # our account at the provider may not do this: sender, sandbox, quota
    REFUSED = "refused"  # the provider refused this message
    RATE = "rate-limited"
    UNREACHABLE = "unreachable"  # no connection: nothing was sent
    TIMEOUT = "timeout"  # the request left, no answer came
    PROVIDER = "provider-error"  # the provider failed while answering
    NO_CHANNEL = "no-channel"  # the settings no longer have the channel, rule, person or address
    LEASE_LAPSED = "lease-lapsed"  # whoever held it died while sending
    ATTEMPTS = "attempts-used-up"
    TOO_OLD = "too-old"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the ledger. Times are aware UTC. The address is not in it: the settings are its only home."""

    id: str  # 32 hex digits: event identity, rule, address and channel, hashed
    event: Event
    rule: str
    person: str
    channel: Channel
    created_at: datetime
    expires_at: datetime
    state: State = State.CLAIMED
    reason: Reason = Reason.FIRST
    detail: str = ""  # one sentence for the reader, without address or secret
    attempts: int = 1
    claim: str = ""  # token of who holds it, or held it last
    due_at: datetime | None = None  # when the sweep looks at it next; None in a final state
    body_hash: str = ""
    receipt: str = ""  # the provider's id
    sent_at: datetime | None = None


def delivery_id(event: Event, rule: str, address: str, channel: Channel) -> str:
    """The ledger key: the same event, rule, address and channel is the same delivery, whenever it comes again."""
    return identity_of("delivery", event.identity, rule, address, channel)


# The state table: nothing else changes a state. Why each arrow is followed: docs/architecture.md.
ARROWS: dict[State, frozenset[State]] = {
    State.CLAIMED: frozenset({State.SENT, State.RETRY, State.FAILED, State.UNKNOWN}),
    State.HELD: frozenset({State.CLAIMED, State.FAILED, State.EXPIRED, State.DROPPED}),
    State.RETRY: frozenset({State.CLAIMED, State.FAILED, State.EXPIRED, State.DROPPED}),
    State.UNKNOWN: frozenset({State.SENT, State.RETRY, State.FAILED, State.EXPIRED}),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED}),
    State.UNDELIVERED: frozenset(),
    State.DELIVERED: frozenset(),
    State.FAILED: frozenset({State.RETRY}),
    State.EXPIRED: frozenset({State.RETRY}),
    State.DROPPED: frozenset({State.RETRY}),
}


def summary(delivery: Delivery) -> dict[str, str | int]:
    """What people ask of a delivery, for results and lists: who, by what, how it stands and why."""
    return {
        "id": delivery.id,
        "rule": delivery.rule,
        "person": delivery.person,
        "channel": delivery.channel.value,
        "state": delivery.state.value,
        "reason": delivery.reason.value,
        "detail": delivery.detail,
        "attempts": delivery.attempts,
        "receipt": delivery.receipt,
    }
