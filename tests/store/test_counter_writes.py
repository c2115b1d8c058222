"""Each record counts exactly once: in any order and batch, redelivered, and whatever fails in between."""

import json
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.counting.deliveries import DeliveryCounter
from chalicelib.domain.settings import Analytics
from chalicelib.policy.budget import parse_limit
from chalicelib.policy.counts import Count, CountRecord
from chalicelib.store.counts.counters import Counters
from tests.support.builders import NOON
from tests.support.failing_table import FailingTable
from tests.support.stages import COUNTERS, counters_client, memory_stage, plenty
from tests.support.streams import Record, a_delivery, batch, failed, record, sent
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, Fault

DAY = timedelta(days=1)


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return counters_client(ministack)


def counters(client: Any) -> Counters:
    return Counters(client, COUNTERS, pause=lambda _: None, chance=lambda: 0.5)


# --- a failing table in memory


amounts = st.one_of(st.integers(-5, 500), st.decimals(-99, 999, places=2))
counts = st.builds(
    Count, st.sampled_from(["orders", "sum total of orders by status"]), st.sampled_from(["", "paid", "a#b", "é"]), amounts
)
counts_and_minutes = st.lists(
    st.tuples(st.lists(counts, min_size=1, max_size=90), st.integers(-26 * 60, 26 * 60)), min_size=1, max_size=25
)


def deliver_all(table: FailingTable, records: list[CountRecord], randomness: Random) -> None:
    """Deliver records as a stream does: in batches of any size, repeated until counted, some again in another batch."""
    records = [*records, *randomness.sample(records, randomness.randint(0, len(records)))]
    randomness.shuffle(records)
    while records:
        size = randomness.randint(1, len(records))
        uncounted, records = records[:size], records[size:]
        for attempt in range(6):
            table.works = attempt == 5
            missed = counters(table).count(randomness.sample(uncounted, len(uncounted)), NOON)  # each time another container
            assert missed <= {count_record.mark for count_record in uncounted}
            if table.works or randomness.random() < 0.8:  # else AWS does not learn which ones were missed
                uncounted = [count_record for count_record in uncounted if count_record.mark in missed]
        assert not uncounted


@given(counts_and_minutes=counts_and_minutes, randomness=st.randoms(use_true_random=False))
def test_sums_equal_those_of_a_dict_in_any_order_and_despite_failures(
    counts_and_minutes: list[tuple[list[Count], int]], randomness: Random
) -> None:
    table, expected = FailingTable(randomness), Counter[tuple[str, str, Any, str]]()
    records = []
    for number, (record_counts, minutes) in enumerate(counts_and_minutes):
        at = NOON + timedelta(minutes=minutes)
        records.append(CountRecord(str(number), at, tuple(record_counts)))
        for count in record_counts:
            hour = at.replace(minute=0)
            expected[count.name, "hour", hour, count.value] += Decimal(count.amount)  # type: ignore[assignment]
            expected[count.name, "day", hour.replace(hour=0), count.value] += Decimal(count.amount)  # type: ignore[assignment]
    deliver_all(table, records, randomness)
    periods: list[Any] = ["hour", "day"]
    sums = {
        (name, per, cell.moment, cell.value): cell.n
        for name in ("orders", "sum total of orders by status")
        for per in periods
        for cell in counters(table).read(name, per, NOON - 30 * DAY, NOON + 30 * DAY)
    }
    assert sums == expected


# --- a real table behind a failing connection


RECORDS, REDELIVERED = 10_000, 2_000
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
    """Delivers records as Lambda does: again from the first failed one, in differently cut batches."""

    def __init__(self, counter: DeliveryCounter, randomness: Random) -> None:
        self.counter, self.randomness, self.repeated = counter, randomness, 0

    def deliver(self, records: list[Record]) -> None:
        while records:
            part = records[: self.randomness.randint(1, 100)]
            response = self.counter.take(batch(*self.randomness.sample(part, len(part))), plenty)
            failures = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
            numbers = [stream_record["dynamodb"]["SequenceNumber"] for stream_record in part]
            first = min((numbers.index(number) for number in failures), default=len(part))
            self.repeated += len(part) - first
            records = records[first:]


def test_ten_thousand_records_with_a_fifth_redelivered_are_counted_exactly(ministack: MiniStack, client: Any) -> None:
    randomness, stage = Random(7), memory_stage()
    asha = replace(stage.settings.people["asha"], budget=(parse_limit("1000000 per hour"),))
    people, analytics = {**stage.settings.people, "asha": asha}, Analytics(by=("outcome", "folder"))
    stage.settings = replace(stage.settings, people=people, analytics=analytics)
    deliveries = [a_delivery(f"{number}", NOON + timedelta(seconds=number)) for number in range(RECORDS)]
    records = [
        record(delivery, sent(delivery) if number % 10 else failed(delivery)) for number, delivery in enumerate(deliveries)
    ]
    for redelivered in randomness.sample(records, REDELIVERED):
        records.insert(randomness.randint(0, len(records)), redelivered)
    with Proxy(ministack.endpoint) as proxy:
        for failure in (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HALF, CONFLICT):
            proxy.fail_while(lambda request: request.operation == "TransactWriteItems" and randomness.random() < 0.05, failure)
        without_retries = local_client(proxy.url, "dynamodb", retries={"total_max_attempts": 1})
        deliverer, _ = stage.container()
        counter = DeliveryCounter(deliverer, {"DROPNOTE_COUNTERS": COUNTERS}, lambda service, config: without_retries)
        counter.counters = counters(without_retries)
        shard = Shard(counter, randomness)
        shard.deliver(records)
    assert shard.repeated > 500
    sums = {name: Counter[str]() for name in ("messages by outcome", "files by folder", "sent person asha")}
    for name, values in sums.items():
        for cell in counters(client).read(name, "hour", NOON, NOON + DAY):
            values[cell.value] += int(cell.n)
    failures = RECORDS // 10
    assert sums["messages by outcome"] == {"sent": RECORDS - failures, "failed": failures}
    assert sums["files by folder"] == {"in": RECORDS - failures}
    assert sums["sent person asha"] == {"messages": RECORDS - failures, "failures": failures}
    assert [cell.n for cell in counters(client).read("files by folder", "day", NOON, NOON)] == [RECORDS - failures]
