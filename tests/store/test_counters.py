"""The counters' table: hours and days of UTC, limited values, exact sums."""

from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.policy.counts import Count, CountRecord
from chalicelib.store.counts.counters import MAX_VALUES, Cell, Counters
from tests.support.builders import NOON
from tests.support.stages import COUNTERS, counters_client
from workbench.local.ministack import MiniStack, local_client
from workbench.local.strict.check import detach

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return counters_client(ministack)


def counters(client: Any) -> Counters:
    return Counters(client, COUNTERS, pause=lambda _: None, chance=lambda: 0.5)


def a_record(mark: str, *counts: Count, at: Any = NOON) -> CountRecord:
    return CountRecord(mark, at, counts or (Count("orders"),))


def days_of(client: Any, name: str) -> list[Cell]:
    return counters(client).read(name, "day", NOON - 30 * DAY, NOON + 30 * DAY)


def test_redelivered_record_counts_once(client: Any) -> None:
    for _ in range(3):
        assert counters(client).count([a_record("a"), a_record("a"), a_record("b")], NOON) == set()
    assert days_of(client, "orders") == [Cell(NOON.replace(hour=0), "", 2)]


def test_new_records_among_counted_ones_are_counted(client: Any) -> None:
    store = counters(client)
    store.count([a_record(str(number)) for number in range(0, 150, 3)], NOON)
    store.count([a_record(str(number)) for number in range(150)], NOON)
    assert [cell.n for cell in days_of(client, "orders")] == [150]


def test_hours_and_days_are_in_utc_and_read_in_order(client: Any) -> None:
    store = counters(client)
    times = [NOON - timedelta(hours=12, seconds=1), NOON - timedelta(hours=12), NOON + timedelta(minutes=59)]
    in_india = [at.astimezone(timezone(timedelta(hours=5.5))) for at in times]
    store.count([a_record(str(number), at=at) for number, at in enumerate(in_india)], NOON)
    midnight = NOON.replace(hour=0)
    days = store.read("orders", "day", NOON - DAY, NOON)
    assert days == [Cell(midnight - DAY, "", 1), Cell(midnight, "", 2)]
    hours = store.read("orders", "hour", midnight, NOON + HOUR)
    assert hours == [Cell(midnight, "", 1), Cell(NOON, "", 1)]
    assert store.read("orders", "hour", midnight, NOON) == [Cell(midnight, "", 1)]


def test_values_beyond_two_hundred_per_day_count_as_other_and_the_sum_stays_exact(client: Any) -> None:
    records = [a_record(str(number), Count("orders by id", f"id#{number}")) for number in range(MAX_VALUES + 50)]
    counters(client).count(records, NOON)
    counters(client).count([*records, a_record("again", Count("orders by id", "id#7"))], NOON)  # another container
    counters(client).count([a_record("late", Count("orders by id", "late"), at=NOON + DAY)], NOON)
    values = {cell.value: cell.n for cell in counters(client).read("orders by id", "day", NOON, NOON)}
    assert (len(values), values["other"], values["id#7"], sum(values.values())) == (MAX_VALUES + 1, 50, 2, MAX_VALUES + 51)
    assert [cell.value for cell in counters(client).read("orders by id", "hour", NOON + DAY, NOON + DAY + HOUR)] == ["late"]


def test_record_too_large_for_a_transaction_is_counted_in_chunks_and_once(client: Any) -> None:
    large = a_record("large", *(Count("files by folder", f"f/{number}", 3) for number in range(130)))
    for _ in range(2):
        assert counters(client).count([large, a_record("small")], NOON) == set()
    assert sum(cell.n for cell in days_of(client, "files by folder")) == 390


def test_record_that_can_never_be_counted_does_not_block_the_others(client: Any, ministack: MiniStack) -> None:
    unchecked = detach(local_client(ministack.endpoint, "dynamodb"))  # the request that the emulator rejects, as AWS does
    too_long = a_record("long", Count("orders by status", "x" * 2_000))
    records = [*(a_record(str(number)) for number in range(9)), too_long, a_record("last")]
    assert counters(unchecked).count(records, NOON) == set()
    assert [cell.n for cell in days_of(client, "orders")] == [10]


def test_amounts_add_up_to_the_cent(client: Any) -> None:
    store, tenth = counters(client), Decimal("0.10")
    store.count([a_record(str(number), Count("sum total of orders", "", tenth)) for number in range(30)], NOON)
    store.count([a_record("odd", Count("sum total of orders", "", Decimal("0.07")))], NOON)
    assert [cell.n for cell in days_of(client, "sum total of orders")] == [Decimal("3.07")]


def test_records_are_returned_for_redelivery_if_aws_does_not_respond(client: Any) -> None:
    unreachable = local_client("http://127.0.0.1:9", "dynamodb", retries={"total_max_attempts": 1})
    records = [a_record("a"), a_record("b", Count("orders by status", "paid"))]
    assert counters(unreachable).count(records, NOON) == {"a", "b"}
