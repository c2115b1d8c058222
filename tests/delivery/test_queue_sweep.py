"""The queues: each channel at its pace, urgent messages first, rules in turn, and never two sweeps on one shard."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from chalicelib.delivery.pacing import leases
from chalicelib.delivery.pacing.request import SweepRequest
from chalicelib.domain.delivery import Reason, State
from chalicelib.domain.event import Event
from chalicelib.domain.people import Channel
from chalicelib.policy.controls import ChannelPace
from chalicelib.store.queues import Lease
from chalicelib.store.rows import keys as rows
from tests.support.builders import an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty
from tests.support.virtual_time import VirtualTime

TWO_RULES = """
[[rules]]
name = "other"
bucket = "${UPLOAD_BUCKET}"
key = "other/**"
notify = ["email:ben"]
then = "off"
[[rules]]
name = "urgent"
bucket = "${UPLOAD_BUCKET}"
key = "urgent/**"
notify = ["email:ben"]
urgent = true
then = "off"
"""
NO_BUDGET = {"[people.asha]": "[people.asha]\nbudget = []"}  # the default one would stop most of these messages
SECOND = timedelta(seconds=1)


@pytest.fixture
def stage() -> Stage:
    return memory_stage(
        some_settings(
            TWO_RULES,
            **{
                'notify = ["email:asha", "sms:asha"]': 'key = "in/**"\nnotify = ["email:asha"]',
                **NO_BUDGET,
            },
        )
    )


def hold(stage: Stage, count: int, folder: str = "in", start: int = 0) -> None:
    """Leave uploads to the sweep."""
    for number in range(start, start + count):
        stage.bot.intake.hold(event(number, folder), Reason.WAITING)


def event(number: int, folder: str = "in") -> Event:
    return an_upload(f"{folder}/{number:04}.txt", sequencer=f"{number:06}")


def folders(stage: Stage) -> list[str]:
    """The folders of the accepted mails, in order."""
    return [row.event.upload.key.partition("/")[0] for mail in stage.mail.accepted if (row := stage.ledger.get(mail.delivery))]


def after(stage: Stage, seconds: float, work: Callable[[], object]) -> None:
    """Do some work while the stage's sweep waits."""
    at, pause, pending = stage.now + seconds * SECOND, stage.pause, [work]

    def pause_and_work(span: float) -> None:
        pause(span)
        if pending and stage.now >= at:
            pending.pop()()

    stage.bot._sweeper.pause = pause_and_work


def test_messages_are_sent_at_the_pace_of_the_provider(stage: Stage) -> None:
    hold(stage, 140)
    started_at = stage.now
    stage.sweep()
    by_second = Counter(int(mail.at.timestamp()) for mail in stage.mail.accepted)
    assert max(by_second.values()) <= 14
    assert len(stage.mail.accepted) == 140
    assert stage.mail.accepted[-1].at - started_at < 11 * SECOND


def test_a_sweep_uses_its_minute_and_the_next_one_continues(stage: Stage) -> None:
    hold(stage, 1_000)
    started_at = stage.now
    stage.sweep()
    assert 57 * SECOND < stage.now - started_at < 60 * SECOND
    assert 700 < len(stage.mail.accepted) < 14 * 60
    assert stage.deliverer.control.now().paces[Channel.EMAIL].backlog_until is not None
    stage.now = started_at + 60 * SECOND
    stage.sweep()
    assert len({mail.delivery for mail in stage.mail.accepted}) == len(stage.mail.accepted) == 1_000
    assert stage.deliverer.control.now().paces[Channel.EMAIL].backlog_until is None


def test_texts_do_not_wait_for_mails() -> None:
    stage = memory_stage(some_settings(**NO_BUDGET))
    hold(stage, 60)
    started_at = stage.now
    stage.sweep()
    assert [len(stage.mail.accepted), len(stage.text.accepted)] == [60, 60]
    assert stage.text.accepted[-1].at - started_at < 7 * SECOND  # 60 texts at 10 per second; the mails meanwhile


def test_urgent_messages_are_sent_first_and_rules_take_turns(stage: Stage) -> None:
    hold(stage, 300)
    hold(stage, 1, "other", start=300)
    hold(stage, 5, "urgent", start=301)
    stage.sweep()
    assert folders(stage)[:5] == ["urgent"] * 5
    assert "other" in folders(stage)[5:7]


def test_new_message_is_sent_within_seconds_during_a_backlog(stage: Stage) -> None:
    hold(stage, 500)
    arrived_at: list[datetime] = []

    def arrive() -> None:
        arrived_at.append(stage.now)
        hold(stage, 1, "other", start=500)

    after(stage, 10, arrive)
    stage.sweep()
    position = folders(stage).index("other")
    assert stage.mail.accepted[position].at - arrived_at[0] < 4 * SECOND


def test_throttled_message_is_sent_in_a_later_slot_of_the_same_sweep(stage: Stage) -> None:
    hold(stage, 20)
    stage.mail.answers = [Answer.ACCEPT] * 5 + [Answer.THROTTLE]
    stage.sweep()
    assert len(stage.mail.accepted) == 20
    assert Counter(row.attempts for row in stage.ledger.rows.values()) == {1: 19, 2: 1}


def test_expired_messages_need_no_slot(stage: Stage) -> None:
    hold(stage, 300)
    stage.later(hours=25)
    started_at = stage.now
    assert stage.sweep() == ["email expired"] * 300
    assert stage.now == started_at


def test_idle_sweep_writes_nothing_and_forgets_unused_queues(stage: Stage) -> None:
    hold(stage, 1)
    stage.sweep()
    stage.later(minutes=59)
    stage.ledger.queues.acquire = None  # not called
    stage.sweep()
    assert len(stage.ledger.queues.read().queues) == 1
    stage.later(minutes=2)
    stage.sweep()
    assert stage.ledger.queues.read().queues == ()


def test_queue_with_a_row_that_is_due_later_is_not_forgotten(stage: Stage) -> None:
    hold(stage, 1)
    stage.mail.answers = [Answer.UNREACHABLE]
    stage.sweep()
    (row,) = stage.ledger.rows.values()
    (queue,) = stage.ledger.queues.read().queues
    assert row.due_at > stage.now
    assert not stage.ledger.queues.forget(queue, stage.now + timedelta(hours=5))


def test_second_sweep_leaves_the_shards_that_are_being_sent(stage: Stage) -> None:
    hold(stage, 200)
    _, other = stage.container()
    sent: list[int] = []

    def sweep() -> None:
        before = len(stage.mail.accepted)
        other.sweep(plenty)
        sent.append(len(stage.mail.accepted) - before)

    after(stage, 5, sweep)
    stage.sweep()
    assert (sent, len(stage.mail.accepted)) == ([0], 200)


def test_lease_of_a_sweep_that_died_ends(stage: Stage) -> None:
    hold(stage, 10)
    for shard in range(rows.index_shards()):
        stage.ledger.queues.acquire(Lease(shard, "dead", stage.now + leases.LEASE), stage.now)
    assert stage.sweep() == []
    stage.later(minutes=1)
    started_at = stage.now
    assert len(stage.sweep()) == 10
    assert stage.now - started_at < leases.WAIT


def test_sweep_of_the_schedule_takes_over_from_a_temporary_one(stage: Stage) -> None:
    time = VirtualTime(stage.now)
    hold(stage, 1_000)
    sent: dict[str, int] = {"temporary": 0, "scheduled": 0}

    def sweep(name: str, request: SweepRequest) -> None:
        deliverer, bot = stage.container()
        deliverer.clock = deliverer.control._clock = stage.mail.clock = time.clock
        bot._sweeper.pause = time.pause
        sent[name] = len([delivery for delivery in bot._sweeper.sweep(plenty, request) if delivery.state is State.SENT])

    time.start(stage.now, partial(sweep, "temporary", SweepRequest(temporary=True)))
    time.start(stage.now + 30 * SECOND, partial(sweep, "scheduled", SweepRequest()))
    time.run(lambda: False)
    assert 300 < sent["temporary"] < 400
    assert sent["scheduled"] == 1_000 - sent["temporary"]
    assert max(Counter(int(mail.at.timestamp()) for mail in stage.mail.accepted).values()) <= 14


def test_number_of_shards_can_grow(make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    stage = make_stage(some_settings())
    hold(stage, 12)
    monkeypatch.setattr(rows, "INDEX_SHARDS", 7)
    hold(stage, 12, start=12)
    stage.mail.answers = [Answer.THROTTLE]  # and old rows move
    stage.sweep()
    assert [len(stage.mail.accepted), len(stage.text.accepted)] == [24, 24]
    assert {queue.shards for queue in stage.ledger.queues.read().queues} == {7}
    monkeypatch.setattr(rows, "INDEX_SHARDS", 4)  # a container of the earlier version
    stage.later(hours=1)
    hold(stage, 1, start=24)
    assert {queue.shards for queue in stage.ledger.queues.read().queues} == {7}


def test_several_sweeps_share_a_high_rate(stage: Stage) -> None:
    stage.deliverer.control.record_pace(Channel.EMAIL, ChannelPace(100, 96, stage.now))
    hold(stage, 600)
    stage.sweep()
    assert stage.started == [SweepRequest((shard,), 0.25) for shard in (1, 2, 3)]
    ids = {mail.delivery for mail in stage.mail.accepted}
    assert {rows.index_shard(id_) for id_ in ids} == {0}
    for request in stage.started:
        stage.bot.sweep(plenty, {"shards": list(request.shards), "share": request.share})
    assert len({mail.delivery for mail in stage.mail.accepted}) == len(stage.mail.accepted) == 600


def test_one_sweep_is_enough_for_few_messages_or_a_low_rate(stage: Stage) -> None:
    hold(stage, 200)
    stage.sweep()
    stage.deliverer.control.record_pace(Channel.EMAIL, ChannelPace(100, 96, stage.now))
    hold(stage, 20, start=200)
    stage.sweep()
    assert (stage.started, len(stage.mail.accepted)) == ([], 220)


def test_rate_in_the_settings_is_a_ceiling_for_ses(stage: Stage) -> None:
    assert stage.settings.email
    stage.settings = replace(stage.settings, email=replace(stage.settings.email, rate=5))
    stage.deliverer, stage.bot = stage.container()
    stage.deliverer.control.record_pace(Channel.EMAIL, ChannelPace(100, 96, stage.now))
    hold(stage, 50)
    started_at = stage.now
    stage.sweep()
    assert 9 * SECOND < stage.mail.accepted[-1].at - started_at < 12 * SECOND


def test_work_per_row_and_memory_do_not_grow_with_the_backlog() -> None:
    """Rows read per message sent, and rows held in memory, for a backlog ten times as large."""
    reads = {count: _reads_of_one_sweep(count) for count in (2_000, 20_000)}
    assert reads[20_000] == reads[2_000]


def _reads_of_one_sweep(count: int) -> tuple[int, int]:
    """The rows that one sweep reads while more is due than it can send, and the largest page."""
    stage = memory_stage(some_settings(**{'notify = ["email:asha", "sms:asha"]': 'notify = ["email:asha"]', **NO_BUDGET}))
    hold(stage, count)
    pages: list[int] = []
    page = stage.ledger.queues.page

    def counted(*arguments: object) -> object:
        rows, cursor = page(*arguments)
        pages.append(len(rows))
        return rows, cursor

    stage.ledger.queues.page = counted
    stage.sweep()
    assert len(stage.mail.accepted) > 700
    return sum(pages), max(pages)
