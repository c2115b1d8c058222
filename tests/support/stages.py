"""A bot whose ledger, providers and clock a test holds in its hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from chalicelib.bot import Bot
from chalicelib.delivery.defer import Deferrer
from chalicelib.delivery.deliver import Deliverer
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
    """Time left: enough."""
    return timedelta(minutes=1)


@dataclass
class Stage:
    """A bot, what it sent, and its clock. `ledger` is a real one or one in memory: nothing here can tell."""

    ledger: Any
    store: Store
    bundles: Any
    settings: Settings = field(default_factory=some_settings)
    now: datetime = NOON
    beats: list[str] = field(default_factory=list)  # the URLs of heartbeats
    incidents: Any = field(default_factory=MemoryIncidents)

    def __post_init__(self) -> None:
        self.mail, self.text = Provider(Channel.EMAIL, self.clock), TextProvider(Channel.SMS, self.clock)
        self._tokens = count(1)
        self.deliverer, self.bot = self.container()

    def container(self) -> tuple[Deliverer, Bot]:
        """A bot of its own, as another container has it: they share ledger, control item and providers."""
        deliverer = Deliverer(
            settings=self.settings,
            ledger=self.ledger,
            control=Control(self.store, self.clock),
            deferrer=Deferrer(self.ledger, self.bundles, self.clock),
            renderer=Renderer(self.settings, stage="prod"),
            transport=lambda channel: self.mail if channel is Channel.EMAIL else self.text,
            clock=self.clock,
            chance=lambda: 1.0,
            token=lambda: f"t{next(self._tokens)}",
        )
        watch = Watch(deliverer, self.incidents, self.clients)
        return deliverer, Bot(deliverer, concurrency=1, make_watch=lambda: watch, beat=self.beats.append)

    def clients(self, service: str, **_: Any) -> Any:
        """Clients of AWS: a test that needs one gives it."""
        raise LookupError(service)

    def clock(self) -> datetime:
        """The time that a test gave it."""
        return self.now

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)

    def answer(self, *answers: Answer) -> None:
        """What both providers answer next."""
        self.mail.answers += answers
        self.text.answers += answers

    def take(self, *events: Event) -> list[Delivery]:
        """Give the bot a batch of these events, a moment after the last one, with all the time there is."""
        self.later(milliseconds=1)
        return self.bot.take(Batch(events=events), plenty)

    def sweep(self, time_left: Callable[[], timedelta] = plenty) -> list[str]:
        """Sweep once; each delivery that went an arrow further, as "sms sent"."""
        return [f"{done.channel} {done.state}" for done in self.bot.sweep(time_left)]

    def sweep_for(self, **span: float) -> list[str]:
        """Sweep every minute for that long."""
        until, done = self.now + timedelta(**span), []
        while self.now < until:
            self.later(minutes=1)
            done += self.sweep()
        return done

    def everything(self) -> list[Delivery | Parked]:
        """All rows, newest first."""
        return list(self.ledger.newest(NOON - timedelta(days=1), self.now))

    def rows(self, rule: str = "uploads") -> dict[str, Delivery]:
        """The newest delivery of a rule by each channel; "trouble" has those to the owner."""
        found = [row for row in self.everything() if isinstance(row, Delivery) and row.rule == rule]
        return {row.channel.value: row for row in reversed(found)}

    def states(self, rule: str = "uploads") -> dict[str, str]:
        """How the newest delivery of a rule stands, by channel."""
        return {channel: row.state.value for channel, row in self.rows(rule).items()}

    @property
    def sent(self) -> list[tuple[str, str, Message]]:
        """Every message that was taken: channel, address, message; mails first."""
        return [(each.message.channel.value, each.to, each.message) for each in [*self.mail.taken, *self.text.taken]]

    def addresses(self) -> list[str]:
        """Where the messages went, mails first."""
        return [to for _, to, _ in self.sent]


def real_stage(ministack: MiniStack, settings: Settings | None = None) -> Stage:
    """A stage on a real table."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    client = ministack.client("dynamodb")
    return Stage(
        Ledger(client, TABLE),
        TableStore(client, TABLE),
        Bundles(client, TABLE),
        settings or some_settings(),
        incidents=Incidents(client, TABLE),
    )


def memory_stage(settings: Settings | None = None) -> Stage:
    """A stage in memory: thousands of them a second."""
    ledger = MemoryLedger()
    return Stage(ledger, MemoryStore(), MemoryBundles(ledger), settings or some_settings())


def counters_client(ministack: MiniStack) -> Any:
    """A client of DynamoDB where the stage's tables are, and counters stay however old they are."""
    apply_stack(ministack, PROJECT / "resources.yaml", "prod")
    client = ministack.client("dynamodb")
    by_age = {"AttributeName": "ttl", "Enabled": False}  # the tests' clock is not the emulator's
    client.update_time_to_live(TableName=COUNTERS, TimeToLiveSpecification=by_age)
    return client
