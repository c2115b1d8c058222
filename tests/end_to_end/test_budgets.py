"""Budgets under load: 200 containers with stale controls send at the same moment, and no limit is exceeded by one segment."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from random import Random
from threading import Barrier
from typing import Any

from chalicelib.bot.bot import Bot
from chalicelib.counting.deliveries import DeliveryCounter
from chalicelib.delivery.defer import Deferrer
from chalicelib.domain.budget import Usage
from chalicelib.domain.delivery import FINAL_STATES, Delivery, State
from chalicelib.domain.event import Batch, Event
from chalicelib.store.bundles import Bundles
from chalicelib.store.control import TableStore
from chalicelib.store.ledger import Ledger
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.providers import Answer, Died
from tests.support.stages import COUNTERS, TABLE, Stage, counters_client, plenty, real_stage
from tests.support.streams import batch, record
from workbench.local.ministack import MiniStack, local_client

SENDERS = 200
LONG_NAME = "in/Квартальный отчёт, версия для печати {number}.pdf"  # its text has two segments of 67 characters


def stage_with(ministack: MiniStack, budget: str, notify: str) -> Stage:
    replaced = {"[people.asha]": f"[people.asha]\nbudget = {budget}", '["email:asha", "sms:asha"]': notify}
    stage = real_stage(ministack, some_settings(**replaced))
    client = local_client(ministack.endpoint, "dynamodb", max_pool_connections=SENDERS, read_timeout=60)
    stage.ledger, stage.store, stage.bundles = Ledger(client, TABLE), TableStore(client, TABLE), Bundles(client, TABLE)
    return stage


def senders(stage: Stage) -> list[Bot]:
    """Containers that have read the control item before anything was sent."""
    bots = [stage.container()[1] for _ in range(SENDERS)]
    controls = stage.deliverer.control.now()
    for bot in bots:
        bot.deliverer.control._cached = (controls, stage.now)
        bot.deliverer.deferrer = Deferrer(stage.ledger, stage.bundles, stage.clock)
    return bots


def send_together(stage: Stage, events: list[Event]) -> None:
    barrier = Barrier(SENDERS)

    def send(bot: Bot, event: Event) -> None:
        barrier.wait()
        bot.take(Batch(events=(event,)), plenty)

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send, senders(stage), events))


def uploads(name: str) -> list[Event]:
    return [an_upload(name.format(number=number), sequencer=f"{number:04}") for number in range(SENDERS)]


def rows(stage: Stage, channel: str) -> list[Delivery]:
    return [row for row in stage.all_rows() if isinstance(row, Delivery) and row.channel == channel and row.rule == "uploads"]


def states(found: list[Delivery]) -> dict[State, int]:
    counted: dict[State, int] = {}
    for row in found:
        counted[row.state] = counted.get(row.state, 0) + 1
    return counted


def usage(stage: Stage) -> Any:
    return stage.ledger.usage("person asha", NOON)


def test_200_texts_of_two_segments_use_200_segments_exactly_and_the_others_become_mails(ministack: MiniStack) -> None:
    stage = stage_with(ministack, '"200 segments per day"', '["sms:asha"]')
    send_together(stage, uploads(LONG_NAME))
    assert [text.message.segments for text in stage.text.accepted] == [2] * 100
    assert usage(stage) == Usage(messages=200, segments=200, in_hour=200)
    assert states(rows(stage, "sms")) == {State.SENT: 100, State.DROPPED: 100}
    assert states(rows(stage, "email")) == {State.SENT: 100}
    dropped = {row.event.identity for row in rows(stage, "sms") if row.state is State.DROPPED}
    assert {row.event.identity for row in rows(stage, "email")} == dropped


def test_200_mails_use_100_messages_exactly_and_the_others_are_sent_as_one_after_the_hour(ministack: MiniStack) -> None:
    stage = stage_with(ministack, '"100 per hour"', '["email:asha"]')
    send_together(stage, uploads("in/{number}.pdf"))
    assert len(stage.mail.accepted) == 100
    assert usage(stage) == Usage(messages=100, in_hour=100)
    assert states(rows(stage, "email")) == {State.SENT: 100, State.BUNDLED: 100}
    stage.sweep_for(minutes=62)
    (digest,) = stage.mail.accepted[100:]
    assert "100" in digest.message.subject


def test_after_a_storm_with_kills_the_streams_counts_equal_the_reservations(ministack: MiniStack) -> None:
    """A message that may have been sent twice was reserved twice; the stream counts it once, as it was sent."""
    stage = stage_with(ministack, '["100 per hour", "150 segments per day"]', '["email:asha", "sms:asha"]')
    dice = Random(7)
    events = uploads("in/{number}.pdf")[:60]
    pending = [*events, *dice.sample(events, 20)]
    while pending:  # AWS sends an event again until its invocation ends
        stage.answer(*dice.choices([*Answer], [6, 0, 0, 1, 1, 1, 1, 0], k=1))
        stage.later(seconds=dice.randint(0, 20))
        _, bot = stage.container()
        kill(bot, dice.randint(1, 12))
        try:
            bot.take(Batch(events=(pending[0],)), plenty)
        except Died:
            dice.shuffle(pending)
        else:
            del pending[0]
        if dice.random() < 0.2:
            stage.sweep()
    stage.mail.answers, stage.text.answers = [], []
    stage.sweep_for(minutes=70)
    deliveries = [row for row in stage.all_rows() if isinstance(row, Delivery)]
    assert {row.state for row in deliveries} <= FINAL_STATES
    counter = DeliveryCounter(
        stage.deliverer, {"DROPNOTE_COUNTERS": COUNTERS}, lambda service, config: counters_client(ministack)
    )
    records = [record(None, row) for row in deliveries if row.state is State.SENT]
    for start in range(0, len(records), 50):
        assert counter.take(batch(*records[start : start + 50]), plenty) == {"batchItemFailures": []}
    twice = Counter(
        entry.at.replace(minute=0, second=0, microsecond=0)
        for row in deliveries
        for entry in (row.reserved[:-1] if row.state is State.SENT else row.reserved)
        if "person asha" in entry.scopes
    )
    hours = [NOON + timedelta(hours=number) for number in range(4)]
    counted = counter.counters.sent_by_hour("asha", NOON, NOON + timedelta(hours=4))
    reserved = {hour: stage.ledger.usage("person asha", hour).in_hour for hour in hours}
    assert {hour: counted.get(hour, 0) + twice[hour] for hour in hours} == reserved
    assert sum(twice.values()) > 0
    assert max(reserved.values()) <= 100


def kill(bot: Bot, at_call: int) -> None:
    """Let a container die at its n-th call to the ledger, before or after it."""
    ledger, calls = bot.deliverer.ledger, count(1)

    class Dying:
        def __getattr__(self, name: str) -> Any:
            call = getattr(ledger, name)
            return call if name not in ("insert", "transition") else lambda *arguments: self.call(call, *arguments)

        def call(self, call: Callable[..., Any], *arguments: Any) -> Any:
            number = next(calls)
            if number == at_call:
                raise Died
            result = call(*arguments)
            if number + 1 == at_call:
                raise Died
            return result

    bot.deliverer.ledger = Dying()  # type: ignore[assignment]
