"""Budgets under load: 200 containers with stale controls send at the same moment, and no limit is exceeded by one segment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from chalicelib.bot import Bot
from chalicelib.delivery.defer import Deferrer
from chalicelib.domain.budget import Usage
from chalicelib.domain.delivery import Delivery, State
from chalicelib.domain.event import Batch, Event
from chalicelib.store.bundles import Bundles
from chalicelib.store.control import TableStore
from chalicelib.store.ledger import Ledger
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.stages import TABLE, Stage, plenty, real_stage
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
