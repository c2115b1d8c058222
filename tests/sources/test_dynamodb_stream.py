"""Records of a table's stream become events: which item changed, how, and with which values."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.event import Kind
from chalicelib.domain.payloads import ChangeType, Item
from chalicelib.sources.dynamodb_stream import parse_records, plain_value
from tests.support.stream_records import PAID, REFUSED, SERIALIZER, event_of, item_of, record, typed
from workbench.local.ministack import MiniStack


def test_update_names_the_changed_fields() -> None:
    event = event_of(record(REFUSED, PAID))
    assert event.item == Item("orders", ChangeType.UPDATED, {"id": "17"}, REFUSED, PAID, ("status",))
    assert (event.kind, event.at) == (Kind.ITEM, datetime(2026, 3, 2, 12, 0, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("new", "old", "differs"),
    [
        (Binary(b"abc"), Binary(b"abd"), True),  # both are shown as <3 bytes>
        (True, 1, True),
        ([{"deep": True}], [{"deep": 1}], True),
        (None, None, False),
        ({"a", "b"}, {"b", "a"}, False),
    ],
)
def test_changes_are_detected_by_type_and_value(new: Any, old: Any, differs: bool) -> None:
    item = item_of(record({"id": "1", "field": new}, {"id": "1", "field": old}))
    assert item.changed == (("field",) if differs else ())


def test_order_of_a_set_does_not_matter() -> None:
    update = record({"id": "1", "tags": {"a", "b"}}, {"id": "1", "tags": {"a", "b"}})
    update["dynamodb"]["NewImage"]["tags"], update["dynamodb"]["OldImage"]["tags"] = {"SS": ["a", "b"]}, {"SS": ["b", "a"]}
    assert item_of(update).changed == ()


def test_added_and_removed_fields_have_changed() -> None:
    assert item_of(record({"id": "1", "a": None}, {"id": "1", "b": 1})).changed == ("a", "b")


def test_item_deleted_by_ttl_has_expired() -> None:
    by_ttl = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    assert item_of({**record(None, PAID), **by_ttl}).expired
    assert not item_of(record(None, PAID)).expired


def test_redelivered_record_is_the_same_event_and_another_record_is_not() -> None:
    assert event_of(record(PAID)).identity == event_of(record(PAID)).identity != event_of(record(PAID, number=2)).identity


@pytest.mark.parametrize(
    "payload", [{}, None, [], {"Records": 5}, {"Records": [5]}, {"Records": [{"dynamodb": {"SequenceNumber": "1"}}]}]
)
def test_malformed_payload_is_unknown(payload: Any) -> None:
    assert all(batch.unknown and not batch.events for _, batch in parse_records(payload))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"eventName": "EXPLODE"}, "missing or unknown 'EXPLODE'"),
        ({"eventSourceARN": "arn"}, "list index out of range"),
        ({"dynamodb": {"SequenceNumber": "1"}}, "missing or unknown 'Keys'"),
    ],
)
def test_unknown_record_says_why(change: dict[str, Any], why: str) -> None:
    ((_, batch),) = parse_records({"Records": [record(PAID) | change]})
    assert [payload.why for payload in batch.unknown] == [why]


JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-(10**15), 10**15) | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_json_values_survive_the_round_trip(value: Any) -> None:
    assert plain_value(SERIALIZER.serialize(value)) == value


def test_values_that_json_does_not_have() -> None:
    big = Decimal("12345678901234567890123")
    values = [big, Decimal("1.5"), Decimal("0.1234567890123456789"), {"b", "a"}, {Decimal(2), Decimal(10)}, Binary(b"abc")]
    assert [plain_value(SERIALIZER.serialize(value)) for value in values] == [
        "12345678901234567890123", 1.5, "0.1234567890123456789", ["a", "b"], [2, 10], "<3 bytes>",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="'X' is not a DynamoDB type"):
        plain_value({"X": 1})


def test_stream_of_a_real_table(ministack: MiniStack) -> None:
    client, streams = ministack.client("dynamodb"), ministack.client("dynamodbstreams")
    client.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    client.put_item(TableName="orders", Item=typed(PAID))
    client.put_item(TableName="orders", Item=typed(REFUSED))
    client.delete_item(TableName="orders", Key=typed({"id": "17"}))
    arn = client.describe_table(TableName="orders")["Table"]["LatestStreamArn"]
    (shard, *_) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    for stream_record in records:
        change = stream_record["dynamodb"]
        stream_record["eventSourceARN"] = arn
        change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    items = [event.item for _, batch in parse_records({"Records": records}) for event in batch.events]
    assert [(item.did.value, item.changed) for item in items if item] == [
        ("created", ()),
        ("updated", ("status",)),
        ("deleted", ()),
    ]
