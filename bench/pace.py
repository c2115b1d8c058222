"""Measures how fast a backlog is sent, in virtual time: the real bot, a provider that accepts so many messages per second.

    make bench-pace
    make bench-pace PACE="--row 300"
    make bench-pace PACE=--http         the deployed bot, over HTTP: bench/pace_http.py

A row's floor is the time that the provider alone needs. Uploads arrive within the first minute, in as many containers as there
are uploads in a second. The schedule's first sweep starts half a minute after the first upload.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import perf_counter

import click

from bench import pace_http, pace_scale
from bench.report import TARGET_COLUMNS, Target, target_rows
from chalicelib.bot.bot import Bot
from chalicelib.delivery.pacing.request import SweepRequest
from chalicelib.delivery.sweep import EVERYTHING
from chalicelib.domain.delivery import DeliveryError, Reason, Receipt
from chalicelib.domain.event import Batch, Event
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.policy.controls import ChannelPace
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.stages import Stage, memory_stage, plenty
from tests.support.virtual_time import VirtualTime
from workbench.output import print_json, print_table, say

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FIRST_SWEEP = timedelta(seconds=30)  # after the first upload: on average, the schedule's next sweep is that far away
START_DELAY = timedelta(seconds=1)  # of a function that is invoked
BILLED = timedelta(seconds=90)  # the sweep's time limit
MAX_MINUTES = 120
COLUMNS = (
    "",
    "mails",
    "minutes",
    "floor",
    "ratio",
    "throttled",
    "% of sends",
    "longest urgent wait",
    "other rule",
    "s",
)
SETTINGS = """
[people.carol]
email = "carol@example.com"
budget = []
[[rules]]
name = "other"
bucket = "${UPLOAD_BUCKET}"
key = "other/**"
notify = ["email:carol"]
then = "off"
[[rules]]
name = "urgent"
bucket = "${UPLOAD_BUCKET}"
key = "urgent/**"
notify = ["email:carol"]
urgent = true
then = "off"
"""


@dataclass(frozen=True)
class Scenario:
    """A row of the table."""

    title: str
    mails: int
    rate: int  # that the provider accepts per second
    halved: bool = False  # after half of the mails
    mixed: bool = False  # with urgent mails and one of another rule
    recorded: bool = True  # the hourly check has read the rate from SES


SCENARIOS = (
    Scenario("2,000 in a minute", 2_000, 14),
    Scenario("10,000 in a minute", 10_000, 14),
    Scenario("300 in a minute, SES sandbox", 300, 1),
    Scenario("10,000, rate halved half-way", 10_000, 14, halved=True),
    Scenario("2,000, with urgent and other ones", 2_000, 14, mixed=True),
    Scenario("300, rate not yet read from SES", 300, 1, recorded=False),
    Scenario("20,000 at 100 per second, four sweeps", 20_000, 100),
)


@dataclass
class Provider:
    """Accepts so many messages in each second of its clock and throttles the others, as SES does."""

    clock: Callable[[], datetime]
    scenario: Scenario
    accepted: dict[str, datetime] = field(default_factory=dict)
    throttled: int = 0
    _second: int = 0
    _count: int = 0

    @property
    def limit(self) -> int:
        """What is accepted in this second."""
        is_halved = self.scenario.halved and len(self.accepted) >= self.scenario.mails // 2
        return self.scenario.rate // 2 if is_halved else self.scenario.rate

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        """See Transport."""
        second = int(self.clock().timestamp())
        if second != self._second:
            self._second, self._count = second, 0
        if self._count >= self.limit:
            self.throttled += 1
            raise DeliveryError(Reason.RATE, "maximum sending rate exceeded")
        self._count += 1
        self.accepted[delivery_id] = self.clock()
        return Receipt(delivery_id)


@dataclass(frozen=True)
class Result:
    """What a row measured."""

    scenario: Scenario
    mails: int
    sent: int
    minutes: float
    floor: float
    throttled: int
    urgent_wait_s: float
    other_wait_s: float
    seconds: float

    @property
    def ratio(self) -> float:
        """The time until all were sent, relative to the provider's floor."""
        return self.minutes / self.floor

    @property
    def wasted(self) -> float:
        """Throttled requests, in percent of the sent messages."""
        return 100 * self.throttled / max(1, self.sent)


def settings() -> Settings:
    """One rule with one recipient by mail, and two others."""
    mails = 'budget = []\nemail = "asha@example.com"\nsms'
    recipients = 'key = "in/**"\nnotify = ["email:asha"]'
    one = {'notify = ["email:asha", "sms:asha"]': recipients, 'email = "asha@example.com"\nsms': mails}
    return some_settings(SETTINGS, **one)


def events(scenario: Scenario) -> list[tuple[timedelta, Event]]:
    """The uploads and when each arrives."""
    spacing = MINUTE / scenario.mails
    uploads = [(number * spacing, f"in/{number:05}.txt") for number in range(scenario.mails)]
    if scenario.mixed:
        uploads += [(number * 3 * SECOND, f"urgent/{number:05}.txt") for number in range(40)]
        uploads.append((50 * SECOND, "other/one.txt"))
    return [(after, an_upload(key, sequencer=f"{number:06}")) for number, (after, key) in enumerate(sorted(uploads))]


class Run:
    """One row: containers that take the uploads, and sweeps."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.time = scenario, VirtualTime(NOON)
        self.stage: Stage = memory_stage(settings())
        self.provider = Provider(self.time.clock, scenario)
        self.sweeping = self.container()
        if scenario.recorded:
            pace = ChannelPace(scenario.rate, scenario.rate * 0.96, NOON)
            self.sweeping.deliverer.control.record_pace(Channel.EMAIL, pace)

    def container(self) -> Bot:
        """A container of the upload function, which can start a sweep."""
        deliverer, bot = self.stage.container()
        deliverer.clock = deliverer.control._clock = self.time.clock
        deliverer.transport = lambda channel: self.provider
        bot._sweeper.pause = self.time.pause
        bot._sweeper.start = self.start_sweep
        deliverer.hand_over.start_sweep = lambda: self.start_sweep(SweepRequest(temporary=True))
        return bot

    def start_sweep(self, request: SweepRequest) -> None:
        """Start a sweep in a container of its own."""
        at = self.time.now + START_DELAY
        self.time.start(at, partial(self.sweep, self.container(), at, request))

    def sweep(self, bot: Bot, started_at: datetime, request: SweepRequest) -> None:
        """Run a sweep."""
        bot._sweeper.sweep(lambda: BILLED - (self.time.now - started_at), request)

    def run(self) -> Result:
        """Run the scenario."""
        started = perf_counter()
        containers = [self.container() for _ in range(max(2, self.scenario.mails // 60))]
        uploads = events(self.scenario)
        arrived: dict[str, datetime] = {}
        for number, (after, event) in enumerate(uploads):
            bot = containers[number % len(containers)]
            arrived[event.upload.key if event.upload else ""] = NOON + after
            self.time.at(NOON + after, partial(bot.take, Batch(events=(event,)), plenty))
        for minute in range(MAX_MINUTES):
            at = NOON + FIRST_SWEEP + minute * MINUTE
            self.time.start(at, partial(self.sweep, self.sweeping, at, EVERYTHING))
        self.time.run(lambda: len(self.provider.accepted) >= len(uploads))
        waits: dict[str, float] = {}
        for id_, at in self.provider.accepted.items():
            key = self.stage.ledger.rows[id_].event.upload.key
            folder = key.partition("/")[0]
            waits[folder] = max(waits.get(folder, 0.0), (at - arrived[key]).total_seconds())
        return Result(
            self.scenario,
            len(uploads),
            len(self.provider.accepted),
            (max(self.provider.accepted.values()) - NOON) / MINUTE,
            self.floor(len(uploads)),
            self.provider.throttled,
            waits.get("urgent", 0.0),
            waits.get("other", 0.0),
            perf_counter() - started,
        )

    def floor(self, mails: int) -> float:
        """Minutes that the provider alone needs, and at least the minute in which the uploads arrive."""
        rate = self.scenario.rate
        seconds = mails / 2 / rate + mails / 2 / (rate // 2) if self.scenario.halved else mails / rate
        return max(seconds / 60, 1.0)


def row(result: Result) -> list[str]:
    """A row of the table."""
    mixed = result.scenario.mixed
    return [
        result.scenario.title,
        f"{result.sent:,}" + ("" if result.sent == result.mails else f" of {result.mails:,}"),
        f"{result.minutes:.2f}",
        f"{result.floor:.2f}",
        f"{result.ratio:.2f}",
        f"{result.throttled}",
        f"{result.wasted:.1f}",
        f"{result.urgent_wait_s:.0f} s" if mixed else "",
        f"{result.other_wait_s:.0f} s" if mixed else "",
        f"{result.seconds:.0f}",
    ]


def targets(results: Sequence[Result]) -> list[Target]:
    """The targets of `make bench-pace`."""
    return [
        Target("unsent mails", sum(result.mails - result.sent for result in results), 0),
        Target("minutes / floor, maximum", max(result.ratio for result in results), 1.2),
        Target("throttled requests, % of sends, maximum", max(result.wasted for result in results), 5),
    ]


@click.command()
@click.option("--row", "rows", multiple=True, help="Only the rows whose title contains this")
@click.option("--http", is_flag=True, help="1,000 uploads to the deployed bot instead, in real time")
@click.option("--json", "json_", is_flag=True)
def main(rows: tuple[str, ...], http: bool, json_: bool) -> None:
    """Measure how fast a backlog is sent, and how many requests are throttled"""
    if http:
        pace_http.main(args=[])
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)
    chosen = [scenario for scenario in SCENARIOS if not rows or any(part in scenario.title for part in rows)]
    results = [Run(scenario).run() for scenario in chosen]
    checked = targets(results) + ([] if rows else pace_scale.targets())
    if json_:
        print_json([{**vars(result), "scenario": result.scenario.title} for result in results])
    else:
        print_table(COLUMNS, [row(result) for result in results])
        say("")
        print_table(TARGET_COLUMNS, target_rows(checked))
    if not all(target.met for target in checked):
        sys.exit(1)


if __name__ == "__main__":
    main()
