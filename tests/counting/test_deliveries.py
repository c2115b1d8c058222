"""Counting: what the ledger's stream tells is counted once, however it comes, and a budget that is used up is noticed."""

import json
from collections.abc import Callable, Iterator
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
from chalicelib.domain.budget import Limit
from chalicelib.domain.delivery import Delivery, Reason, State
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import DIMENSIONS, Analytics
from chalicelib.policy import outcome
from chalicelib.policy.budget import ALL, parse
from chalicelib.store.counters import Counters, Hour
from chalicelib.store.rows import item_of_delivery
from tests.support.builders import NOON
from tests.support.stages import COUNTERS, Stage, counters_client, memory_stage, plenty
from tests.support.streams import Record, a_delivery, batch, failed, fresh_name, record, sent, some_sent, story
from workbench.cli.counts import sparkline
from workbench.cli.main import main
from workbench.local.ministack import MiniStack, local_client

ENVIRON = {"DROPNOTE_COUNTERS": COUNTERS}


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return counters_client(ministack)


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


def counting(stage: Stage, client: Any) -> DeliveryCounter:
    """As a container has it."""
    deliverer, _ = stage.container()
    return DeliveryCounter(deliverer, ENVIRON, lambda service, config: client)


def allow(stage: Stage, person: str, *limits: str) -> None:
    people, budget = stage.settings.people, tuple(parse(limit) for limit in limits)
    stage.settings = replace(stage.settings, people={**people, person: replace(people[person], budget=budget)})


def told(stage: Stage) -> list[str]:
    """What the owner was told of budgets."""
    return [message.text for channel, to, message in stage.sent if "budget" in message.text]


# -- what a record tells -----------------------------------------------------------------------------------------------------


def test_only_what_just_came_to_a_state_that_counts_is_told_of() -> None:
    claimed = a_delivery("a")
    gone = {"eventName": "REMOVE", "dynamodb": {"OldImage": item_of_delivery(claimed), "SequenceNumber": "1"}}
    control = {"dynamodb": {"NewImage": {"pk": {"S": "control"}, "sk": {"S": "control"}}, "SequenceNumber": "2"}}
    arrived = outcome.arrived(sent(claimed), NOON, State.DELIVERED, "")
    became, unread = from_stream(batch(*story(claimed, sent(claimed), arrived), gone, control))
    assert unread == []
    assert [each.delivery.state for each in became] == [State.SENT]


def test_what_was_never_sent_is_told_of_when_it_is_written_first() -> None:
    made = a_delivery("a")
    born = [replace(made, state=State.DROPPED, reason=Reason.SILENCED), replace(made, state=State.BUNDLED, reason=Reason.DIGEST)]
    became, _ = from_stream(batch(*(record(None, each) for each in born)))
    assert [(each.delivery.state, each.at) for each in became] == [(State.DROPPED, NOON), (State.BUNDLED, NOON)]


def test_hour_is_that_of_the_sending_and_not_of_the_upload() -> None:
    late = sent(a_delivery("a"), NOON + timedelta(hours=5))
    (became,), _ = from_stream(batch(record(None, late)))
    assert became.at == NOON + timedelta(hours=5)


@pytest.mark.parametrize("odd", [None, [], {}, {"Records": 1}, {"Records": [None, {}, {"dynamodb": {"NewImage": {"sk": {}}}}]}])
def test_odd_records_are_told_apart_and_raise_nothing(odd: Any) -> None:
    became, unread = from_stream(odd)
    assert became == []
    assert unread


ENDS: dict[str, Callable[[Delivery, datetime], list[Delivery]]] = {
    "sent": lambda it, at: [sent(it, at)],
    "failed": lambda it, at: [failed(it, at)],
    "arrived": lambda it, at: [sent(it, at), outcome.arrived(sent(it, at), at, State.DELIVERED, "")],
    "lost": lambda it, at: [sent(it, at), outcome.arrived(sent(it, at), at, State.UNDELIVERED, "")],
    "expired": lambda it, at: [outcome.expired(it, at)],
    "dropped": lambda it, at: [outcome.dropped(it, at, Reason.SILENCED, "")],
    "claimed": lambda it, at: [],
}
ENOUGH = (parse("10000 per hour"),)
stories = some.lists(
    some.tuples(
        some.sampled_from(["asha", "ben"]),
        some.sampled_from([*ENDS]),
        some.integers(0, 3),  # segments, 0 for a mail
        some.integers(0, 26 * 60),  # minutes after noon: over midnight
    ),
    max_size=12,
)


def as_it_comes(records: list[Record], dice: Random) -> Iterator[list[Record]]:
    """The records in any order, in batches of any size, and some of the batches again, split or together with others."""
    records = [*records, *dice.sample(records, dice.randint(0, len(records)))]
    dice.shuffle(records)
    while records:
        size = dice.randint(1, len(records))
        now, records = records[:size], records[size:]
        yield now
        if dice.random() < 0.3:
            yield dice.sample(now, dice.randint(1, len(now)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories=stories, dice=some.randoms(use_true_random=False))
def test_counts_are_those_of_a_plain_set_however_records_come(
    client: Any, stage: Stage, stories: list[tuple[str, str, int, int]], dice: Random
) -> None:
    world, records = fresh_name(), []
    wanted: dict[tuple[str, datetime], Hour] = {}
    for number, (who, end, segments, minutes) in enumerate(stories):
        person, at = f"{who}{world}", NOON + timedelta(minutes=minutes)
        channel = Channel.SMS if segments else Channel.EMAIL
        delivery = a_delivery(f"{world}-{number}", person=person, channel=channel, segments=segments)
        records += story(delivery, *ENDS[end](delivery, at))
        key = (person, at.replace(minute=0))
        before = wanted.get(key, Hour())
        accepted, nothing = end in ("sent", "arrived", "lost"), end in ("failed", "lost", "expired")
        after = Hour(before.messages + accepted, before.segments + accepted * segments, before.failures + nothing)
        if after != Hour():
            wanted[key] = after
    before_them = stage.settings.people
    people = {f"{who}{world}": replace(before_them[who], name=f"{who}{world}", budget=ENOUGH) for who in ("asha", "ben")}
    stage.settings = replace(stage.settings, people={**before_them, **people})
    job = counting(stage, client)
    for some_records in as_it_comes(records, dice):
        assert job.take(batch(*some_records), plenty) == {"batchItemFailures": []}
    found: dict[tuple[str, datetime], Hour] = {}
    for who in ("asha", "ben"):
        hours = job.counters.hours(f"person {who}{world}", NOON, NOON + timedelta(days=2))
        found |= {(f"{who}{world}", hour): each for hour, each in hours.items()}
    assert found == wanted


def test_rules_and_all_together_are_counted_where_they_have_a_budget(client: Any, stage: Stage) -> None:
    counting(stage, client).take(batch(*some_sent(2)), plenty)
    (rule,) = stage.settings.rules
    limit = (parse("10 per day"),)
    budgeted = replace(stage.settings, rules=(replace(rule, budget=limit),), bot=replace(stage.settings.bot, budget=limit))
    stage.settings = budgeted
    job = counting(stage, client)
    job.take(batch(*some_sent(3)), plenty)
    day = (NOON.replace(hour=0), NOON + timedelta(hours=12))
    found = [sum(each.messages for each in job.counters.hours(scope, *day).values()) for scope in ("rule uploads", ALL)]
    assert found == [3, 3]
    assert sum(job.counters.sent_of("asha", *day).values()) == 5


def test_digests_read_what_went_and_what_came_to_nothing_by_the_hour(client: Any, stage: Stage) -> None:
    lost = a_delivery("lost", NOON + timedelta(hours=2))
    job = counting(stage, client)
    job.take(batch(*some_sent(2), *some_sent(1, NOON + timedelta(hours=3)), record(lost, failed(lost))), plenty)
    counters = Counters(client, COUNTERS)
    assert counters.sent_of("asha", NOON, NOON + timedelta(hours=3)) == {NOON: 2}
    assert counters.sent_of("asha", NOON, NOON + timedelta(hours=4)) == {NOON: 2, NOON + timedelta(hours=3): 1}
    assert counters.failures_of("asha", NOON, NOON + timedelta(hours=4)) == {NOON + timedelta(hours=2): 1}
    assert counters.failures_of("ben", NOON, NOON + timedelta(hours=4)) == {}


def test_hours_are_forgotten_after_a_hundred_days_and_marks_after_two(client: Any, stage: Stage) -> None:
    counting(stage, client).take(batch(*some_sent(1)), plenty)
    found = {item["pk"]["S"].partition("#")[0]: int(item["ttl"]["N"]) for item in client.scan(TableName=COUNTERS)["Items"]}
    days = {"count": 100, "mark": 2}
    assert found == {kind: (NOON + timedelta(days=many)).timestamp() for kind, many in days.items()}


def test_items_of_the_first_counters_are_passed_over(client: Any, stage: Stage) -> None:
    sent_before = {"pk": {"S": "sent#person asha"}, "sk": {"S": "2026-03-02T12"}, "sent": {"SS": ["abc:0"]}}
    client.put_item(TableName=COUNTERS, Item=sent_before)
    job = counting(stage, client)
    job.take(batch(*some_sent(1)), plenty)
    assert job.counters.sent_of("asha", NOON, NOON + timedelta(hours=1)) == {NOON: 1}


def test_message_that_counts_for_nothing_writes_nothing(client: Any, stage: Stage) -> None:
    allow(stage, "asha")
    lost = a_delivery("lost")
    job = counting(stage, client)
    job.take(batch(*some_sent(3)), plenty)
    assert client.scan(TableName=COUNTERS)["Items"] == []
    job.take(batch(record(lost, failed(lost))), plenty)
    assert job.counters.failures_of("asha", NOON, NOON + timedelta(hours=1)) == {NOON: 1}


# -- analytics ---------------------------------------------------------------------------------------------------------------


def analysing(stage: Stage, client: Any, *by: str) -> DeliveryCounter:
    """As a container has it whose settings have [analytics]."""
    stage.settings = replace(stage.settings, analytics=Analytics(by=by or DIMENSIONS))
    return counting(stage, client)


def of_day(job: DeliveryCounter, name: str) -> dict[str, Any]:
    """A counter's day, which the sum of its hours must be."""
    found: dict[str, Any] = {}
    hours: dict[str, Any] = {}
    for per, sums in (("day", found), ("hour", hours)):
        for each in job.counters.read(name, per, NOON.replace(hour=0), NOON.replace(hour=23)):  # type: ignore[arg-type]
            sums[each.value] = sums.get(each.value, 0) + each.n
    assert found == hours
    return found


def test_messages_are_counted_each_and_their_file_once(client: Any, stage: Stage) -> None:
    mail, text, other = a_delivery("a"), a_delivery("a", channel=Channel.SMS, segments=2), a_delivery("a", person="ben")
    made = [replace(each, id=str(number) * 32) for number, each in enumerate((mail, text, other))]
    records = [record(each, sent(each)) for each in made]
    for _ in range(2):  # it comes again, in another order, to another container
        records.reverse()
        job = analysing(stage, client)
        assert job.take(batch(*records), plenty) == {"batchItemFailures": []}
    assert of_day(job, "messages by person") == {"asha": 2, "ben": 1}
    assert of_day(job, "messages by channel") == {"email": 2, "sms": 1}
    assert of_day(job, "messages by outcome") == {"sent": 3}
    assert of_day(job, "files by folder") == {"in": 1}
    assert of_day(job, "files by rule") == {"uploads": 1}
    assert of_day(job, "files by bucket") == {"acme-drops": 1}


def test_only_dimensions_that_the_settings_name_are_counted(client: Any, stage: Stage) -> None:
    job = analysing(stage, client, "outcome")
    allow(stage, "asha")
    job.take(batch(record(None, replace(a_delivery("a"), state=State.DROPPED, reason=Reason.SILENCED))), plenty)
    items = client.scan(TableName=COUNTERS)["Items"]
    assert {item["pk"]["S"] for item in items if item["sk"]["S"] != "mark"} == {"count#messages by outcome"}
    assert of_day(job, "messages by outcome") == {"dropped:silenced": 1}


def test_days_are_kept_as_long_as_the_settings_say(client: Any, stage: Stage) -> None:
    stage.settings = replace(stage.settings, analytics=Analytics(keep=timedelta(days=30), by=("channel",)))
    counting(stage, client).take(batch(*some_sent(1)), plenty)
    found = {item["sk"]["S"][:4]: int(item["ttl"]["N"]) for item in client.scan(TableName=COUNTERS)["Items"]}
    day = NOON.replace(hour=0)
    assert (found["hour"], found["day#"]) == tuple((at + timedelta(days=30)).timestamp() for at in (NOON, day))


def write_units(client: Any, job: DeliveryCounter, records: list[Record]) -> float:
    meter = Meter(client)
    with meter.counting("it"):
        job.take(batch(*records), plenty)
    return meter.units["it"].writes


def test_what_a_message_costs_is_what_the_docs_say(ministack: MiniStack, client: Any, stage: Stage) -> None:
    own = local_client(ministack.endpoint, "dynamodb")  # of its own: the others' calls are not to be counted
    job = counting(stage, own)
    assert write_units(own, job, some_sent(1)) == 4
    assert write_units(own, job, some_sent(1, channel=Channel.SMS, segments=2)) == 6
    assert write_units(own, job, some_sent(90)) == 90 * 2 + 2
    job = analysing(stage, own)
    assert write_units(own, job, some_sent(1)) == 38
    assert write_units(own, job, some_sent(90)) / 90 < 6


# -- what goes wrong ---------------------------------------------------------------------------------------------------------


class Failing:
    """A client whose transactions on what is of some scope fail; the rest is the real one's."""

    def __init__(self, client: Any, scope: str) -> None:
        self._client, self._scope = client, scope

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def transact_write_items(self, **request: Any) -> Any:
        if self._scope in json.dumps(request):
            raise EndpointConnectionError(endpoint_url="http://x")
        return self._client.transact_write_items(**request)


def test_records_that_could_not_be_counted_come_again(client: Any, stage: Stage) -> None:
    early, late = some_sent(120), some_sent(2, person="ben")  # more than one transaction takes
    answer = counting(stage, Failing(client, "ben")).take(batch(*early, *late), plenty)
    names = [each["dynamodb"]["SequenceNumber"] for each in (*early, *late)]
    assert answer == {"batchItemFailures": [{"itemIdentifier": name} for name in names[99:]]}
    job = counting(stage, client)
    job.take(batch(*early[50:], *late), plenty)
    found = [job.counters.sent_of(person, NOON, NOON + timedelta(hours=1)) for person in ("asha", "ben")]
    assert found == [{NOON: 120}, {NOON: 2}]


def test_record_that_cannot_be_read_holds_nothing_up(client: Any, stage: Stage) -> None:
    (good,), poison = some_sent(1), json.loads(json.dumps(some_sent(1)[0]))
    poison["dynamodb"]["NewImage"]["channel"] = {"S": "pigeon"}
    job = counting(stage, client)
    assert job.take(batch(poison, good), plenty) == {"batchItemFailures": []}
    assert job.counters.sent_of("asha", NOON, NOON + timedelta(hours=1)) == {NOON: 1}


# -- budgets -----------------------------------------------------------------------------------------------------------------


def test_owner_is_told_once_when_a_budget_is_near_and_once_when_it_is_used_up(client: Any, stage: Stage) -> None:
    allow(stage, "asha", "5 per hour")
    near, over = "nearly used up: 4 of 5 messages per hour", "is used up: 5 of 5 messages per hour"
    for wanted in ([], [], [], [near], [near, over], [near, over], [near, over]):
        records = batch(*some_sent(1))
        for _ in range(2):  # it comes again, to another container
            counting(stage, client).take(records, plenty)
        found = told(stage)
        assert len(found) == len(wanted)
        assert all(words in text for words, text in zip(wanted, found, strict=True))


def test_budget_trips_at_its_last_message_and_no_sooner(client: Any, stage: Stage) -> None:
    allow(stage, "asha", "5 per hour")
    job = counting(stage, client)
    job.take(batch(*some_sent(4)), plenty)
    assert stage.deliverer.control.now().tripped == {}
    job.take(batch(*some_sent(1)), plenty)
    stage.later(seconds=31)
    (tripped,) = stage.deliverer.control.now().tripped.values()
    assert (tripped.scope, tripped.limit, tripped.until) == (
        "person asha",
        Limit(5, "messages", "hour"),
        NOON + timedelta(hours=1),
    )


def test_segments_of_a_day_and_messages_of_an_hour_trip_each_for_itself(client: Any, stage: Stage) -> None:
    allow(stage, "asha", "2 per hour", "4 segments per day")
    counting(stage, client).take(batch(*some_sent(2, channel=Channel.SMS, segments=2)), plenty)
    assert set(stage.deliverer.control.now().tripped) == {"person asha: messages per hour", "person asha: segments per day"}
    assert len(told(stage)) == 2


def test_day_is_the_sum_of_its_hours_and_of_no_other_day(client: Any, stage: Stage) -> None:
    allow(stage, "asha", "4 per day")
    job = counting(stage, client)
    job.take(batch(*some_sent(9, NOON - timedelta(hours=13)), *some_sent(1, NOON - timedelta(hours=12))), plenty)
    job.take(batch(*some_sent(1, NOON - timedelta(hours=1))), plenty)
    assert told(stage) == []
    job.take(batch(*some_sent(2)), plenty)
    assert "used up: 4 of 4 messages per day. Until 00:00 UTC" in told(stage)[0]


def test_hour_that_another_clock_is_ahead_with_is_not_this_one() -> None:
    hours = {NOON - timedelta(hours=1): Hour(1, 2), NOON: Hour(3, 4), NOON + timedelta(hours=1): Hour(5, 6)}
    now = NOON + timedelta(minutes=59)
    assert [usage_of(parse(text), hours, now) for text in ("9 per hour", "9 per day", "9 segments per day")] == [3, 9, 12]


def test_records_of_an_hour_that_is_over_trip_nothing(client: Any, stage: Stage) -> None:
    allow(stage, "asha", "2 per hour")
    counting(stage, client).take(batch(*some_sent(9, NOON - timedelta(minutes=1))), plenty)
    assert stage.deliverer.control.now().tripped == {}
    assert told(stage) == []


def test_budgets_of_hours_that_are_over_are_forgotten_when_another_is_used_up(client: Any, stage: Stage) -> None:
    allow(stage, "asha", "2 per hour")
    allow(stage, "ben", "2 per hour")
    counting(stage, client).take(batch(*some_sent(2)), plenty)
    stage.later(hours=3)
    counting(stage, client).take(batch(*some_sent(2, stage.now, person="ben")), plenty)
    assert list(stage.container()[0].control.now().tripped) == ["person ben: messages per hour"]


def test_nobody_without_a_budget_is_stopped(client: Any, stage: Stage) -> None:
    allow(stage, "asha")
    counting(stage, client).take(batch(*some_sent(120)), plenty)
    assert stage.deliverer.control.now().tripped == {}


def test_a_runaway_is_stopped_where_the_settings_say_nothing(client: Any, stage: Stage) -> None:
    counting(stage, client).take(batch(*some_sent(100)), plenty)
    assert list(stage.deliverer.control.now().tripped) == ["person asha: messages per hour"]


# -- the command -------------------------------------------------------------------------------------------------------------


class Account:
    """An account whose tables are a MiniStack's."""

    def __init__(self, stage: Stage, client: Any) -> None:
        self.settings, self.stage, self.variables, self.client = stage.settings, "prod", ENVIRON, lambda service: client


@pytest.fixture
def account(stage: Stage, client: Any, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr("workbench.cli.deliveries.find_account", lambda name: Account(stage, client))
    for command in ("cli.budget", "cli.counts"):
        monkeypatch.setattr(f"workbench.{command}.utc_now", lambda: stage.now)
    return stage


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_command_tells_how_much_of_each_budget_is_used(account: Stage, client: Any) -> None:
    counting(account, client).take(batch(*some_sent(80, channel=Channel.SMS, segments=2)), plenty)
    rows = json.loads(run("budget", "--json").output)
    of_asha = [(row["limit"], row["used"], row["per_cent"], row["stands"]) for row in rows if row["scope"] == "person asha"]
    assert of_asha == [
        ("100 messages per hour", 80, 80, "near"),
        ("500 messages per day", 80, 16, "ok"),
        ("200 segments per day", 160, 80, "near"),
    ]
    assert rows[0]["until"] == "2026-03-02T13:00:00+00:00"
    assert "nearly used up" in run("budget").output


def test_command_says_where_there_is_no_budget_at_all(account: Stage) -> None:
    for person in ("asha", "ben"):
        allow(account, person)
    assert "nobody and nothing has a budget" in run("budget").output


def some_days(account: Stage, client: Any) -> None:
    """Three messages on one day, and two of today, one of which came to nothing."""
    job = analysing(account, client)
    lost = a_delivery(fresh_name())
    account.now = NOON + timedelta(minutes=1)
    job.take(batch(*some_sent(3, NOON - timedelta(days=2)), *some_sent(1), record(lost, failed(lost))), plenty)


def test_command_lists_the_counters_there_are(account: Stage, client: Any) -> None:
    assert "Nothing is counted" in run("counts").output
    assert json.loads(run("counts", "--json").output) == []
    analysing(account, client, "rule", "outcome", "folder")
    assert run("counts").output.split("\n")[:4] == [
        "messages by rule",
        "messages by outcome",
        "files by folder",
        "files by rule",
    ]


def test_command_tells_what_was_counted_by_the_day(account: Stage, client: Any) -> None:
    some_days(account, client)
    told = [line.split("\t") for line in run("counts", "messages", "--by", "outcome", "--since", "2d").output.splitlines()]
    assert told == [
        ["messages by outcome", "total", "2026-02-28 to 2026-03-02, each day (UTC)"],
        ["sent", "4", "3 0 1"],
        ["failed", "1", "0 0 1"],
        ["all", "5", "3 0 2"],
    ]
    assert run("counts", "messages by outcome", "--since", "2d").output.splitlines()[1:] == ["\t".join(row) for row in told[1:]]
    assert run("counts", "files").output.splitlines()[1] == "all\t4\t0 0 0 0 0 0 0 4"  # uploaded today


def test_command_tells_hours_as_json(account: Stage, client: Any) -> None:
    some_days(account, client)
    told = json.loads(run("counts", "files", "--by", "folder", "--per", "hour", "--json").output)
    assert told == [{"counter": "files by folder", "moment": "2026-03-02T12:00:00+00:00", "value": "in", "n": 4}]


def test_command_names_what_a_counter_is_by(account: Stage, client: Any) -> None:
    some_days(account, client)
    found = run("counts", "messages", "--by", "outcomes")
    assert found.exit_code == 1
    assert "messages are not counted by outcomes" in found.output
    assert "did you mean 'outcome'" in found.output
    assert "nothing was counted of orders by status since" in run("counts", "orders by status").output


def test_series_is_drawn_in_one_line_of_bars() -> None:
    assert sparkline([0, 1, 4, 8]) == " ▂▅█"
    assert sparkline([0, 0]) == "  "
    assert len(sparkline([1] * 500)) <= 60
