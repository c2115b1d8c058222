"""The way of a notice, in running order: render, claim in the ledger, send, mark in the ledger."""

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from . import log
from .audience import Notice, by_person, of_delivery
from .channels import DeliveryError, Receipt, Transport
from .clock import Clock, utc_now
from .delivery import Delivery, Reason, State, delivery_id
from .events import Event, Kind, identity_of
from .ledger import Ledger
from .message import Channel, Message
from .parameters import MissingSecret
from .policy import outcome
from .render import Renderer
from .settings import Settings

LEASE = timedelta(minutes=2)  # outlives every invocation: lambda_timeout is 60 s
SWEEP_ROWS = 200
SWEEP_RESERVE = timedelta(seconds=15)  # time a last send may take: connect, wait, mark


@dataclass
class Deliverer:
    """Delivers notices. What it works with is handed in; the clock, the dice and the tokens too."""

    settings: Settings
    ledger: Ledger
    renderer: Renderer
    transport: Callable[[Channel], Transport]
    clock: Clock = utc_now
    chance: outcome.Chance = random.random
    token: Callable[[], str] = field(default=lambda: secrets.token_hex(8))

    def deliver(self, notice: Notice) -> Delivery | None:
        """Deliver a notice for the first time; None when the ledger has it already, and then nothing is sent."""
        message = self._render(notice)
        now = self.clock()
        recipient = notice.recipient
        delivery = Delivery(
            id=delivery_id(notice.event, notice.rule, recipient.address, recipient.channel),
            event=notice.event,
            rule=notice.rule,
            person=recipient.person.name,
            channel=recipient.channel,
            created_at=now,
            expires_at=now + notice.expires,
            claim=self.token(),
            due_at=now + LEASE,
        )
        if not self.ledger.insert(delivery):
            log.info("duplicate", delivery=delivery.id, rule=delivery.rule, event=notice.event.identity)
            return None
        return self._attempt(delivery, message, recipient.address)

    def sweep(self, time_left: Callable[[], timedelta]) -> list[Delivery]:
        """Deliver what is due, oldest first, until nothing is or the time runs short; the rest stays due."""
        swept = []
        for delivery in self.ledger.due(self.clock(), SWEEP_ROWS):
            if time_left() < SWEEP_RESERVE:
                break
            moved = self._again(delivery)
            if moved is not None:
                swept.append(moved)
        return swept

    def tell_owner(self, about: str, sentence: str) -> None:
        """Tell the owner that the bot is in trouble, once an hour for each thing it is about."""
        owner = self.settings.people.get(self.settings.bot.owner)
        now = self.clock()
        identity = identity_of("trouble", about, f"{now:%Y-%m-%dT%H}")
        event = Event(Kind.TROUBLE, identity, now, detail=sentence)
        for notice in by_person(event, owner, every_channel=False) if owner else []:
            self.deliver(notice)

    def _again(self, delivery: Delivery) -> Delivery | None:
        """Take a due delivery one arrow further; None when another sweeper was quicker."""
        now = self.clock()
        if delivery.state is State.CLAIMED:
            return self._moved(delivery, outcome.lapsed(delivery))
        if now >= delivery.expires_at:
            return self._moved(delivery, outcome.expired(delivery))
        notice = of_delivery(delivery, self.settings)
        if isinstance(notice, str):
            return self._moved(delivery, outcome.undeliverable(delivery, notice))
        message = self._render(notice)
        claimed = outcome.claimed(delivery, self.token(), now, LEASE)
        if not self.ledger.move(delivery, claimed):
            return None
        return self._attempt(claimed, message, notice.recipient.address)

    def _render(self, notice: Notice) -> Message:
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
                self.tell_owner(f"template {notice.template}", rendered.trouble)
        return rendered.message

    def _attempt(self, delivery: Delivery, message: Message, address: str) -> Delivery:
        try:
            receipt = self._send(delivery, message, address)
        except DeliveryError as error:
            after = outcome.not_sent(delivery, error, message.body_hash, self.clock(), self.chance)
        else:
            after = outcome.sent(delivery, receipt, message.body_hash, self.clock())
        return self._moved(delivery, after) or after

    def _send(self, delivery: Delivery, message: Message, address: str) -> Receipt:
        try:
            transport = self.transport(delivery.channel)
        except (MissingSecret, LookupError) as error:  # nothing was sent, and settings can be put right
            raise DeliveryError(Reason.AUTH, str(error)) from error
        return transport.send(message, to=address, delivery_id=delivery.id)

    def _moved(self, old: Delivery, new: Delivery) -> Delivery | None:
        done = self.ledger.move(old, new)
        tell = log.info if new.state in (State.SENT, State.DROPPED) else log.warning
        tell(
            new.state.value if done else "overtaken",
            delivery=new.id,
            rule=new.rule,
            person=new.person,
            channel=new.channel,
            reason=new.reason,
            detail=new.detail,
            attempt=new.attempts,
            event=new.event.identity,
        )
        return new if done else None
