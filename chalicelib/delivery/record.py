"""Records deliveries in the ledger: new rows, and each change of their state, with one log line per outcome."""

import secrets
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from ..domain.budget import ScopeLimits
from ..domain.delivery import Delivery, Reason, Receipt, State, delivery_id
from ..domain.message import Message, Notice
from ..domain.people import Channel
from ..domain.settings import Settings
from ..platform import log
from ..platform.clock import Clock, utc_now
from ..policy import outcome
from ..store.ledger import NO_LIMITS, Ledger
from ..store.rows.versions import UnreadableRow, log_unreadable
from .defer import Deferrer

LEASE = timedelta(minutes=2)  # longer than any invocation: lambda_timeout is 60 s, and 90 s for the sweep, which paces for 58 s
_EXPECTED_STATES = (State.SENT, State.DELIVERED, State.HELD, State.DROPPED, State.BUNDLED)  # others are logged as warnings


class DeliveryRecorder(Struct, eq=False, kw_only=True):
    """Creates deliveries and records their state. The clock and the token generator are passed in."""

    ledger: Ledger
    deferrer: Deferrer
    clock: Clock = utc_now
    token: Callable[[], str] = field(default=lambda: secrets.token_hex(8))
    lease: timedelta = LEASE

    @property
    def settle_delay(self) -> timedelta:
        """How long a provider's list and pending writes get to settle before they are read: half a lease, a minute."""
        return self.lease / 2

    def hold(self, notice: Notice, reason: Reason) -> list[Delivery]:
        """Leave a notice to the sweep, due immediately; [] if the ledger already has it."""
        delivery = self.new_delivery(notice)
        return self.insert(replace(delivery, state=State.HELD, reason=reason, due_at=delivery.created_at))

    def drop(self, notice: Notice, reason: Reason, why: str) -> list[Delivery]:
        """Record that a notice is not sent; [] if the ledger already has it."""
        return self.insert(replace(self.new_delivery(notice), state=State.DROPPED, reason=reason, detail=why, due_at=None))

    def new_delivery(self, notice: Notice, message: Message | None = None) -> Delivery:
        """Create the row of a notice: claimed by this container until the lease ends."""
        now, recipient = self.clock(), notice.recipient
        return Delivery(
            id=delivery_id(notice.event, notice.rule, recipient.address, recipient.channel),
            event=notice.event,
            rule=notice.rule,
            person=recipient.person.name,
            channel=recipient.channel,
            created_at=now,
            expires_at=now + notice.expires,
            attempts=1 if message else 0,
            claim=self.token(),
            due_at=now + self.lease,
            body_hash=message.body_hash if message else "",
            segments=message.segments if message else 0,
            instead_of=notice.instead_of,
        )

    def in_thread(self, message: Message, notice: Notice, settings: Settings) -> Message:
        """Let an update of an incident join the thread that the incident's first message started in a forum channel of Discord.

        It starts a thread of its own if that message was not sent, or not yet.
        """
        recipient, news = notice.recipient, notice.event.news
        webhook = settings.webhooks.get(recipient.address) if recipient.channel is Channel.WEBHOOK else None
        if not (webhook and webhook.forum and news and news.root not in ("", notice.event.identity)):
            return message
        root = replace(notice.event, identity=news.root)
        try:
            stored = self.ledger.get(delivery_id(root, notice.rule, recipient.address, recipient.channel))
        except UnreadableRow as error:  # a later version wrote it: a thread is worth no message
            log_unreadable(error)
            return message
        return replace(message, reply_to=stored.receipt) if stored else message

    def insert(self, delivery: Delivery, limits: ScopeLimits = NO_LIMITS) -> list[Delivery]:
        """Insert a new row; [] if the ledger already has it: the event came again, or another container is sending it.

        Raises: see Ledger.insert.
        """
        stored = self.ledger.insert(delivery, limits)
        if (stored.claim, stored.state) != (delivery.claim, delivery.state):
            return self.deferrer.handle_duplicate(stored, self.settle_delay)
        if delivery.state is not State.CLAIMED:
            _log_state(delivery)
        return [delivery]

    def mark(self, old: Delivery, new: Delivery) -> list[Delivery]:
        """Record a change of state; [] if another writer was faster, except that a sent message is always recorded as sent."""
        if self.ledger.transition(old, new):
            _log_state(new)
            return [new]
        stored = self.ledger.get(old.id) if new.state is State.SENT else None
        if stored and stored.receipt == new.receipt:  # the provider's own receipt was recorded first
            return [stored]
        if stored and stored.state is State.UNKNOWN:
            sent = outcome.mark_sent(stored, Receipt(new.receipt), self.clock())  # a sweep assumed that this sender had died
            if self.ledger.transition(stored, sent):
                _log_state(sent)
                return [sent]
        log.info("overtaken", **old.log_ids)
        return []


def _log_state(delivery: Delivery) -> None:
    write = log.info if delivery.state in _EXPECTED_STATES else log.warning
    write(
        delivery.state.value,
        **delivery.log_ids,
        person=delivery.person,
        channel=delivery.channel,
        reason=delivery.reason,
        detail=delivery.detail,
        attempts=delivery.attempts,
        receipt=delivery.receipt,
    )
