"""The delivery: one message to one person on one channel.

Its states and reasons first (their values are stored, so they are a contract), then the ledger row and the transitions between
states, then the responses of a provider: a receipt, an entry of its list, or an error.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from .budget import Reserved
from .event import Event, identity_of
from .people import Channel, lane_of


class State(StrEnum):
    """The state of a delivery; docs/reliability.md lists the transitions between them."""

    CLAIMED = "claimed"  # a container is sending it
    HELD = "held"  # deferred: will be sent later
    RETRY = "retry"  # not accepted, and will be tried again
    BUNDLED = "bundled"  # part of a message for several events, which is a separate delivery
    UNKNOWN = "unknown"  # the request was sent without a usable response: it may have been accepted
    SENT = "sent"  # the provider accepted it
    DELIVERED = "delivered"  # the provider reports that it arrived
    UNDELIVERED = "undelivered"  # the provider reports that it did not arrive
    FAILED = "failed"  # could not be sent, and is not tried again unless somebody resends it
    EXPIRED = "expired"  # could not be sent in time, and would now be too old
    DROPPED = "dropped"  # not sent on purpose


class Reason(StrEnum):
    """Why a delivery is in its state: one word for logs, ledger and `dropnote log`."""

    FIRST = "first"  # new, and sent immediately
    DUE = "due"  # it was deferred or retried, and its time has come
    ACCEPTED = "accepted"  # by the provider
    FOUND = "found"  # no response came, but the provider's list has the message
    ARRIVED = "arrived"  # the provider's receipt says so
    NOT_ARRIVED = "not-arrived"  # the provider's receipt says so
    BAD_ADDRESS = "bad-address"  # the address does not exist or cannot receive messages
    OPTED_OUT = "opted-out"  # the person replied STOP, or a carrier opted them out
    BLOCKED = "blocked"  # by a carrier, a filter or a country setting
    AUTH = "auth"  # the provider rejects our credentials
    ACCOUNT = "account"  # our account at the provider is not allowed to send this: sender, sandbox, quota
    REFUSED = "refused"  # the provider rejected this message
    RATE = "rate-limited"  # the provider throttles us
    QUOTA = "quota"  # the provider's daily quota is exhausted
    WAITING = "waiting"  # the provider is at its rate: the sweep sends it in turn
    UNREACHABLE = "unreachable"  # no connection: nothing was sent
    TIMEOUT = "timeout"  # the request was sent, no response came
    PROVIDER = "provider-error"  # the provider failed while responding
    NO_CHANNEL = "no-channel"  # the settings no longer have the channel, rule, person or address
    OUT_OF_TIME = "out-of-time"  # the invocation was about to end, too soon to send safely
    LATE = "found-late"  # its event never arrived; a backfill found the upload
    LEASE_LAPSED = "lease-lapsed"  # the container stopped while sending it
    NOT_FOUND = "not-found"  # no response came, and the provider's list does not have the message
    RESENT = "resent"  # unknown whether it was accepted, and the settings say to send it again
    GIVEN_UP = "given-up"  # unknown whether it was accepted, and the settings say not to send it again
    FELL_BACK = "fell-back"  # sent on the person's other channel instead
    ATTEMPTS = "attempts-used-up"  # the maximum number of attempts was reached
    TOO_OLD = "too-old"  # older than its rule's `expires`
    SILENCED = "silenced"  # somebody silenced the rule
    QUIET = "quiet"  # quiet hours: sent when they end, with everything else they deferred
    DIGEST = "digest"  # part of the next digest
    OVER_BUDGET = "over-budget"  # the limit for the hour or day is reached
    OPERATOR = "operator"  # somebody requested it


class Step(Struct, frozen=True):
    """One transition of a delivery: when, to which state, and why."""

    at: datetime
    state: State
    reason: Reason
    detail: str = ""


class Delivery(Struct, frozen=True):
    """A row of the ledger. Times are aware UTC. It does not contain the address: only the settings do."""

    id: str  # 32 hex digits: event identity, rule, address and channel, hashed
    event: Event
    rule: str
    person: str
    channel: Channel
    created_at: datetime
    expires_at: datetime
    state: State = State.CLAIMED
    reason: Reason = Reason.FIRST
    detail: str = ""  # one sentence for people, without address or secret
    attempts: int = 1
    claim: str = ""  # token of the container that holds it, or held it last
    due_at: datetime | None = None  # when the sweep processes it next; None in a final state
    body_hash: str = ""  # of the last attempt's message
    segments: int = 0  # of a text; 0 for a mail
    receipt: str = ""  # the provider's id
    lookups: int = 0  # how often the provider's list was searched for it since the last attempt
    instead_of: str = ""  # if it is a fallback: the channel that could not be used
    bundle: str = ""  # if its state is bundled: the id of the bundle it is part of
    reserved: tuple[Reserved, ...] = ()  # from budgets: one entry per attempt that was, or may have been, accepted
    steps: tuple[
        Step, ...
    ] = ()  # every transition; not the insert, unless in a final state; a very long history lacks its middle

    @property
    def log_ids(self) -> dict[str, str]:
        """What connects the log lines of one delivery, one rule and one event."""
        return {"delivery": self.id, "rule": self.rule, "event": self.event.identity}

    @property
    def lane(self) -> str:
        """What its message is paced with: see lane_of."""
        return lane_of(self.channel, self.person)

    @property
    def sent_at(self) -> datetime | None:
        """When the provider accepted it; None if it has not."""
        return next((step.at for step in reversed(self.steps) if step.state is State.SENT), None)


def delivery_id(event: Event, rule: str, address: str, channel: Channel) -> str:
    """The ledger key: a redelivered event has the same key for the same rule, address and channel."""
    return identity_of("delivery", event.identity, rule, address, channel)


# The state table: no other transition is possible. docs/reliability.md has the reason for each.
TRANSITIONS: dict[State, frozenset[State]] = {
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
INITIAL_STATES = frozenset({State.CLAIMED, State.HELD, State.DROPPED, State.BUNDLED})
FINAL_STATES = frozenset(
    {State.SENT, State.DELIVERED, State.UNDELIVERED, State.FAILED, State.EXPIRED, State.DROPPED, State.BUNDLED}
)


def delivery_summary(delivery: Delivery) -> dict[str, str | int]:
    """The main facts of a delivery as JSON, for results and lists: person, channel, state and reason."""
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
    """The provider accepted the message; `id` is the provider's id for it."""

    id: str


class Candidate(Struct, frozen=True):
    """A message in a provider's list: perhaps the one whose response was lost."""

    id: str
    body_hash: str
    created_at: datetime


class DeliveryError(Exception):
    """The provider certainly did not accept the message.

    `permanent`: another attempt cannot help, at least once it has failed for that reason for as long as `grace`.
    `retry_after`: the earliest next attempt, if the provider says so.
    The text is for the ledger: one sentence, without address or secret.
    """

    def __init__(
        self,
        reason: Reason,
        text: str,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
        grace: timedelta = timedelta(0),
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.permanent = permanent
        self.grace = grace
        self.retry_after = retry_after


class OutcomeUnknown(DeliveryError):
    """The request was sent and no usable response came: the message may have been accepted. Never resend it blindly."""
