"""The delivery: one message to one person by one channel. Its states are the contract of the ledger."""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from .event import Event, identity_of
from .people import Channel


class State(StrEnum):
    """Where a delivery stands; docs/architecture.md draws the arrows between them."""

    CLAIMED = "claimed"  # somebody holds it and is sending
    HELD = "held"  # waits for a moment that suits
    RETRY = "retry"  # failed for now: surely not accepted, will be tried again
    BUNDLED = "bundled"  # told with others, in a message that has a delivery of its own
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
    DUE = "due"  # it waited, and its moment has come
    ACCEPTED = "accepted"
    FOUND = "found"  # no answer came, and the provider's list has it
    ARRIVED = "arrived"
    NOT_ARRIVED = "not-arrived"
    BAD_ADDRESS = "bad-address"
    OPTED_OUT = "opted-out"  # the person answered STOP, or a carrier did for them
    BLOCKED = "blocked"  # by a carrier, a filter or a country setting
    AUTH = "auth"  # the provider does not accept our credentials
    ACCOUNT = "account"  # our account at the provider may not do this: sender, sandbox, quota
    REFUSED = "refused"  # the provider refused this message
    RATE = "rate-limited"
    UNREACHABLE = "unreachable"  # no connection: nothing was sent
    TIMEOUT = "timeout"  # the request left, no answer came
    PROVIDER = "provider-error"  # the provider failed while answering
    NO_CHANNEL = "no-channel"  # the settings no longer have the channel, rule, person or address
    OUT_OF_TIME = "out-of-time"  # the invocation ended too soon to send it safely
    LATE = "found-late"  # no event told of it, a backfill found it
    LEASE_LAPSED = "lease-lapsed"  # whoever held it died while sending
    NOT_FOUND = "not-found"  # no answer came, and the provider's list does not have it
    RESENT = "resent"  # nobody can know whether it was accepted, and the policy is to send again
    GIVEN_UP = "given-up"  # nobody can know whether it was accepted, and the policy is not to send again
    FELL_BACK = "fell-back"  # told by the person's other channel instead
    ATTEMPTS = "attempts-used-up"
    TOO_OLD = "too-old"
    SILENCED = "silenced"  # somebody silenced the rule for a while
    QUIET = "quiet"  # quiet hours: told with what else waits, when they end
    DIGEST = "digest"  # told with the next digest
    OVER_BUDGET = "over-budget"  # more was sent than somebody allowed for an hour or a day
    OPERATOR = "operator"  # somebody asked for it


class Step(Struct, frozen=True):
    """One arrow that a delivery followed: when, to which state, and why."""

    at: datetime
    state: State
    reason: Reason
    detail: str = ""


class Delivery(Struct, frozen=True):
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
    body_hash: str = ""  # of the last attempt's message
    segments: int = 0  # what it takes as a text; 0 for a mail
    receipt: str = ""  # the provider's id
    looked_up: int = 0  # how often the provider's list was asked for it since the last attempt
    instead_of: str = ""  # the channel that was dead, where this is a fallback
    bundle: str = ""  # the id of the bundle that it is told with, where its state is bundled
    steps: tuple[Step, ...] = ()  # every arrow after the first write; the middle of a very long story is left out

    @property
    def sent_at(self) -> datetime | None:
        """When the provider accepted it, None while it has not."""
        return next((step.at for step in reversed(self.steps) if step.state is State.SENT), None)


def delivery_id(event: Event, rule: str, address: str, channel: Channel) -> str:
    """The ledger key: the same event, rule, address and channel is the same delivery, whenever it comes again."""
    return identity_of("delivery", event.identity, rule, address, channel)


# The state table: nothing else changes a state. Why each arrow is followed: docs/architecture.md.
ARROWS: dict[State, frozenset[State]] = {
    State.CLAIMED: frozenset({State.SENT, State.RETRY, State.FAILED, State.UNKNOWN}),
    State.HELD: frozenset({State.CLAIMED, State.HELD, State.EXPIRED, State.DROPPED}),
    State.RETRY: frozenset({State.CLAIMED, State.HELD, State.EXPIRED, State.DROPPED}),
    State.UNKNOWN: frozenset({State.UNKNOWN, State.SENT, State.RETRY, State.FAILED, State.EXPIRED}),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED}),
    State.UNDELIVERED: frozenset(),
    State.DELIVERED: frozenset(),
    State.FAILED: frozenset({State.RETRY}),
    State.EXPIRED: frozenset({State.RETRY}),
    State.DROPPED: frozenset({State.RETRY}),
    State.BUNDLED: frozenset({State.RETRY}),
}
BIRTHS = frozenset({State.CLAIMED, State.HELD, State.DROPPED, State.BUNDLED})  # the states a row may be inserted in
FINAL = frozenset({State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED, State.EXPIRED, State.DROPPED, State.BUNDLED})


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


class Receipt(Struct, frozen=True):
    """The provider took the message; `id` is what it calls it."""

    id: str


class Candidate(Struct, frozen=True):
    """A message in a provider's list: perhaps the one whose answer never came."""

    id: str
    body_hash: str
    created_at: datetime


class DeliveryError(Exception):
    """The provider surely did not take the message.

    `permanent`: trying again cannot help. `retry_after`: not before that long, where the provider says so.
    The text is for the ledger: one sentence, without address or secret.
    """

    def __init__(self, reason: Reason, text: str, *, permanent: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after


class OutcomeUnknown(DeliveryError):
    """The request left and no usable answer came: the message may be on its way. Not to be repeated blindly."""
