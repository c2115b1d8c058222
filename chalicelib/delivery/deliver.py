"""The way of a notice, in running order: render, claim in the ledger, send, mark in the ledger."""

import random
import secrets
from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from ..channels.transport import Transport
from ..domain.budget import ExhaustedBudget
from ..domain.delivery import Delivery, DeliveryError, Reason, Receipt, State, delivery_id
from ..domain.event import Kind, late_identity
from ..domain.message import Message, Notice
from ..domain.people import Channel
from ..domain.settings import Settings
from ..platform import log
from ..platform.clock import Clock, utc_now
from ..platform.secrets import MissingSecret
from ..policy import outcome
from ..policy.controls import Silence, SuppressedAddress
from ..policy.send_gate import Deferral, blocked_by, deferral_for, exhausted_budget, suppressed, suppression_key
from ..rendering.renderer import Renderer
from ..rules.recipients import fallback_notice, notice_to_owner
from ..store.control import Control
from ..store.ledger import Ledger
from .defer import Deferrer

LEASE = timedelta(minutes=2)  # outlives every invocation: lambda_timeout is 60 s
SEND_RESERVE = timedelta(seconds=15)  # time a send may take: connect, wait for the answer, mark
ONCE_AN_HOUR, ONCE_A_DAY = "%Y-%m-%dT%H", "%Y-%m-%d"  # the owner hears of the same trouble once in each
IMMEDIATELY = timedelta(0)
_SUPPRESSING = (Reason.BAD_ADDRESS, Reason.OPTED_OUT)

TimeLeft = Callable[[], timedelta]


class Deliverer(Struct, eq=False):
    """Delivers notices. What it works with is handed in; the clock, the dice and the tokens too."""

    settings: Settings
    ledger: Ledger
    control: Control
    deferrer: Deferrer
    renderer: Renderer
    transport: Callable[[Channel], Transport]
    clock: Clock = utc_now
    chance: outcome.Chance = random.random
    token: Callable[[], str] = field(default=lambda: secrets.token_hex(8))
    lease: timedelta = LEASE

    @property
    def settle(self) -> timedelta:
        """How long an unknown outcome is left to settle after its lease, and between two looks: a minute."""
        return self.lease / 2

    def deliver(self, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        """Deliver a notice for the first time; [] when the ledger has it already, and then nothing is sent.

        More than one delivery when others came of it: the person's other channel, a word to the owner.
        """
        if self._told_as_late(notice):
            return []
        if obstacle := blocked_by(notice, self.settings, self.control.now(), self.clock()):
            return self._held_up(notice, obstacle, time_left)
        message = self.render(notice, time_left)
        delivery = self._new(notice, message)
        if time_left() < SEND_RESERVE:
            return self.hold(notice, Reason.OUT_OF_TIME)
        if not self._insert(delivery):
            return []
        return self.attempt(delivery, notice, message, time_left)

    def _held_up(
        self, notice: Notice, by: Silence | SuppressedAddress | Deferral | ExhaustedBudget, time_left: TimeLeft
    ) -> list[Delivery]:
        """What a notice becomes that something stands in the way of."""
        match by:
            case Silence():
                return self.drop_silenced(notice, str(by))
            case SuppressedAddress():
                others = self.fall_back(notice, time_left)
                return [*self._insert(self._dropped(notice, by.reason, suppression_note(by))), *others]
            case ExhaustedBudget():
                other = fallback_notice(replace(notice, fallback=notice.fallback or IMMEDIATELY), self.settings)
                if notice.recipient.channel is Channel.SMS and other:  # a mail wakes nobody and costs next to nothing
                    others = self.deliver(other, time_left)
                    return [*self._insert(self._dropped(notice, Reason.OVER_BUDGET, str(by))), *others]
                by = Deferral(Reason.OVER_BUDGET, by.until, str(by))
        return self.deferrer.collect(self._new(notice, None), by, self.settle)

    def drop_silenced(self, notice: Notice, silence: str) -> list[Delivery]:
        """Write down that a silenced rule would have said this; [] when the ledger has it already."""
        return self._insert(self._dropped(notice, Reason.SILENCED, silence))

    def not_before(self, notice: Notice) -> Deferral | None:
        """What a message that is due must wait for all the same: the end of quiet hours, or of a used up budget."""
        now = self.clock()
        if wait := deferral_for(replace(notice, waited=True), self.settings.zone(notice.recipient.person), now):
            return wait
        tripped = exhausted_budget(notice, self.settings, self.control.now().tripped, now)
        return Deferral(Reason.OVER_BUDGET, tripped.until, str(tripped)) if tripped else None

    def hold(self, notice: Notice, reason: Reason) -> list[Delivery]:
        """Leave a notice to the sweep, due at once; [] when the ledger has it already."""
        delivery = self._new(notice, None)
        return self._insert(replace(delivery, state=State.HELD, reason=reason, due_at=delivery.created_at))

    def attempt(self, delivery: Delivery, notice: Notice, message: Message, time_left: TimeLeft) -> list[Delivery]:
        """Send a claimed delivery, and mark what became of it. The other channel and the owner go before a failure is
        marked: should this end in between, the lease lapses and they are told again, which the ledger makes harmless.
        """
        falls_back_at = (
            delivery.created_at + notice.fallback if notice.fallback and fallback_notice(notice, self.settings) else None
        )
        try:
            receipt = self._send(delivery, message, notice.recipient.address)
        except DeliveryError as error:
            after = outcome.not_sent(delivery, error, self.clock(), self.chance, self.settle, falls_back_at)
        else:
            after = outcome.sent(delivery, receipt, self.clock())
        others = self.before_abandoning(after, notice, time_left) if after.state is State.FAILED else []
        marked = self.mark(delivery, after)
        key = suppression_key(notice, self.settings)
        if after.state is State.SENT and key in self.control.now().dead:  # a deliberate message got through
            self.control.unsuppress(key)
        return [*marked, *others]

    def before_abandoning(self, after: Delivery, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        """A delivery is about to fail or expire: remember a dead address, try the other channel, tell the owner."""
        if after.reason in _SUPPRESSING:
            self._suppress(notice, after)
        others = self.fall_back(notice, time_left)
        if notice.event.kind is not Kind.TROUBLE:
            how = f" and went by {others[0].channel} instead" if others else ""
            sentence = (
                f"A message to {after.person} by {after.channel} was given up{how}: {after.reason}"
                f"{': ' if after.detail else ''}{after.detail}. Rule {after.rule}; dropnote show {after.id} tells more."
            )
            self.notify_owner(f"failed {after.channel}", sentence, time_left, failed=after.channel)
        return others

    def notify_owner(
        self, about: str, sentence: str, time_left: TimeLeft, *, failed: Channel | None = None, once: str = ONCE_AN_HOUR
    ) -> None:
        """Tell the owner that the bot is in trouble, once an hour (or A_DAY) for each thing it is about, by another way than
        the one that failed where there is one.
        """
        notice = notice_to_owner(self.settings, about, sentence, self.clock(), once, failed)
        if notice:
            self.deliver(notice, time_left)

    def fall_back(self, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        """Deliver by the person's other channel, where the rule says so and they have one."""
        other = fallback_notice(notice, self.settings)
        return self.deliver(other, time_left) if other else []

    def dead(self, notice: Notice) -> SuppressedAddress | None:
        """Why nothing may go to this address; None where it may. A deliberate test goes out all the same."""
        return suppressed(notice, self.settings, self.control.now())

    def render(self, notice: Notice, time_left: TimeLeft) -> Message:
        """The message, as today's templates make it; a template that fails gives way to the plain one."""
        rendered = self.renderer.render(
            notice.template,
            channel=notice.recipient.channel,
            event=notice.event,
            rule=notice.rule,
            person=notice.recipient.person,
        )
        if rendered.trouble:
            log.warning("template-failed", template=notice.template, rule=notice.rule, why=rendered.trouble)
            if notice.event.kind is not Kind.TROUBLE:
                self.notify_owner(f"template {notice.template}", rendered.trouble, time_left)
        return rendered.message

    def connected(self, channel: Channel) -> Transport:
        """The channel's transport.

        Raises:
            DeliveryError: its secret cannot be read, or the settings do not have it: nothing was sent, and both can be
                put right.
        """
        try:
            return self.transport(channel)
        except (MissingSecret, LookupError) as error:
            raise DeliveryError(Reason.AUTH, str(error)) from error

    def mark(self, old: Delivery, new: Delivery) -> list[Delivery]:
        """Write one arrow down. Where somebody else was quicker that is left alone, except that what was sent stays sent."""
        if self.ledger.transition(old, new):
            _tell(new)
            return [new]
        if new.state is State.SENT and (there := self.ledger.get(old.id)) and there.state is State.UNKNOWN:
            late = outcome.sent(there, Receipt(new.receipt), self.clock())  # we were taken for dead
            if self.ledger.transition(there, late):
                _tell(late)
                return [late]
        log.info("overtaken", delivery=old.id)
        return []

    def _new(self, notice: Notice, message: Message | None) -> Delivery:
        now, recipient = self.clock(), notice.recipient
        return Delivery(
            id=delivery_id(notice.event, notice.rule, recipient.address, recipient.channel),
            event=notice.event,
            rule=notice.rule,
            person=recipient.person.name,
            channel=recipient.channel,
            created_at=now,
            expires_at=now + notice.expires,
            claim=self.token(),
            due_at=now + self.lease,
            body_hash=message.body_hash if message else "",
            segments=message.segments if message else 0,
            instead_of=notice.instead_of,
        )

    def _dropped(self, notice: Notice, reason: Reason, detail: str) -> Delivery:
        return replace(self._new(notice, None), state=State.DROPPED, reason=reason, detail=detail, due_at=None)

    def _insert(self, delivery: Delivery) -> list[Delivery]:
        there = self.ledger.insert(delivery)
        if (there.claim, there.state) != (delivery.claim, delivery.state):
            return self.deferrer.again(there, self.settle)
        if delivery.state is not State.CLAIMED:
            _tell(delivery)
        return [delivery]

    def _told_as_late(self, notice: Notice) -> bool:
        """Did a backfill announce it before its event came? Asked of the ledger only for events of before the backfill."""
        event = notice.event
        until = self.control.now().backfilled_until.get(event.upload.bucket) if event.upload else None
        if until is None or event.at > until or event.upload is None:
            return False
        late = replace(event, identity=late_identity(event.upload))
        told = self.ledger.get(delivery_id(late, notice.rule, notice.recipient.address, notice.recipient.channel))
        return told is not None and late.identity != event.identity

    def _send(self, delivery: Delivery, message: Message, address: str) -> Receipt:
        return self.connected(delivery.channel).send(message, to=address, delivery_id=delivery.id)

    def _suppress(self, notice: Notice, delivery: Delivery) -> None:
        log.warning("dead-address", person=delivery.person, channel=delivery.channel, reason=delivery.reason)
        suppressed = SuppressedAddress(delivery.person, delivery.channel, delivery.reason, self.clock())
        self.control.suppress(suppression_key(notice, self.settings), suppressed)


def suppression_note(suppressed: SuppressedAddress) -> str:
    """What the ledger says of a message that was not sent to a dead address."""
    return f"since {suppressed.since:%Y-%m-%d %H:%M} UTC; `dropnote test {suppressed.person}` tries it again"


def _tell(delivery: Delivery) -> None:
    usual = (State.SENT, State.DELIVERED, State.HELD, State.DROPPED, State.BUNDLED)
    tell = log.info if delivery.state in usual else log.warning
    tell(
        delivery.state.value,
        delivery=delivery.id,
        rule=delivery.rule,
        person=delivery.person,
        channel=delivery.channel,
        reason=delivery.reason,
        detail=delivery.detail,
        attempts=delivery.attempts,
        receipt=delivery.receipt,
    )
