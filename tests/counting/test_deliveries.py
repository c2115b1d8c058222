"""Counting: each record of the ledger's stream is counted once, in whatever order it arrives; exhausted budgets are recorded."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from bench.units import Meter
from chalicelib.counting.deliveries import DeliveryCounter, usage_of
from chalicelib.counting.ledger_stream import from_stream
from chalicelib.domain.budget import ExhaustedBudget, Limit
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import DIMENSIONS, Analytics
from chalicelib.policy import outcome
from chalicelib.policy.budget import ALL, parse_limit, period_of
from chalicelib.store.counters import Counters, Hour
from chalicelib.store.ledger import Ledger
from chalicelib.store.rows import delivery_to_item
from tests.support.builders import NOON
from tests.support.stages import COUNTERS, TABLE, Stage, counters_client, memory_stage, plenty
from tests.support.streams import (
    Record,
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
from workbench.cli.main import main
from workbench.local.ministack import MiniStack, local_client
from workbench.reports.counts import sparkline

ENVIRON = {"DROPNOTE_COUNTERS": COUNTERS, "DROPNOTE_LEDGER": TABLE}


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return counters_client(ministack)


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def counter_of(stage: Stage, client: Any) -> DeliveryCounter:
    """The counter of a new container."""
    deliverer, _ = stage.container()
    return DeliveryCounter(deliverer, ENVIRON, lambda service, config: client)


def set_budget(stage: Stage, person: str, *limits: str) -> None:
    people, budget = stage.settings.people, tuple(parse_limit(limit) for limit in limits)
    stage.settings = replace(stage.settings, people={**people, person: replace(people[person], budget=budget)})


def budget_messages(stage: Stage) -> list[str]:
    """The texts of messages to the owner about budgets."""
    return [message.text for channel, to, message in stage.sent if "budget" in message.text]


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


# -- analytics ---------------------------------------------------------------------------------------------------------------


def analytics_counter_of(stage: Stage, client: Any, *by: str) -> DeliveryCounter:
    """The counter of a new container whose settings have [analytics]."""
    stage.settings = replace(stage.settings, analytics=Analytics(by=by or DIMENSIONS))
    return counter_of(stage, client)


def day_counts(counter: DeliveryCounter, name: str) -> dict[str, Any]:
    """The counts of a day, after checking that they are the sums of its hours."""
    days: dict[str, Any] = {}
    hours: dict[str, Any] = {}
    for per, sums in (("day", days), ("hour", hours)):
        for cell in counter.counters.read(name, per, NOON.replace(hour=0), NOON.replace(hour=23)):  # type: ignore[arg-type]
            sums[cell.value] = sums.get(cell.value, 0) + cell.n
    assert days == hours
    return days


def test_each_message_is_counted_and_their_common_file_once(client: Any, stage: Stage) -> None:
    mail, text, other = a_delivery("a"), a_delivery("a", channel=Channel.SMS, segments=2), a_delivery("a", person="ben")
    deliveries = [replace(delivery, id=str(number) * 32) for number, delivery in enumerate((mail, text, other))]
    records = [record(delivery, sent(delivery)) for delivery in deliveries]
    for _ in range(2):  # again, in another order, in another container
        records.reverse()
        counter = analytics_counter_of(stage, client)
        assert counter.take(batch(*records), plenty) == {"batchItemFailures": []}
    assert day_counts(counter, "messages by person") == {"asha": 2, "ben": 1}
    assert day_counts(counter, "messages by channel") == {"email": 2, "sms": 1}
    assert day_counts(counter, "messages by outcome") == {"sent": 3}
    assert day_counts(counter, "files by folder") == {"in": 1}
    assert day_counts(counter, "files by rule") == {"uploads": 1}
    assert day_counts(counter, "files by bucket") == {"acme-drops": 1}


def test_only_configured_dimensions_are_counted(client: Any, stage: Stage) -> None:
    counter = analytics_counter_of(stage, client, "outcome")
    set_budget(stage, "asha")
    counter.take(batch(record(None, replace(a_delivery("a"), state=State.DROPPED, reason=Reason.SILENCED))), plenty)
    items = client.scan(TableName=COUNTERS)["Items"]
    assert {item["pk"]["S"] for item in items if item["sk"]["S"] != "mark"} == {"count#messages by outcome"}
    assert day_counts(counter, "messages by outcome") == {"dropped:silenced": 1}


def test_retention_of_days_is_configurable(client: Any, stage: Stage) -> None:
    stage.settings = replace(stage.settings, analytics=Analytics(keep=timedelta(days=30), by=("channel",)))
    counter_of(stage, client).take(batch(*sent_records(1)), plenty)
    expiry = {item["sk"]["S"][:4]: int(item["ttl"]["N"]) for item in client.scan(TableName=COUNTERS)["Items"]}
    day = NOON.replace(hour=0)
    assert (expiry["hour"], expiry["day#"]) == tuple((at + timedelta(days=30)).timestamp() for at in (NOON, day))


def write_units(client: Any, counter: DeliveryCounter, records: list[Record]) -> float:
    meter = Meter(client)
    with meter.counting("counter"):
        counter.take(batch(*records), plenty)
    return meter.units["counter"].writes


def test_write_units_per_message_are_as_documented(ministack: MiniStack, client: Any, stage: Stage) -> None:
    own = local_client(ministack.endpoint, "dynamodb")  # separate, so that no other calls are counted
    counter = counter_of(stage, own)
    assert write_units(own, counter, sent_records(1)) == 4
    assert write_units(own, counter, sent_records(1, channel=Channel.SMS, segments=2)) == 6
    assert write_units(own, counter, sent_records(90)) == 90 * 2 + 2
    counter = analytics_counter_of(stage, own)
    assert write_units(own, counter, sent_records(1)) == 38
    assert write_units(own, counter, sent_records(90)) / 90 < 6


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


# -- budgets -----------------------------------------------------------------------------------------------------------------


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


# -- the commands ------------------------------------------------------------------------------------------------------------


class Account:
    """An account whose tables are a MiniStack's."""

    def __init__(self, stage: Stage, client: Any) -> None:
        self.settings, self.stage, self.variables, self.client = stage.settings, "prod", ENVIRON, lambda service: client


@pytest.fixture
def account(stage: Stage, client: Any, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr("workbench.cli.options.find_account", lambda name: Account(stage, client))
    monkeypatch.setattr("workbench.cli.counts.utc_now", lambda: stage.now)
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_budget_shows_how_much_of_each_budget_is_used(account: Stage, client: Any) -> None:
    ledger = Ledger(client, TABLE)
    for number in range(80):
        ledger.insert(outcome.reserve(a_delivery(f"{number}", channel=Channel.SMS, segments=2), ["person asha"], NOON))
    rows = json.loads(run("budget", "--json").output)
    of_asha = [(row["limit"], row["used"], row["per_cent"], row["stands"]) for row in rows if row["scope"] == "person asha"]
    assert of_asha == [
        ("100 messages per hour", 80, 80, "near"),
        ("500 messages per day", 80, 16, "ok"),
        ("200 segments per day", 160, 80, "near"),
    ]
    assert rows[0]["until"] == "2026-03-02T13:00:00+00:00"
    assert "nearly exhausted" in run("budget").output


def test_budget_counts_reservations_of_its_hour_and_day_only(account: Stage, client: Any) -> None:
    ledger = Ledger(client, TABLE)
    for hours in (-13, -1, -1, 0):
        at = NOON + timedelta(hours=hours)
        ledger.insert(outcome.reserve(a_delivery(unique_name(), at), ["person asha"], at))
    rows = json.loads(run("budget", "--json").output)
    assert [row["used"] for row in rows if row["scope"] == "person asha"] == [1, 3, 0]


def test_budget_says_that_the_settings_have_none(account: Stage) -> None:
    for person in ("asha", "ben"):
        set_budget(account, person)
    assert "No budgets in the settings." in run("budget").output


def count_two_days(account: Stage, client: Any) -> None:
    """Count three messages of one day, and two of today, one of which failed."""
    counter = analytics_counter_of(account, client)
    lost = a_delivery(unique_name())
    account.now = NOON + timedelta(minutes=1)
    counter.take(batch(*sent_records(3, NOON - timedelta(days=2)), *sent_records(1), record(lost, failed(lost))), plenty)


def test_counts_lists_the_counters(account: Stage, client: Any) -> None:
    assert "No counters in the settings." in run("counts").output
    assert json.loads(run("counts", "--json").output) == []
    analytics_counter_of(account, client, "rule", "outcome", "folder")
    assert run("counts").output.split("\n")[:4] == [
        "messages by rule",
        "messages by outcome",
        "files by folder",
        "files by rule",
    ]


def test_counts_shows_each_day(account: Stage, client: Any) -> None:
    count_two_days(account, client)
    rows = [line.split("\t") for line in run("counts", "messages", "--by", "outcome", "--since", "2d").output.splitlines()]
    assert rows == [
        ["messages by outcome", "total", "2026-02-28 to 2026-03-02, per day (UTC)"],
        ["sent", "4", "3 0 1"],
        ["failed", "1", "0 0 1"],
        ["all", "5", "3 0 2"],
    ]
    assert run("counts", "messages by outcome", "--since", "2d").output.splitlines()[1:] == ["\t".join(row) for row in rows[1:]]
    assert run("counts", "files").output.splitlines()[1] == "all\t4\t0 0 0 0 0 0 0 4"  # uploaded today


def test_counts_shows_hours_as_json(account: Stage, client: Any) -> None:
    count_two_days(account, client)
    rows = json.loads(run("counts", "files", "--by", "folder", "--per", "hour", "--json").output)
    assert rows == [{"counter": "files by folder", "moment": "2026-03-02T12:00:00+00:00", "value": "in", "n": 4}]


def test_counts_suggests_the_dimension_of_a_counter(account: Stage, client: Any) -> None:
    count_two_days(account, client)
    result = run("counts", "messages", "--by", "outcomes")
    assert result.exit_code == 1
    assert "messages are not counted by 'outcomes'" in result.output
    assert "did you mean 'outcome'" in result.output
    assert "No counts of orders by status since" in run("counts", "orders by status").output
    assert "the settings do not define it (did you mean 'messages'?)." in run("counts", "mesages").output


def test_series_is_drawn_in_one_line_of_bars() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▂▅█"
    assert sparkline([0, 0]) == "  "
    assert len(sparkline([1] * 500)) <= 60
