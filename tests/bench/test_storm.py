"""The bench of bursts: the order of arrivals, the unit counts, and a small burst."""

from collections import Counter
from typing import Any

import pytest

from bench.storm import errors, rows, run, targets, write_units
from bench.storm_run import arrivals
from bench.units import Meter, size_of
from workbench.local.ministack import MiniStack, local_client

TABLE = "some-table"


def test_one_in_five_is_redelivered_and_one_in_ten_of_those_late() -> None:
    first, late = arrivals(1_000, seed=1)
    assert (len(first), len(late)) == (1_180, 20)
    assert set(first) == set(range(1_000))
    assert set(Counter([*first, *late]).values()) == {1, 2}
    assert arrivals(1_000, seed=1) == (first, late)
    assert list(first[:1_000]) != list(range(1_000))


def test_small_burst_is_sent_as_one_summary() -> None:
    result = run(60, seed=3, on_progress=lambda _: None)
    assert errors(result) == []
    assert write_units(result) > 1
    (row,) = rows([result])
    assert row[:4] == ["60", "72", "6", "0"]
    assert result.units["receiving"]["rejected"] >= 60 // 5 - 1
    assert [target.title for target in targets([result])] == [
        "messages or segments above a budget, maximum",
        "write units per event, maximum",
    ]


def test_burst_of_single_messages_stays_within_the_budgets() -> None:
    result = run(160, seed=3, on_progress=lambda _: None, single=True)
    assert (errors(result), result.over_budget, result.missing) == ([], 0, 0)
    assert [len(files) for files in result.files.values()].count(100) >= 1  # ben's mails: as many as the hour allows


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    client = local_client(ministack.endpoint, "dynamodb")  # its own, so that no other calls are counted
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    return client


def test_units_of_rejected_writes_and_of_queries_are_computed(client: Any) -> None:
    meter = Meter(client)
    item = {"pk": {"S": "p"}, "sk": {"S": "0"}, "words": {"S": "w" * 3_000}}
    with meter.counting("puts"):
        for number in range(9):
            client.put_item(TableName=TABLE, Item=item | {"sk": {"S": str(number)}})
    with meter.counting("rejected"), pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")
    with meter.counting("queries"):
        query = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "p"}}}
        client.query(TableName=TABLE, ConsistentRead=True, **query)
        client.query(TableName=TABLE, **query)
    counted = {phase: (units.writes, units.reads, units.rejected) for phase, units in meter.units.items()}
    assert counted == {"puts": (27, 0, 0), "rejected": (3, 0, 1), "queries": (0, 7 + 3.5, 0)}
    assert meter.mean_bytes == size_of(item) == 3_011
