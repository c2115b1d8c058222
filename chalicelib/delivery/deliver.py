"""Delivers a notice, in running order: check the send gate, render, claim in the ledger, send, record the outcome.

A message that fails temporarily (throttled, no connection) becomes a retry row, which the sweep sends later. One that fails
permanently is abandoned: the person's other channel is tried, and the owner is notified.
"""

import random
from collections.abc import Callable
from datetime import timedelta

from msgspec import field
from msgspec.structs import replace

from ..channels.transport import Transport, reading_secrets
from ..domain.budget import ExhaustedBudget, ScopeLimits
from ..domain.delivery import Delivery, DeliveryError, Reason, State, delivery_id
from ..domain.event import Kind, late_identity
from ..domain.message import NO_LINKS, MailLinks, Message, Notice
from ..domain.people import Channel
from ..domain.settings import Settings
from ..platform import log
from ..policy import outcome
from ..policy.controls import Silence, SuppressedAddress
from ..policy.send_gate import (
    Deferral,
    blocked_by,
    deferral_for,
    exhausted_budget,
    ignores_budgets,
    limits_of,
    over_budget,
    suppressed,
    suppression_key,
)
from ..rendering.renderer import Renderer
from ..rules.recipients import fallback_notice, notice_to_owner
from ..store.budgets import BudgetsBusy, OverBudget
from ..store.control import Control
from ..store.ledger import NO_LIMITS
from .pacing.hand_over import HandOver, pause
from .record import DeliveryRecorder

SEND_RESERVE = timedelta(seconds=15)  # a send may take this long: connect, wait for the response, record the outcome
ONCE_AN_HOUR, ONCE_A_DAY = "%Y-%m-%dT%H", "%Y-%m-%d"  # strftime: one notice to the owner per topic and hour, or day
IMMEDIATELY = timedelta(0)
_SUPPRESSING = (Reason.BAD_ADDRESS, Reason.OPTED_OUT)

TimeLeft = Callable[[], timedelta]


class Deliverer(DeliveryRecorder, eq=False, kw_only=True):
    """Delivers notices. Everything it uses is passed in, including the clock and the random numbers."""

    settings: Settings
    control: Control
    renderer: Renderer
    transport: Callable[[Channel], Transport]
    chance: outcome.Chance = random.random
    hand_over: HandOver = field(default_factory=HandOver)

    def deliver(self, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        """Deliver a notice for the first time; returns [], and sends nothing, if the ledger already has it.

        May return more than one delivery, for example that of the person's other channel.
        """
        if self._announced_by_backfill(notice):
            return []
        if block := blocked_by(notice, self.settings, self.control.now(), self.clock()):
            return self._drop_or_defer(notice, block, time_left)
        if self.hand_over.must_wait(notice, self.control, self.clock()):
            return self.hold(notice, Reason.WAITING)
        message = self.render(notice, time_left)
        if time_left() < SEND_RESERVE:
            return self.hold(notice, Reason.OUT_OF_TIME)
        return self._claim_and_send(notice, message, time_left)

    def _claim_and_send(self, notice: Notice, message: Message, time_left: TimeLeft) -> list[Delivery]:
        """Claim a new message, which reserves it against its budgets, and send it."""
        delivery, limits = self.reserve(self.new_delivery(notice, message), notice)
        try:
            inserted = self.insert(delivery, limits)
        except OverBudget as error:
            self.control.note_exhausted(*error.budgets)
            return self._drop_or_defer(notice, error.budget, time_left)
        except BudgetsBusy:
            return self.hold(notice, Reason.WAITING)
        if not inserted:
            return []
        attempted = self.attempt(delivery, notice, message, time_left)
        if any(after.id == delivery.id and after.reason is Reason.RATE for after in attempted):
            self.hand_over.record_throttle(notice, self.settings, self.control, self.clock())
        return attempted

    def reserve(self, delivery: Delivery, notice: Notice) -> tuple[Delivery, ScopeLimits]:
        """Let a claimed delivery count towards its budgets; returns it and the limits that its claim must not exceed."""
        limits = limits_of(notice, self.settings)
        return outcome.reserve(delivery, limits, self.clock()), NO_LIMITS if ignores_budgets(notice) else limits

    def _drop_or_defer(
        self, notice: Notice, block: Silence | SuppressedAddress | Deferral | ExhaustedBudget, time_left: TimeLeft
    ) -> list[Delivery]:
        """Handle a blocked notice: drop it, send it by the other channel, or defer it to a digest."""
        match block:
            case Silence():
                return self.drop(notice, Reason.SILENCED, str(block))
            case SuppressedAddress():
                fallbacks = self.fall_back(notice, time_left)
                return [*self.drop(notice, block.reason, str(block)), *fallbacks]
            case ExhaustedBudget():
                by_mail = fallback_notice(replace(notice, fallback=notice.fallback or IMMEDIATELY), self.settings)
                if by_mail and notice.recipient.channel.is_paid > by_mail.recipient.channel.is_paid:  # an e-mail wakes nobody
                    if stored := self.ledger.get(self.new_delivery(notice).id):  # sent before the budget was exhausted
                        return self.deferrer.handle_duplicate(stored, self.settle_delay)
                    fallbacks = self.deliver(by_mail, time_left)
                    return [*self.drop(notice, Reason.OVER_BUDGET, str(block)), *fallbacks]
                block = over_budget(block)
        return self.deferrer.defer(self.new_delivery(notice), block, self.settle_delay)

    def recheck_deferral(self, notice: Notice) -> Deferral | None:
        """Return why a message that is due must be deferred again (quiet hours, an exhausted budget); None if it can be sent."""
        now = self.clock()
        if deferral := deferral_for(replace(notice, deferred=True), self.settings.zone(notice.recipient.person), now):
            return deferral
        budget = exhausted_budget(notice, self.settings, self.control.now().exhausted, now)
        return over_budget(budget) if budget else None

    def attempt(self, delivery: Delivery, notice: Notice, message: Message, time_left: TimeLeft) -> list[Delivery]:
        """Send a claimed delivery and record the outcome: sent, retry (for example if throttled), unknown or failed.

        A failure is recorded after the fallback and the notice to the owner: if this process dies in between, the lease ends and
        both are repeated, and the ledger prevents duplicates.
        """
        falls_back_at = (
            delivery.created_at + notice.fallback if notice.fallback and fallback_notice(notice, self.settings) else None
        )
        try:
            self.hand_over.check_pause(notice, self.control.now(), self.clock())
            transport = self.open_transport(delivery.channel)
            receipt = transport.send(message, to=notice.recipient.address, delivery_id=delivery.id)
        except DeliveryError as error:
            if error.reason is Reason.QUOTA:
                self._pause(delivery, error, time_left)
            after = outcome.record_failed_attempt(delivery, error, self.clock(), self.chance, self.settle_delay, falls_back_at)
        else:
            after = outcome.mark_sent(delivery, receipt, self.clock())
        fallbacks = self.before_abandoning(after, notice, time_left) if after.state is State.FAILED else []
        marked = self.mark(delivery, after)
        key = suppression_key(notice, self.settings)
        if after.state is State.SENT and key in self.control.now().suppressed:  # a test or a resent message was accepted
            self.control.unsuppress(key)
        return [*marked, *fallbacks]

    def before_abandoning(self, after: Delivery, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        """Before a delivery is recorded as failed or expired: suppress a bad address, try the other channel, notify the owner."""
        if after.reason in _SUPPRESSING:
            self._suppress(notice, after)
        fallbacks = self.fall_back(notice, time_left)
        if notice.event.kind is not Kind.TROUBLE:
            instead = f" and sent by {fallbacks[0].channel} instead" if fallbacks else ""
            sentence = (
                f"A message to {after.person} by {after.channel} was abandoned{instead}: {after.reason}"
                f"{': ' if after.detail else ''}{after.detail}. Rule {after.rule}; details: dropnote show {after.id}."
            )
            self.notify_owner(f"failed {after.channel}", sentence, time_left, failed=after.channel)
        return fallbacks

    def fall_back(self, notice: Notice, time_left: TimeLeft) -> list[Delivery]:
        """Deliver by the person's other channel, if the rule allows it and they have one."""
        fallback = fallback_notice(notice, self.settings)
        return self.deliver(fallback, time_left) if fallback else []

    def notify_owner(
        self, about: str, sentence: str, time_left: TimeLeft, *, failed: Channel | None = None, once: str = ONCE_AN_HOUR
    ) -> None:
        """Notify the owner of a problem of the bot, once an hour or day per topic, if possible not by the channel that failed."""
        notice = notice_to_owner(self.settings, about, sentence, self.clock(), once, failed)
        if notice:
            self.deliver(notice, time_left)

    def suppression(self, notice: Notice) -> SuppressedAddress | None:
        """Return why nothing may be sent to a notice's address; None if it may. Tests are always sent."""
        return suppressed(notice, self.settings, self.control.now())

    def render(self, notice: Notice, time_left: TimeLeft) -> Message:
        """Render a notice with the current templates. If a template fails, use `plain` and notify the owner."""
        rendered = self.renderer.render(
            notice.template,
            channel=notice.recipient.channel,
            event=notice.event,
            rule=notice.rule,
            person=notice.recipient.person,
            links=self._links(notice),
        )
        if rendered.problem:
            log.warning("template-failed", template=notice.template, why=rendered.problem, **notice.log_ids)
            if notice.event.kind is not Kind.TROUBLE:
                self.notify_owner(f"template {notice.template}", rendered.problem, time_left)
        return self.in_thread(rendered.message, notice, self.settings)

    def _links(self, notice: Notice) -> MailLinks:
        """Return the links of a mail, or the link to the object of another message; none without a public URL."""
        if notice.sign_in:
            return MailLinks(sign_in=notice.sign_in)
        has_links = notice.recipient.channel is Channel.EMAIL or ((rule := self.settings.rule(notice.rule)) and rule.link)
        if not has_links or (settings := self.control.now().links) is None:
            return NO_LINKS
        from .feedback.mail_links import make_links  # imported late: not needed without a public URL

        return make_links(settings, notice, self.settings, self.clock)

    def open_transport(self, channel: Channel) -> Transport:
        """Return the channel's transport.

        Raises:
            DeliveryError: its secret cannot be read, now or until somebody stores it, or the settings lack it. Nothing was sent,
                so the message is retried.
        """
        with reading_secrets():
            return self.transport(channel)

    def _pause(self, delivery: Delivery, error: DeliveryError, time_left: TimeLeft) -> None:
        """Pause a channel, or one webhook, whose quota is exhausted, and notify the owner once a day."""
        lane = delivery.lane
        if until := pause(lane, error, self.settings, self.control, self.clock()):
            sentence = f"The quota of {lane} is exhausted: {error}. Nothing is sent by {lane} until {until:%Y-%m-%d %H:%M} UTC."
            self.notify_owner(f"quota {lane}", sentence, time_left, failed=delivery.channel, once=ONCE_A_DAY)

    def _announced_by_backfill(self, notice: Notice) -> bool:
        """Whether a backfill found this upload before its event arrived. Reads the ledger only for events before a backfill."""
        event = notice.event
        until = self.control.now().backfilled_until.get(event.upload.bucket) if event.upload else None
        if until is None or event.at > until or event.upload is None:
            return False
        late = replace(event, identity=late_identity(event.upload))
        stored = self.ledger.get(delivery_id(late, notice.rule, notice.recipient.address, notice.recipient.channel))
        return stored is not None and late.identity != event.identity

    def _suppress(self, notice: Notice, delivery: Delivery) -> None:
        log.warning("dead-address", person=delivery.person, channel=delivery.channel, reason=delivery.reason, **delivery.log_ids)
        address = SuppressedAddress(delivery.person, delivery.channel, delivery.reason, self.clock(), delivery.detail)
        self.control.suppress(suppression_key(notice, self.settings), address)
