"""Counted messages exhaust budgets: the owner is notified, and nothing is exhausted too soon."""

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.counting.deliveries import usage_of
from chalicelib.domain.budget import ExhaustedBudget, Limit
from chalicelib.domain.delivery import Reason, State
from chalicelib.domain.people import Channel
from chalicelib.policy.budget import parse_limit, period_of
from chalicelib.store.counts.counters import Hour
from tests.counting.counters import budget_messages, counter_of, set_budget
from tests.support.builders import NOON
from tests.support.stages import Stage, plenty
from tests.support.streams import a_delivery, batch, record, sent_records


def test_owner_is_notified_once_when_a_budget_is_nearly_exhausted_and_once_when_it_is(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha", "5 per hour")
    near, over = "nearly exhausted: 4 of 5 messages per hour", "is exhausted: 5 of 5 messages per hour"
    for expected in ([], [], [], [near], [near, over], [near, over], [near, over]):
        records = batch(*sent_records(1))
        for _ in range(2):  # again, in another container
            counter_of(stage, client).take(records, plenty)
        texts = budget_messages(stage)
        assert len(texts) == len(expected)
        assert all(phrase in text for phrase, text in zip(expected, texts, strict=True))


def test_owner_is_notified_when_a_message_does_not_fit_into_what_is_left(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha", "3 segments per day")
    counter = counter_of(stage, client)
    day = ExhaustedBudget("person asha", parse_limit("3 segments per day"), *period_of("day", NOON))
    stopped = replace(a_delivery("stopped"), state=State.DROPPED, reason=Reason.OVER_BUDGET, detail=str(day))
    counter.take(batch(*sent_records(1, channel=Channel.SMS, segments=2)), plenty)
    yesterday = replace(stopped, created_at=NOON - timedelta(days=1))
    counter.take(batch(record(None, yesterday)), plenty)
    assert budget_messages(stage) == []
    for _ in range(2):
        counter.take(batch(record(None, stopped)), plenty)
    assert ["is exhausted: 2 of 3 segments per day" in text for text in budget_messages(stage)] == [True]
    assert stage.deliverer.control.now().exhausted == {}  # a text of one segment still fits


def test_budget_is_exhausted_at_its_last_message_and_no_sooner(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha", "5 per hour")
    counter = counter_of(stage, client)
    counter.take(batch(*sent_records(4)), plenty)
    assert stage.deliverer.control.now().exhausted == {}
    counter.take(batch(*sent_records(1)), plenty)
    stage.later(seconds=31)
    (exhausted,) = stage.deliverer.control.now().exhausted.values()
    assert (exhausted.scope, exhausted.limit, exhausted.until) == (
        "person asha",
        Limit(5, "messages", "hour"),
        NOON + timedelta(hours=1),
    )


def test_segments_per_day_and_messages_per_hour_are_exhausted_independently(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha", "2 per hour", "4 segments per day")
    counter_of(stage, client).take(batch(*sent_records(2, channel=Channel.SMS, segments=2)), plenty)
    assert set(stage.deliverer.control.now().exhausted) == {"person asha: messages per hour", "person asha: segments per day"}
    assert len(budget_messages(stage)) == 2


def test_day_is_the_sum_of_its_own_hours(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha", "4 per day")
    counter = counter_of(stage, client)
    counter.take(batch(*sent_records(9, NOON - timedelta(hours=13)), *sent_records(1, NOON - timedelta(hours=12))), plenty)
    counter.take(batch(*sent_records(1, NOON - timedelta(hours=1))), plenty)
    assert budget_messages(stage) == []
    counter.take(batch(*sent_records(2)), plenty)
    assert "exhausted: 4 of 4 messages per day. Until 00:00 UTC" in budget_messages(stage)[0]


def test_usage_ignores_hours_that_have_not_begun() -> None:
    hours = {NOON - timedelta(hours=1): Hour(1, 2), NOON: Hour(3, 4), NOON + timedelta(hours=1): Hour(5, 6)}
    now = NOON + timedelta(minutes=59)
    assert [usage_of(parse_limit(text), hours, now) for text in ("9 per hour", "9 per day", "9 segments per day")] == [3, 9, 12]


def test_records_of_a_past_hour_exhaust_nothing(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha", "2 per hour")
    counter_of(stage, client).take(batch(*sent_records(9, NOON - timedelta(minutes=1))), plenty)
    assert stage.deliverer.control.now().exhausted == {}
    assert budget_messages(stage) == []


def test_expired_budgets_are_removed_when_another_is_exhausted(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha", "2 per hour")
    set_budget(stage, "ben", "2 per hour")
    counter_of(stage, client).take(batch(*sent_records(2)), plenty)
    stage.later(hours=3)
    counter_of(stage, client).take(batch(*sent_records(2, stage.now, person="ben")), plenty)
    assert list(stage.container()[0].control.now().exhausted) == ["person ben: messages per hour"]


def test_person_without_a_budget_is_not_limited(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha")
    counter_of(stage, client).take(batch(*sent_records(120)), plenty)
    assert stage.deliverer.control.now().exhausted == {}


def test_runaway_is_limited_by_default(client: Any, stage: Stage) -> None:
    counter_of(stage, client).take(batch(*sent_records(100)), plenty)
    assert list(stage.deliverer.control.now().exhausted) == ["person asha: messages per hour"]
