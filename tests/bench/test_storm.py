"""The bench of storms: who arrives when, what is counted at the table, and a small storm that is told as one."""

from collections import Counter
from typing import Any

import pytest

from bench.storm import rows, run, targets, write_units, wrong
from bench.storming import arrivals
from bench.units import Meter, size_of
from workbench.local.ministack import MiniStack, local_client

TABLE = "some-table"


def test_one_in_five_comes_again_and_of_those_one_in_ten_late() -> None:
    first, late = arrivals(1_000, seed=1)
    assert (len(first), len(late)) == (1_180, 20)
    assert set(first) == set(range(1_000))
    assert set(Counter([*first, *late]).values()) == {1, 2}
    assert arrivals(1_000, seed=1) == (first, late)
    assert list(first[:1_000]) != list(range(1_000))


def test_small_storm_is_told_as_one() -> None:
    found = run(60, seed=3, on_done=lambda _: None)
    assert wrong(found) == []
    assert write_units(found) > 1
    (row,) = rows([found])
    assert row[:4] == ["60", "72", "2", "59"]
    assert found.units["taking"]["refused"] >= 60 // 5 - 1
    assert [each.told for each in targets([found])] == ["write units an event, the most"]


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    client = local_client(ministack.endpoint, "dynamodb")  # of its own: the others' calls are not to be counted
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    return client


def test_writes_that_fail_and_queries_are_counted_by_what_they_touch(client: Any) -> None:
    meter = Meter(client)
    item = {"pk": {"S": "p"}, "sk": {"S": "0"}, "words": {"S": "w" * 3_000}}
    with meter.counting("puts"):
        for number in range(9):
            client.put_item(TableName=TABLE, Item=item | {"sk": {"S": str(number)}})
    with meter.counting("again"), pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")
    with meter.counting("look"):
        asked = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "p"}}}
        client.query(TableName=TABLE, ConsistentRead=True, **asked)
        client.query(TableName=TABLE, **asked)
    found = {what: (units.writes, units.reads, units.refused) for what, units in meter.units.items()}
    assert found == {"puts": (27, 0, 0), "again": (3, 0, 1), "look": (0, 7 + 3.5, 0)}
    assert meter.mean_bytes == size_of(item) == 3_011
