"""Hand-over: uploads leave their messages to the sweep while there is a backlog, and a channel without quota is paused."""

from datetime import timedelta

import pytest

from chalicelib.bot.bot import Bot
from chalicelib.delivery.pacing.request import SweepRequest
from chalicelib.domain.delivery import DeliveryError, Reason, Receipt, State
from chalicelib.domain.event import Batch, Event
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.policy.controls import ChannelPace
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.providers import Answer, Provider
from tests.support.stages import Stage, memory_stage, plenty

URGENT = """
[[rules]]
name = "urgent"
bucket = "${UPLOAD_BUCKET}"
key = "urgent/**"
notify = ["email:asha"]
urgent = true
then = "off"
"""
MAILS = {'notify = ["email:asha", "sms:asha"]': 'key = "in/**"\nnotify = ["email:asha"]'}


def event(number: int, folder: str = "in") -> Event:
    return an_upload(f"{folder}/{number:04}.txt", sequencer=f"{number:06}")


def states(stage: Stage) -> list[tuple[State, Reason]]:
    """The state and reason of each row, oldest first."""
    return [(row.state, row.reason) for row in stage.ledger.rows.values()]


@pytest.fixture
def stage() -> Stage:
    return memory_stage(some_settings(URGENT, **MAILS))


def take(bot: Bot, *events: Event) -> None:
    bot.take(Batch(events=events), plenty)


def test_throttled_container_leaves_its_next_messages_to_the_sweep(stage: Stage) -> None:
    stage.mail.answers = [Answer.THROTTLE]
    stage.take(event(1), event(2), event(3))
    assert states(stage) == [(State.RETRY, Reason.RATE), (State.HELD, Reason.WAITING), (State.HELD, Reason.WAITING)]
    stage.sweep()
    assert len(stage.mail.accepted) == 3


def test_other_containers_follow_and_only_the_first_starts_a_sweep(stage: Stage) -> None:
    stage.mail.answers = [Answer.THROTTLE, Answer.THROTTLE]
    _, throttled_too = stage.container()
    _, follows = stage.container()
    throttled_too.deliverer.control.now()  # it does not read the control item again for a while
    stage.take(event(1))
    take(throttled_too, event(2))
    take(follows, event(3))
    assert states(stage) == [(State.RETRY, Reason.RATE), (State.RETRY, Reason.RATE), (State.HELD, Reason.WAITING)]
    assert stage.started == [SweepRequest(temporary=True)]


def test_busy_container_notices_a_backlog_within_seconds(stage: Stage) -> None:
    _, other = stage.container()
    take(other, event(0))
    stage.mail.answers = [Answer.THROTTLE]
    stage.take(event(1))
    for number in range(2, 9):
        stage.later(seconds=1)
        take(other, event(number))
    assert [state for state, _ in states(stage)].count(State.SENT) == 3
    assert states(stage)[-1] == (State.HELD, Reason.WAITING)


def test_urgent_message_is_tried_directly_during_a_backlog(stage: Stage) -> None:
    stage.mail.answers = [Answer.THROTTLE]
    stage.take(event(1), event(2, "urgent"))
    assert states(stage)[1][0] is State.SENT


def test_urgent_messages_wait_after_one_of_them_was_throttled(stage: Stage) -> None:
    stage.mail.answers = [Answer.THROTTLE]
    stage.take(event(1, "urgent"), event(2, "urgent"))
    assert states(stage) == [(State.RETRY, Reason.RATE), (State.HELD, Reason.WAITING)]


def test_uploads_send_directly_again_when_the_sweep_has_drained_the_queues(stage: Stage) -> None:
    stage.mail.answers = [Answer.THROTTLE]
    stage.take(event(1))
    stage.sweep()
    _, other = stage.container()
    take(other, event(2))
    assert states(stage)[-1][0] is State.SENT
    stage.later(minutes=1)
    stage.take(event(3))  # this container has also forgotten that it was throttled
    assert states(stage)[-1][0] is State.SENT


def test_late_messages_of_containers_that_still_hand_over_are_sent_in_the_same_sweep(stage: Stage) -> None:
    stage.mail.answers = [Answer.THROTTLE]
    stage.take(event(1))
    pause, pending = stage.pause, [event(2)]

    def pause_and_take(seconds: float) -> None:
        pause(seconds)
        if pending:
            take(stage.bot, pending.pop())

    stage.bot._sweeper.pause = pause_and_take
    stage.sweep()
    assert len(stage.mail.accepted) == 2


class Exhausted(Provider):
    """A provider whose daily quota is exhausted until a time."""

    requests = 0
    until = NOON

    def send(self, message: Message, *, to: str, delivery_id: str) -> Receipt:
        self.requests += 1
        if self.clock() < self.until:
            raise DeliveryError(Reason.QUOTA, "the daily quota is exhausted", retry_after=timedelta(hours=2))
        return super().send(message, to=to, delivery_id=delivery_id)


@pytest.fixture
def exhausted(stage: Stage) -> Exhausted:
    provider = Exhausted(Channel.EMAIL, stage.clock)
    provider.until = stage.now + timedelta(hours=2)
    stage.mail = provider
    return provider


def test_exhausted_quota_pauses_the_channel_and_notifies_the_owner_once(stage: Stage, exhausted: Exhausted) -> None:
    for number in range(20):
        stage.bot.intake.hold(event(number), Reason.WAITING)
    stage.sweep_for(minutes=90)
    assert exhausted.requests == 1
    held = [row for row in stage.ledger.rows.values() if row.rule == "uploads"]
    assert sorted(len(row.steps) for row in held) == [0] * 19 + [3]  # held, claimed, waiting for its slot
    assert [row.channel for row in stage.ledger.rows.values() if row.rule == "trouble"] == [Channel.EMAIL]  # ben has no phone
    stage.sweep_for(minutes=40)
    assert len([mail for mail in exhausted.accepted if mail.to == "asha@example.com"]) == 20


def test_upload_during_a_pause_is_held_even_if_urgent(stage: Stage, exhausted: Exhausted) -> None:
    stage.take(event(1), event(2), event(3, "urgent"))
    uploads = [row for row in stage.ledger.rows.values() if row.rule != "trouble"]
    assert [(row.state, row.reason) for row in uploads] == [
        (State.RETRY, Reason.QUOTA),
        (State.HELD, Reason.WAITING),
        (State.HELD, Reason.WAITING),
    ]
    assert exhausted.requests == 1


def test_messages_of_a_paused_channel_expire_and_fall_back() -> None:
    sms = {'notify = ["email:asha", "sms:asha"]': 'notify = ["email:asha"]\nfallback = "10m"'}
    stage = memory_stage(some_settings(**sms))
    pace = ChannelPace(14, 14, stage.now, paused_until=stage.now + timedelta(days=2))
    stage.deliverer.control.record_pace(Channel.EMAIL, pace)
    stage.take(event(1))
    stage.sweep_for(minutes=9)
    assert stage.states() == {"email": "held"}
    stage.sweep_for(minutes=2)
    assert stage.states() == {"email": "failed", "sms": "sent"}
    assert stage.mail.accepted == []


def test_quota_without_a_time_pauses_for_an_hour(stage: Stage) -> None:
    stage.mail.send = _no_quota  # type: ignore[method-assign]
    stage.take(event(1))
    pace = stage.deliverer.control.now().paces[Channel.EMAIL]
    assert pace.paused_until == stage.now + timedelta(hours=1)


def _no_quota(*_: object, **__: object) -> Receipt:
    raise DeliveryError(Reason.QUOTA, "the daily quota is exhausted")
