"""A bot on a local AWS: real conditions in DynamoDB, a transport that a test holds in its hand."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from chalicelib.bot import Bot
from chalicelib.channels import Receipt
from chalicelib.deliver import Deliverer
from chalicelib.ledger import Ledger
from chalicelib.message import Channel, Message
from chalicelib.render import Renderer
from chalicelib.settings import Settings
from tests.builders import NOON, some_settings
from workbench.ministack import MiniStack
from workbench.places import PROJECT
from workbench.resources import apply_stack

TABLE = "dropnote-prod-ledger"


@dataclass
class Sent:
    """A transport: keeps what it was given; raises what `fails` says for the next sends."""

    channel: Channel
    log: list[tuple[str, str, Message]]
    fails: list[Exception]
    numbers: Iterator[int]

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        if self.fails:
            raise self.fails.pop(0)
        self.log.append((self.channel.value, to, message))
        return Receipt(f"R{next(self.numbers)}")


@dataclass
class Stage:
    """A bot, what it sent, and its clock."""

    ministack: MiniStack
    settings: Settings = field(default_factory=some_settings)
    now: datetime = NOON
    sent: list[tuple[str, str, Message]] = field(default_factory=list)
    fails: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        apply_stack(self.ministack, PROJECT / "resources.yaml", "prod")
        self.client: Any = self.ministack.client("dynamodb")
        self.ledger = Ledger(self.client, TABLE)
        numbers, tokens = count(1), count(1)
        self.deliverer = Deliverer(
            settings=self.settings,
            ledger=self.ledger,
            renderer=Renderer(self.settings, stage="prod"),
            transport=lambda channel: Sent(channel, self.sent, self.fails, numbers),
            clock=lambda: self.now,
            chance=lambda: 1.0,
            token=lambda: f"t{next(tokens)}",
        )
        self.bot = Bot(self.settings, self.deliverer)

    def later(self, **span: int) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def sweep(self) -> list[str]:
        """Sweep with all the time there is; the states that came of it."""
        return [delivery.state.value for delivery in self.bot.sweep(lambda: timedelta(minutes=1))]
