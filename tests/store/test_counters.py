"""The counters' table: a thing counts once, however often it is told of, in whatever company, whatever fails on the way."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.counting.deliveries import DeliveryCounter
from chalicelib.domain.settings import Analytics
from chalicelib.policy.budget import parse
from chalicelib.policy.counts import Count, Counted
from chalicelib.store.counters import VALUES, Cell, Counters
from tests.support.builders import NOON
from tests.support.stages import COUNTERS, counters_client, memory_stage, plenty
from tests.support.streams import Record, a_delivery, batch, failed, record, sent
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return counters_client(ministack)


def counters(client: Any, **more: Any) -> Counters:
    return Counters(client, COUNTERS, pause=lambda _: None, chance=lambda: 0.5, **more)


def thing(mark: str, *counts: Count, at: datetime = NOON) -> Counted:
    return Counted(mark, at, counts or (Count("orders"),))


def nights(name: str, per: Any = "day") -> Any:
    return name, per, NOON - 30 * DAY, NOON + 30 * DAY


# -- a table in memory that breaks -------------------------------------------------------------------------------------------


TROUBLES = ("", "", "", "before", "after", "conflict")


class Breaking:
    """What a client of DynamoDB's does with the counters' table, and what goes wrong with it as the dice fall."""

    def __init__(self, dice: Random) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.dice = dice
        self.calm = False

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803  as botocore has it
        trouble = "" if self.calm else self.dice.choice(TROUBLES)
        codes = [self._code(action, trouble) for action in TransactItems]
        keys = [self._key(action) for action in TransactItems]
        assert len(set(keys)) == len(keys) <= 100
        if trouble == "before":
            raise EndpointConnectionError(endpoint_url="http://x")
        if any(code != "None" for code in codes):
            told = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": [{"Code": code} for code in codes]}
            raise ClientError(told, "TransactWriteItems")  # type: ignore[arg-type]
        for action, key in zip(TransactItems, keys, strict=True):
            if put := action.get("Put"):
                self.items[key] = put["Item"]
            else:
                values = action["Update"]["ExpressionAttributeValues"]
                before = self.items.get(key, {}).get("n", {"N": "0"})["N"]
                self.items[key] = {"n": {"N": str(Decimal(before) + Decimal(values[":n"]["N"]))}, "ttl": values[":ttl"]}
        if trouble == "after":
            raise EndpointConnectionError(endpoint_url="http://x")

    def get_paginator(self, _: str) -> "Breaking":
        return self

    def paginate(self, ExpressionAttributeValues: dict[str, Any], **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        pk, first, last = (ExpressionAttributeValues[name]["S"] for name in (":pk", ":first", ":after"))
        found = sorted(key for key in self.items if key[0] == pk and first <= key[1] <= last)
        yield {"Items": [{"sk": {"S": key[1]}, **self.items[key]} for key in found]}

    def _key(self, action: dict[str, Any]) -> tuple[str, str]:
        (what,) = action.values()
        key = what.get("Key") or what["Item"]
        return key["pk"]["S"], key["sk"]["S"]

    def _code(self, action: dict[str, Any], trouble: str) -> str:
        """Why an action is not done: its mark is there, or somebody writes the same mark or counter just now."""
        if "Put" in action and self._key(action) in self.items:
            return "ConditionalCheckFailed"
        return "TransactionConflict" if trouble == "conflict" and self.dice.random() < 0.5 else "None"


amounts = some.one_of(some.integers(-5, 500), some.decimals(-99, 999, places=2))
counts = some.builds(
    Count, some.sampled_from(["orders", "sum total of orders by status"]), some.sampled_from(["", "paid", "a#b", "é"]), amounts
)
things = some.lists(
    some.tuples(some.lists(counts, min_size=1, max_size=90), some.integers(-26 * 60, 26 * 60)), min_size=1, max_size=25
)


def until_taken(table: Breaking, records: list[Counted], dice: Random) -> None:
    """As a stream does: in batches of any size, each again until it was taken, and some once more with others."""
    records = [*records, *dice.sample(records, dice.randint(0, len(records)))]
    dice.shuffle(records)
    while records:
        size = dice.randint(1, len(records))
        now, records = records[:size], records[size:]
        for tries in range(6):
            table.calm = tries == 5
            missed = counters(table).count(dice.sample(now, len(now)), NOON)  # another container each time
            assert missed <= {each.mark for each in now}
            if table.calm or dice.random() < 0.8:  # else AWS did not hear which
                now = [each for each in now if each.mark in missed]
        assert not now


@given(things=things, dice=some.randoms(use_true_random=False))
def test_sums_are_those_of_a_dict_however_things_come_and_whatever_breaks(
    things: list[tuple[list[Count], int]], dice: Random
) -> None:
    table, wanted = Breaking(dice), Counter[tuple[str, str, datetime, str]]()
    records = []
    for number, (some_counts, minutes) in enumerate(things):
        at = NOON + timedelta(minutes=minutes)
        records.append(Counted(str(number), at, tuple(some_counts)))
        for count in some_counts:
            hour = at.replace(minute=0)
            wanted[count.name, "hour", hour, count.value] += Decimal(count.amount)  # type: ignore[assignment]
            wanted[count.name, "day", hour.replace(hour=0), count.value] += Decimal(count.amount)  # type: ignore[assignment]
    until_taken(table, records, dice)
    found = {
        (name, per, cell.moment, cell.value): cell.n
        for name in ("orders", "sum total of orders by status")
        for per in ("hour", "day")
        for cell in counters(table).read(*nights(name, per))
    }
    assert found == wanted


# -- the table ---------------------------------------------------------------------------------------------------------------


def test_thing_that_comes_again_counts_once(client: Any) -> None:
    for _ in range(3):
        assert counters(client).count([thing("a"), thing("a"), thing("b")], NOON) == set()
    assert counters(client).read(*nights("orders")) == [Cell(NOON.replace(hour=0), "", 2)]


def test_new_things_among_known_ones_are_counted(client: Any) -> None:
    store = counters(client)
    store.count([thing(str(number)) for number in range(0, 150, 3)], NOON)
    store.count([thing(str(number)) for number in range(150)], NOON)
    assert [cell.n for cell in store.read(*nights("orders"))] == [150]


def test_hours_and_days_are_those_of_utc_and_read_in_order(client: Any) -> None:
    store = counters(client)
    times = [NOON - timedelta(hours=12, seconds=1), NOON - timedelta(hours=12), NOON + timedelta(minutes=59)]
    india = [at.astimezone(timezone(timedelta(hours=5.5))) for at in times]
    store.count([thing(str(number), at=at) for number, at in enumerate(india)], NOON)
    midnight = NOON.replace(hour=0)
    days = store.read("orders", "day", NOON - DAY, NOON)
    assert days == [Cell(midnight - DAY, "", 1), Cell(midnight, "", 2)]
    hours = store.read("orders", "hour", midnight, NOON + HOUR)
    assert hours == [Cell(midnight, "", 1), Cell(NOON, "", 1)]
    assert store.read("orders", "hour", midnight, NOON) == [Cell(midnight, "", 1)]


def test_values_beyond_two_hundred_of_a_day_are_other_and_the_sum_stays_exact(client: Any) -> None:
    many = [thing(str(number), Count("orders by id", f"id#{number}")) for number in range(VALUES + 50)]
    counters(client).count(many, NOON)
    counters(client).count([*many, thing("again", Count("orders by id", "id#7"))], NOON)  # another container
    counters(client).count([thing("late", Count("orders by id", "late"), at=NOON + DAY)], NOON)
    found = {cell.value: cell.n for cell in counters(client).read("orders by id", "day", NOON, NOON)}
    assert (len(found), found["other"], found["id#7"], sum(found.values())) == (VALUES + 1, 50, 2, VALUES + 51)
    assert [cell.value for cell in counters(client).read("orders by id", "hour", NOON + DAY, NOON + DAY + HOUR)] == ["late"]


def test_thing_too_large_for_a_transaction_is_counted_in_parts_and_once(client: Any) -> None:
    large = thing("large", *(Count("files by folder", f"f/{number}", 3) for number in range(130)))
    for _ in range(2):
        assert counters(client).count([large, thing("small")], NOON) == set()
    assert sum(cell.n for cell in counters(client).read(*nights("files by folder"))) == 390


def test_what_can_never_be_counted_holds_nothing_up(client: Any) -> None:
    too_long = thing("long", Count("orders by status", "x" * 2_000))
    all_of_them = [*(thing(str(number)) for number in range(9)), too_long, thing("last")]
    assert counters(client).count(all_of_them, NOON) == set()
    assert [cell.n for cell in counters(client).read(*nights("orders"))] == [10]


def test_money_adds_up_to_the_cent(client: Any) -> None:
    store, tenth = counters(client), Decimal("0.10")
    store.count([thing(str(number), Count("sum total of orders", "", tenth)) for number in range(30)], NOON)
    store.count([thing("odd", Count("sum total of orders", "", Decimal("0.07")))], NOON)
    assert [cell.n for cell in store.read(*nights("sum total of orders"))] == [Decimal("3.07")]


def test_nothing_is_lost_where_nobody_answers(client: Any) -> None:
    dead = local_client("http://127.0.0.1:9", "dynamodb", retries={"total_max_attempts": 1})
    assert counters(dead).count([thing("a"), thing("b", Count("orders by status", "paid"))], NOON) == {"a", "b"}


MANY, AGAIN = 10_000, 2_000
CONFLICT = Answer(
    400,
    json.dumps(
        {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "Transaction cancelled",
            "CancellationReasons": [{"Code": "TransactionConflict"}] * 100,
        }
    ).encode(),
    (("Content-Type", "application/x-amz-json-1.0"),),
)


class Shard:
    """Hands records out as Lambda does: from the first that failed on again, in batches cut elsewhere."""

    def __init__(self, job: DeliveryCounter, dice: Random) -> None:
        self.job, self.dice, self.again = job, dice, 0

    def hand_out(self, records: list[Record]) -> None:
        while records:
            now = records[: self.dice.randint(1, 100)]
            answer = self.job.take(batch(*self.dice.sample(now, len(now))), plenty)
            failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
            numbers = [each["dynamodb"]["SequenceNumber"] for each in now]
            first = min((numbers.index(number) for number in failed), default=len(now))
            self.again += len(now) - first
            records = records[first:]


def test_ten_thousand_records_of_which_a_fifth_come_again_are_exact(ministack: MiniStack, client: Any) -> None:
    dice, stage = Random(7), memory_stage()
    enough = replace(stage.settings.people["asha"], budget=(parse("1000000 per hour"),))
    people, analytics = {**stage.settings.people, "asha": enough}, Analytics(by=("outcome", "folder"))
    stage.settings = replace(stage.settings, people=people, analytics=analytics)
    made = [a_delivery(f"{number}", NOON + timedelta(seconds=number)) for number in range(MANY)]
    records = [record(each, sent(each) if number % 10 else failed(each)) for number, each in enumerate(made)]
    for again in dice.sample(records, AGAIN):
        records.insert(dice.randint(0, len(records)), again)
    with Proxy(ministack.endpoint) as proxy:
        for trouble in (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HALF, CONFLICT):
            proxy.fail_while(lambda seen: seen.operation == "TransactWriteItems" and dice.random() < 0.05, trouble)
        impatient = local_client(proxy.url, "dynamodb", retries={"total_max_attempts": 1})
        deliverer, _ = stage.container()
        job = DeliveryCounter(deliverer, {"DROPNOTE_COUNTERS": COUNTERS}, lambda service, config: impatient)
        job.counters = counters(impatient)
        shard = Shard(job, dice)
        shard.hand_out(records)
    assert shard.again > 500
    found = {name: Counter[str]() for name in ("messages by outcome", "files by folder", "sent person asha")}
    for name, sums in found.items():
        for cell in counters(client).read(name, "hour", NOON, NOON + DAY):
            sums[cell.value] += int(cell.n)
    failures = MANY // 10
    assert found["messages by outcome"] == {"sent": MANY - failures, "failed": failures}
    assert found["files by folder"] == {"in": MANY - failures}
    assert found["sent person asha"] == {"messages": MANY - failures, "failures": failures}
    assert [cell.n for cell in counters(client).read("files by folder", "day", NOON, NOON)] == [MANY - failures]
