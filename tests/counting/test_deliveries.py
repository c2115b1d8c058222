"""Counting: each record of the ledger's stream is counted once, in whatever order it arrives."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.counting.ledger_stream import from_stream
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.people import Channel
from chalicelib.policy import outcome
from chalicelib.policy.budget import ALL, parse_limit
from chalicelib.store.counts.counters import Counters, Hour
from chalicelib.store.rows import delivery_to_item
from tests.counting.counters import counter_of, set_budget
from tests.support.builders import NOON
from tests.support.stages import COUNTERS, Stage, plenty
from tests.support.streams import (
    a_delivery,
    batch,
    failed,
    record,
    sent,
    sent_records,
    shuffled_batches,
    story,
    unique_name,
)

# -- what a record reports ---------------------------------------------------------------------------------------------------


def test_only_deliveries_that_just_reached_a_counted_state_are_transitions() -> None:
    claimed = a_delivery("a")
    removed = {"eventName": "REMOVE", "dynamodb": {"OldImage": delivery_to_item(claimed), "SequenceNumber": "1"}}
    control = {"dynamodb": {"NewImage": {"pk": {"S": "control"}, "sk": {"S": "control"}}, "SequenceNumber": "2"}}
    arrived = outcome.record_status(sent(claimed), NOON, State.DELIVERED, "")
    transitions, unreadable = from_stream(batch(*story(claimed, sent(claimed), arrived), removed, control))
    assert unreadable == []
    assert [transition.delivery.state for transition in transitions] == [State.SENT]


def test_delivery_created_in_a_counted_state_is_a_transition() -> None:
    delivery = a_delivery("a")
    dropped = replace(delivery, state=State.DROPPED, reason=Reason.SILENCED)
    bundled = replace(delivery, state=State.BUNDLED, reason=Reason.DIGEST)
    transitions, _ = from_stream(batch(record(None, dropped), record(None, bundled)))
    assert [(transition.delivery.state, transition.at) for transition in transitions] == [
        (State.DROPPED, NOON),
        (State.BUNDLED, NOON),
    ]


def test_message_counts_for_the_hour_it_was_sent_in() -> None:
    late = sent(a_delivery("a"), NOON + timedelta(hours=5))
    (transition,), _ = from_stream(batch(record(None, late)))
    assert transition.at == NOON + timedelta(hours=5)


def test_message_counts_for_the_hour_it_was_reserved_in(client: Any, stage: Stage) -> None:
    reserved = outcome.reserve(a_delivery("a"), ["person asha"], NOON - timedelta(seconds=1))
    late = sent(reserved, NOON + timedelta(seconds=1))
    counter = counter_of(stage, client)
    counter.take(batch(record(reserved, late)), plenty)
    assert counter.counters.sent_by_hour("asha", NOON - timedelta(hours=1), NOON + timedelta(hours=1)) == {
        NOON - timedelta(hours=1): 1
    }
    (transition,), _ = from_stream(batch(record(reserved, failed(reserved, NOON))))
    assert transition.counts_at == NOON


@pytest.mark.parametrize("odd", [None, [], {}, {"Records": 1}, {"Records": [None, {}, {"dynamodb": {"NewImage": {"sk": {}}}}]}])
def test_malformed_records_are_reported_and_raise_nothing(odd: Any) -> None:
    transitions, unreadable = from_stream(odd)
    assert transitions == []
    assert unreadable


OUTCOMES: dict[str, Callable[[Delivery, datetime], list[Delivery]]] = {
    "sent": lambda delivery, at: [sent(delivery, at)],
    "failed": lambda delivery, at: [failed(delivery, at)],
    "delivered": lambda delivery, at: [sent(delivery, at), outcome.record_status(sent(delivery, at), at, State.DELIVERED, "")],
    "undelivered": lambda delivery, at: [
        sent(delivery, at),
        outcome.record_status(sent(delivery, at), at, State.UNDELIVERED, ""),
    ],
    "expired": lambda delivery, at: [outcome.expire(delivery, at)],
    "dropped": lambda delivery, at: [outcome.drop(delivery, at, Reason.SILENCED, "")],
    "claimed": lambda delivery, at: [],
}
LARGE_BUDGET = (parse_limit("10000 per hour"),)
stories = some.lists(
    some.tuples(
        some.sampled_from(["asha", "ben"]),
        some.sampled_from([*OUTCOMES]),
        some.integers(0, 3),  # segments, 0 for a mail
        some.integers(0, 26 * 60),  # minutes after noon: over midnight
    ),
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories=stories, dice=some.randoms(use_true_random=False))
def test_counts_equal_a_simple_model_in_whatever_order_records_arrive(
    client: Any, stage: Stage, stories: list[tuple[str, str, int, int]], dice: Random
) -> None:
    suffix, records = unique_name(), []
    expected: dict[tuple[str, datetime], Hour] = {}
    for number, (name, outcome_name, segments, minutes) in enumerate(stories):
        person, at = f"{name}{suffix}", NOON + timedelta(minutes=minutes)
        channel = Channel.SMS if segments else Channel.EMAIL
        delivery = a_delivery(f"{suffix}-{number}", person=person, channel=channel, segments=segments)
        records += story(delivery, *OUTCOMES[outcome_name](delivery, at))
        key = (person, at.replace(minute=0))
        hour = expected.get(key, Hour())
        was_sent, has_failed = (
            outcome_name in ("sent", "delivered", "undelivered"),
            outcome_name in ("failed", "undelivered", "expired"),
        )
        hour = Hour(hour.messages + was_sent, hour.segments + was_sent * segments, hour.failures + has_failed)
        if hour != Hour():
            expected[key] = hour
    people = stage.settings.people
    budgeted = {f"{name}{suffix}": replace(people[name], name=f"{name}{suffix}", budget=LARGE_BUDGET) for name in ("asha", "ben")}
    stage.settings = replace(stage.settings, people={**people, **budgeted})
    counter = counter_of(stage, client)
    for chunk in shuffled_batches(records, dice):
        assert counter.take(batch(*chunk), plenty) == {"batchItemFailures": []}
    counted: dict[tuple[str, datetime], Hour] = {}
    for name in ("asha", "ben"):
        hours = counter.counters.hours(f"person {name}{suffix}", NOON, NOON + timedelta(days=2))
        counted |= {(f"{name}{suffix}", moment): hour for moment, hour in hours.items()}
    assert counted == expected


def test_rule_and_bot_are_counted_if_they_have_a_budget(client: Any, stage: Stage) -> None:
    counter_of(stage, client).take(batch(*sent_records(2)), plenty)
    (rule,) = stage.settings.rules
    limit = (parse_limit("10 per day"),)
    budgeted = replace(stage.settings, rules=(replace(rule, budget=limit),), bot=replace(stage.settings.bot, budget=limit))
    stage.settings = budgeted
    counter = counter_of(stage, client)
    counter.take(batch(*sent_records(3)), plenty)
    day = (NOON.replace(hour=0), NOON + timedelta(hours=12))
    sums = [sum(hour.messages for hour in counter.counters.hours(scope, *day).values()) for scope in ("rule uploads", ALL)]
    assert sums == [3, 3]
    assert sum(counter.counters.sent_by_hour("asha", *day).values()) == 5


def test_sent_and_failed_messages_are_read_by_hour_for_digests(client: Any, stage: Stage) -> None:
    lost = a_delivery("lost", NOON + timedelta(hours=2))
    counter = counter_of(stage, client)
    counter.take(batch(*sent_records(2), *sent_records(1, NOON + timedelta(hours=3)), record(lost, failed(lost))), plenty)
    counters = Counters(client, COUNTERS)
    assert counters.sent_by_hour("asha", NOON, NOON + timedelta(hours=3)) == {NOON: 2}
    assert counters.sent_by_hour("asha", NOON, NOON + timedelta(hours=4)) == {NOON: 2, NOON + timedelta(hours=3): 1}
    assert counters.failures_by_hour("asha", NOON, NOON + timedelta(hours=4)) == {NOON + timedelta(hours=2): 1}
    assert counters.failures_by_hour("ben", NOON, NOON + timedelta(hours=4)) == {}


def test_hours_expire_after_100_days_and_marks_after_two(client: Any, stage: Stage) -> None:
    counter_of(stage, client).take(batch(*sent_records(1)), plenty)
    items = client.scan(TableName=COUNTERS)["Items"]
    expiry = {item["pk"]["S"].partition("#")[0]: int(item["ttl"]["N"]) for item in items}
    assert expiry == {kind: (NOON + timedelta(days=days)).timestamp() for kind, days in (("count", 100), ("mark", 2))}


def test_items_of_the_first_counters_are_ignored(client: Any, stage: Stage) -> None:
    sent_before = {"pk": {"S": "sent#person asha"}, "sk": {"S": "2026-03-02T12"}, "sent": {"SS": ["abc:0"]}}
    client.put_item(TableName=COUNTERS, Item=sent_before)
    counter = counter_of(stage, client)
    counter.take(batch(*sent_records(1)), plenty)
    assert counter.counters.sent_by_hour("asha", NOON, NOON + timedelta(hours=1)) == {NOON: 1}


def test_sent_message_without_budget_and_analytics_writes_nothing(client: Any, stage: Stage) -> None:
    set_budget(stage, "asha")
    lost = a_delivery("lost")
    counter = counter_of(stage, client)
    counter.take(batch(*sent_records(3)), plenty)
    assert client.scan(TableName=COUNTERS)["Items"] == []
    counter.take(batch(record(lost, failed(lost))), plenty)
    assert counter.counters.failures_by_hour("asha", NOON, NOON + timedelta(hours=1)) == {NOON: 1}


# -- failures ----------------------------------------------------------------------------------------------------------------


class Failing:
    """A client whose transactions for one scope fail; everything else goes to the real one."""

    def __init__(self, client: Any, scope: str) -> None:
        self._client, self._scope = client, scope

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        if self._scope in json.dumps(request):
            raise EndpointConnectionError(endpoint_url="http://x")
        return self._client.transact_write_items(**request)


def test_records_that_could_not_be_counted_are_retried(client: Any, stage: Stage) -> None:
    early, late = sent_records(120), sent_records(2, person="ben")  # more than fit in one transaction
    response = counter_of(stage, Failing(client, "ben")).take(batch(*early, *late), plenty)
    numbers = [record["dynamodb"]["SequenceNumber"] for record in (*early, *late)]
    assert response == {"batchItemFailures": [{"itemIdentifier": number} for number in numbers[99:]]}
    counter = counter_of(stage, client)
    counter.take(batch(*early[50:], *late), plenty)
    counted = [counter.counters.sent_by_hour(person, NOON, NOON + timedelta(hours=1)) for person in ("asha", "ben")]
    assert counted == [{NOON: 120}, {NOON: 2}]


def test_unreadable_record_does_not_block_the_others(client: Any, stage: Stage) -> None:
    (good,), poison = sent_records(1), json.loads(json.dumps(sent_records(1)[0]))
    poison["dynamodb"]["NewImage"]["channel"] = {"S": "pigeon"}
    counter = counter_of(stage, client)
    assert counter.take(batch(poison, good), plenty) == {"batchItemFailures": []}
    assert counter.counters.sent_by_hour("asha", NOON, NOON + timedelta(hours=1)) == {NOON: 1}
