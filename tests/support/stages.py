"""A bot whose ledger, providers and clock are under a test's control."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from chalicelib.bot.bot import Bot
from chalicelib.delivery.defer import Deferrer
from chalicelib.delivery.deliver import Deliverer
from chalicelib.delivery.pacing.hand_over import HandOver
from chalicelib.delivery.pacing.request import SweepRequest
from chalicelib.domain.delivery import Delivery
from chalicelib.domain.event import Batch, Event
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.monitors.runner import Watch
from chalicelib.rendering.renderer import Renderer
from chalicelib.store.bundles import Bundles
from chalicelib.store.control import Control, Store, TableStore
from chalicelib.store.incidents import Incidents
from chalicelib.store.ledger import Ledger
from chalicelib.store.rows import Parked
from tests.support.builders import NOON, some_settings
from tests.support.memory import MemoryBundles, MemoryIncidents, MemoryLedger, MemoryStore
from tests.support.providers import Answer, Provider, TextProvider
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.paths import PROJECT

TABLE = "dropnote-prod-ledger"
COUNTERS = "dropnote-prod-counters"


def plenty() -> timedelta:
    """Time left: enough for everything."""
    return timedelta(minutes=1)


@dataclass
class Stage:
    """A bot, its clock and what it sent. `ledger` is a real one or one in memory."""

    ledger: Any
    store: Store
    bundles: Any
    settings: Settings = field(default_factory=some_settings)
    now: datetime = NOON
    beats: list[str] = field(default_factory=list)  # the URLs of heartbeats
    incidents: Any = field(default_factory=MemoryIncidents)
    started: list[SweepRequest] = field(default_factory=list)  # further sweeps

    def __post_init__(self) -> None:
        self.mail, self.text = Provider(Channel.EMAIL, self.clock), TextProvider(Channel.SMS, self.clock)
        self.chat, self.whatsapp = Provider(Channel.WEBHOOK, self.clock), TextProvider(Channel.WHATSAPP, self.clock)
        self._tokens = count(1)
        self.deliverer, self.bot = self.container()

    def container(self) -> tuple[Deliverer, Bot]:
        """A separate bot, as in another container: they share ledger, control item and providers."""
        deliverer = Deliverer(
            settings=self.settings,
            ledger=self.ledger,
            control=Control(self.store, self.clock),
            deferrer=Deferrer(self.ledger, self.bundles, self.clock),
            renderer=Renderer(self.settings, stage="prod"),
            transport=lambda channel: self.providers[channel],
            clock=self.clock,
            chance=lambda: 1.0,
            token=lambda: f"t{next(self._tokens)}",
            hand_over=HandOver(lambda: self.started.append(SweepRequest(temporary=True))),
        )
        watch = Watch(deliverer, self.incidents, self.clients)
        return deliverer, Bot(
            deliverer,
            concurrency=1,
            make_watch=lambda: watch,
            beat=self.beats.append,
            pause=self.pause,
            start_sweep=self.started.append,
        )

    @property
    def providers(self) -> dict[Channel, Provider]:
        """The provider of each channel."""
        providers = (self.mail, self.text, self.chat, self.whatsapp)
        return {provider.channel: provider for provider in providers}

    def clients(self, service: str, **_: Any) -> Any:
        """AWS clients: tests that need one replace this."""
        raise LookupError(service)

    def clock(self) -> datetime:
        """The time set by the test."""
        return self.now

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def pause(self, seconds: float) -> None:
        """Let the time pass that a sweep waits."""
        self.later(seconds=seconds)

    def answer(self, *answers: Answer) -> None:
        """Set what both providers respond next."""
        self.mail.answers += answers
        self.text.answers += answers

    def take(self, *events: Event) -> list[Delivery]:
        """Let the bot handle these events as one batch, a moment after the previous one."""
        self.later(milliseconds=1)
        return self.bot.take(Batch(events=events), plenty)

    def sweep(self, time_left: Callable[[], timedelta] = plenty) -> list[str]:
        """Sweep once; returns each delivery that changed its state, as "sms sent"."""
        return [f"{delivery.channel} {delivery.state}" for delivery in self.bot.sweep(time_left)]

    def sweep_for(self, **span: float) -> list[str]:
        """Sweep once a minute for a period."""
        until, changes = self.now + timedelta(**span), []
        while self.now < until:
            self.later(minutes=1)
            changes += self.sweep()
        return changes

    def all_rows(self) -> list[Delivery | Parked]:
        """All rows, newest first."""
        return list(self.ledger.newest(NOON - timedelta(days=1), self.now))

    def rows(self, rule: str = "uploads") -> dict[str, Delivery]:
        """The newest delivery of a rule on each channel; "trouble" has those to the owner."""
        deliveries = [row for row in self.all_rows() if isinstance(row, Delivery) and row.rule == rule]
        return {row.channel.value: row for row in reversed(deliveries)}

    def states(self, rule: str = "uploads") -> dict[str, str]:
        """The state of a rule's newest delivery on each channel."""
        return {channel: row.state.value for channel, row in self.rows(rule).items()}

    @property
    def sent(self) -> list[tuple[str, str, Message]]:
        """Every accepted message: channel, address, message; e-mails first."""
        accepted = [item for provider in self.providers.values() for item in provider.accepted]
        return [(item.message.channel.value, item.to, item.message) for item in accepted]

    def addresses(self) -> list[str]:
        """The addresses of all accepted messages, e-mails first."""
        return [to for _, to, _ in self.sent]


def real_ledger(ministack: MiniStack, client: Any = None) -> Ledger:
    """A ledger on a real table that does not wait between attempts; with a client of its own, a test can observe its calls."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    return Ledger(client or ministack.client("dynamodb"), TABLE, pause=lambda _: None, chance=lambda: 0.5)


def real_stage(ministack: MiniStack, settings: Settings | None = None, client: Any = None) -> Stage:
    """A stage on a real table; with a client of its own, a test can observe its calls."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    client = client or ministack.client("dynamodb")
    return Stage(
        Ledger(client, TABLE),
        TableStore(client, TABLE),
        Bundles(client, TABLE),
        settings or some_settings(),
        incidents=Incidents(client, TABLE),
    )


def memory_stage(settings: Settings | None = None) -> Stage:
    """A stage in memory: fast enough for thousands of them."""
    ledger = MemoryLedger()
    return Stage(ledger, MemoryStore(), MemoryBundles(ledger), settings or some_settings())


def counters_client(ministack: MiniStack) -> Any:
    """A DynamoDB client with the stage's tables, where counters never expire."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    client = ministack.client("dynamodb")
    no_expiry = {"AttributeName": "ttl", "Enabled": False}  # the test's clock differs from the emulator's
    client.update_time_to_live(TableName=COUNTERS, TimeToLiveSpecification=no_expiry)
    return client
