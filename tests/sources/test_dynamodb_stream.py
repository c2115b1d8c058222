"""Rules on a table's items: what a stream tells, which changes a rule wants, and each told and counted once."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeSerializer
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.counting.item_changes import ItemChangeHandler
from chalicelib.delivery.resend import ResendError, redrive
from chalicelib.domain.conditions import ItemFilter
from chalicelib.domain.event import Event, Kind
from chalicelib.domain.payloads import ChangeType, Item
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings, SettingsError
from chalicelib.platform.clock import utc_now
from chalicelib.rules.item_conditions import fill_title, mismatch_reason, parse_tests, same, trimmed, value_of, value_passes
from chalicelib.sources.dynamodb_stream import plain, records_of
from chalicelib.store.counters import Counters
from chalicelib.store.rows import Parked
from tests.support.builders import some_settings
from tests.support.stages import Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack

STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-03-02T12:00:00.000"
PAID = {"id": "17", "status": "paid", "total": 120}
REFUSED = {**PAID, "status": "refused"}
_SERIALIZER = TypeSerializer()


def typed(image: dict[str, Any]) -> dict[str, Any]:
    return {name: _SERIALIZER.serialize(value) for name, value in image.items()}


def record(
    new: dict[str, Any] | None, old: dict[str, Any] | None = None, number: int = 1, at: float = 1772452800.0
) -> dict[str, Any]:
    """A record as Lambda gets it (AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB")."""
    name = "MODIFY" if new and old else "INSERT" if new else "REMOVE"
    images = {which: typed(image) for which, image in (("NewImage", new), ("OldImage", old)) if image}
    return {
        "eventID": f"{number:032x}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": at + number,
            "Keys": typed({"id": (new or old or {})["id"]}),
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": 59,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **images,
        },
        "eventSourceARN": STREAM,
    }


def event_of(told: dict[str, Any]) -> Event:
    ((_, batch),) = records_of({"Records": [told]})
    (event,) = batch.events
    return event


def item_of(told: dict[str, Any]) -> Item:
    item = event_of(told).item
    assert item
    return item


# conversion


def test_update_tells_what_changed() -> None:
    event = event_of(record(REFUSED, PAID))
    assert event.item == Item("orders", ChangeType.UPDATED, {"id": "17"}, REFUSED, PAID, ("status",))
    assert (event.kind, event.at) == (Kind.ITEM, datetime(2026, 3, 2, 12, 0, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("new", "old", "differs"),
    [
        (Binary(b"abc"), Binary(b"abd"), True),  # both are told as <3 bytes>
        (True, 1, True),
        ([{"deep": True}], [{"deep": 1}], True),
        (None, None, False),
        ({"a", "b"}, {"b", "a"}, False),
    ],
)
def test_what_changed_is_seen_by_type_and_value(new: Any, old: Any, differs: bool) -> None:
    item = item_of(record({"id": "1", "field": new}, {"id": "1", "field": old}))
    assert item.changed == (("field",) if differs else ())


def test_sets_have_no_order() -> None:
    told = record({"id": "1", "tags": {"a", "b"}}, {"id": "1", "tags": {"a", "b"}})
    told["dynamodb"]["NewImage"]["tags"], told["dynamodb"]["OldImage"]["tags"] = {"SS": ["a", "b"]}, {"SS": ["b", "a"]}
    assert item_of(told).changed == ()


def test_field_that_came_or_went_has_changed() -> None:
    assert item_of(record({"id": "1", "a": None}, {"id": "1", "b": 1})).changed == ("a", "b")


def test_what_ttl_took_away_has_expired() -> None:
    by_ttl = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    assert item_of({**record(None, PAID), **by_ttl}).expired
    assert not item_of(record(None, PAID)).expired


def test_same_record_is_the_same_event_and_another_is_not() -> None:
    assert event_of(record(PAID)).identity == event_of(record(PAID)).identity != event_of(record(PAID, number=2)).identity


@pytest.mark.parametrize(
    "payload", [{}, None, [], {"Records": 5}, {"Records": [5]}, {"Records": [{"dynamodb": {"SequenceNumber": "1"}}]}]
)
def test_odd_payloads_are_unknown(payload: Any) -> None:
    assert all(batch.unknown and not batch.events for _, batch in records_of(payload))


JSON = some.recursive(
    some.none() | some.booleans() | some.integers(-(10**15), 10**15) | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_values_come_out_as_they_went_in(value: Any) -> None:
    assert plain(_SERIALIZER.serialize(value)) == value


def test_values_that_json_has_not() -> None:
    big = Decimal("12345678901234567890123")
    values = [big, Decimal("1.5"), Decimal("0.1234567890123456789"), {"b", "a"}, {Decimal(2), Decimal(10)}, Binary(b"abc")]
    assert [plain(_SERIALIZER.serialize(value)) for value in values] == [
        "12345678901234567890123", 1.5, "0.1234567890123456789", ["a", "b"], [2, 10], "<3 bytes>",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="no type"):
        plain({"X": 1})


# conditions


@pytest.mark.parametrize(
    ("wanted", "value", "holds"),
    [
        ("refused", "refused", True),
        ("refused", "paid", False),
        (5, 5.0, True),
        (5, "5", True),
        (True, True, True),
        (True, 1, False),
        ("true", True, True),
        ("> 100", 120, True),
        ("> 100", "120.5", True),
        ("> 100", "many", False),
        ("<= 100", 100, True),
        ("!= paid", "refused", True),
        ("!= paid", None, True),
        ("in a, b", "b", True),
        ("in 1, 2", 2, True),
        ("glob EU-*", "EU-7", True),
        ("glob EU-*", 7, False),
        (["a", "> 5"], 6, True),
        ("exists", None, True),
    ],
)
def test_conditions(wanted: Any, value: Any, holds: bool) -> None:
    assert any(value_passes(test, value) for test in parse_tests(wanted)) is holds


def test_missing_field() -> None:
    nothing = value_of(PAID, "city")
    outcomes = {"exists": False, "missing": True, "!= x": True, "x": False, "> 1": False}
    assert {text: any(value_passes(test, nothing) for test in parse_tests(text)) for text in outcomes} == outcomes


def test_paths_lead_into_maps_and_a_field_with_a_dot_goes_first() -> None:
    assert value_of({"address": {"city": "Pune"}}, "address.city") == "Pune"
    assert value_of({"address.city": "Goa", "address": {"city": "Pune"}}, "address.city") == "Goa"


@given(some.integers(-1000, 1000), some.sampled_from([">", ">=", "<", "<="]), some.integers(-1000, 1000))
def test_comparing_is_pythons(value: int, how: str, limit: int) -> None:
    import operator

    obvious = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}[how](value, limit)
    (test,) = parse_tests(f"{how} {limit}")
    assert value_passes(test, value) is value_passes(test, str(value)) is obvious


@given(JSON, JSON)
def test_same_is_symmetric_and_reflexive(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) is same(other, one)


def test_title_puts_fields_in_and_nothing_else() -> None:
    assert fill_title("Order {id} of {who} is {status}: {0.__class__}", REFUSED) == "Order 17 of ? is refused: ?"


WANTED = ItemFilter("orders", changed=("status",), new=())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (record(REFUSED, PAID), ""),
        (record({**PAID, "total": 99}, PAID), "status did not change"),
        (record(PAID, PAID), "nothing of it changed"),
        (record(PAID), ""),
        (record(None, PAID), "it was deleted, not created or updated"),
    ],
)
def test_only_what_really_changed_is_wanted(told: dict[str, Any], why: str) -> None:
    assert mismatch_reason(WANTED, item_of(told)) == why


def test_long_item_is_cut_to_what_is_named_and_changed() -> None:
    long = {"id": "1", "status": "b", "note": "x" * 9_000, "other": "y" * 9_000}
    item = item_of(record(long, {**long, "status": "a"}))
    assert set(trimmed(item, ("note",), 4_000).new) == {"id", "status", "note"}
    assert len(trimmed(item, ("note",), 4_000).new["note"]) == 200
    assert trimmed(item, (), 10**6) is item


# rules


RULES = """
[[rules]]
name = "refused"
on = "item"
table = "orders"
changed = ["status"]
new = { status = "refused", total = "> 100" }
title = "Order {id} is refused"
notify = ["email:asha", "sms:asha"]
[[rules]]
name = "orders"
on = "item"
table = "orders"
count = ["orders by status", "sum total of sales by status"]
"""


def settings() -> Settings:
    return some_settings(RULES)


def react(stage: Stage, *told: dict[str, Any], counters: Any = None) -> list[str]:
    reacting = ItemChangeHandler(stage.bot.intake, {"DROPNOTE_COUNTERS": "dropnote-prod-counters"}, counters or _no_clients)
    return [each["itemIdentifier"] for each in reacting.take({"Records": list(told)}, plenty)["batchItemFailures"]]


def _no_clients(service: str, **_: Any) -> Any:
    raise LookupError(service)


@pytest.fixture
def stage() -> Stage:
    told = settings()
    return memory_stage(replace(told, rules=tuple(rule for rule in told.rules if rule.name != "orders")))


def test_refused_order_is_told_once_however_often_it_comes(stage: Stage) -> None:
    told = record(REFUSED, PAID)
    assert react(stage, told, record(PAID, number=2)) == []
    assert react(stage, told) == []
    (mail, text) = (each.message for each in (*stage.mail.taken, *stage.text.taken))
    assert mail.subject == "Order 17 is refused"
    assert "(before: paid)" in mail.text
    assert text.text == "acme-drops: Order 17 is refused (status: paid -> refused), 17:30 IST"


def test_template_that_fails_gives_way_to_a_message_that_still_says_what_changed(stage: Stage) -> None:
    made = stage.deliverer.renderer.render(
        "gone", channel=Channel.SMS, event=event_of(record(REFUSED, PAID)), rule="refused", person=stage.settings.people["asha"]
    )
    assert (made.message.text, bool(made.trouble)) == ("acme-drops: orders 17: updated (status)", True)


def test_poison_record_is_parked_and_holds_up_nothing(stage: Stage) -> None:
    poison = {**record(PAID, number=2), "eventName": "EXPLODE"}
    assert react(stage, poison, record(REFUSED, PAID)) == []
    assert len(stage.mail.taken) == 2  # the order's, and the owner's of what was parked
    assert react(stage, poison) == []


def test_parked_record_is_told_once_it_is_understood(stage: Stage) -> None:
    react(stage, {**record(REFUSED, PAID), "eventName": "EXPLODE"})
    (parked,) = (row for row in stage.everything() if isinstance(row, Parked))
    with pytest.raises(ResendError, match="still not understood"):
        redrive(stage.bot.intake, parked, "asha")
    mended = replace(parked, payload=parked.payload.replace(b"EXPLODE", b"MODIFY"))
    assert redrive(stage.bot.intake, mended, "asha") == "understood now: 2 deliveries due at once"
    assert react(stage, record(REFUSED, PAID)) == []
    stage.sweep()
    assert len(stage.text.taken) == 1


def bisected(stage: Stage, batch: list[dict[str, Any]]) -> None:
    """What Lambda does with a stream's batch: from the lowest failed record on it comes again, in halves while it fails."""
    while batch:
        failed = react(stage, *batch)
        if not failed:
            return
        numbers = [each["dynamodb"]["SequenceNumber"] for each in batch]
        rest = batch[min(numbers.index(number) for number in failed) :]
        half = (len(rest) + 1) // 2
        bisected(stage, rest[:half]) if len(rest) > 1 else None
        batch = rest[half:] if len(rest) > 1 else rest


@given(some.integers(1, 12), some.sets(some.integers(0, 40)))
def test_redelivered_and_bisected_batches_send_each_once(many: int, outages: set[int]) -> None:
    told = settings()
    stage = memory_stage(replace(told, rules=tuple(rule for rule in told.rules if rule.name != "orders")))
    keep, calls = stage.ledger.insert, []

    def fails_now_and_then(row: Any) -> Any:
        calls.append(row)
        if len(calls) in outages:
            raise ConnectionError("out of reach")
        return keep(row)

    stage.ledger.insert = fails_now_and_then
    batch = [record({**REFUSED, "id": str(number)}, {**PAID, "id": str(number)}, number) for number in range(1, many + 1)]
    bisected(stage, batch)
    bisected(stage, batch)
    assert sorted(each.message.text.split(" ")[2] for each in stage.text.taken) == sorted(str(n) for n in range(1, many + 1))
    assert len(stage.mail.taken) == many


@pytest.mark.parametrize(
    ("view", "told"), [("NEW_IMAGE", ["changed"]), ("KEYS_ONLY", ["changed", "new"]), ("NEW_AND_OLD_IMAGES", [])]
)
def test_stream_that_tells_too_little_is_said_once_a_batch(
    stage: Stage, view: str, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    batch = [record(REFUSED, PAID, number) for number in (1, 2)]
    for each in batch:
        each["dynamodb"]["StreamViewType"] = view
        for image in {"OldImage", "NewImage"} if view == "KEYS_ONLY" else {"OldImage"} if view == "NEW_IMAGE" else ():
            del each["dynamodb"][image]
    react(stage, *batch)
    warned = [json.loads(each.message) for each in caplog.records if "no-images" in each.message]
    assert [(each["rule"], each["view"], each["never_hold"]) for each in warned] == ([("refused", view, told)] if told else [])
    assert bool(stage.mail.taken) is not bool(told)


def test_record_that_fails_comes_again_and_what_was_told_is_not_told_twice(stage: Stage) -> None:
    keep, calls = stage.ledger.insert, []

    def fails_once(row: Any) -> Any:
        calls.append(row)
        if len(calls) == 3:
            raise ConnectionError("out of reach")
        return keep(row)

    stage.ledger.insert = fails_once
    batch = [record({**REFUSED, "id": str(number)}, {**PAID, "id": str(number)}, number) for number in (1, 2, 3)]
    (failed,) = react(stage, *batch)
    assert failed == batch[1]["dynamodb"]["SequenceNumber"]
    assert react(stage, *batch[1:]) == []
    assert len(stage.text.taken) == len(stage.mail.taken) == 3


def test_counters_are_exact(ministack: MiniStack) -> None:
    stage = real_stage(ministack, settings())
    client = ministack.client("dynamodb")
    now = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)  # the emulator takes away what is older than its ttl
    at = now.timestamp()
    told = [record({**PAID, "id": str(n), "status": "paid" if n % 3 else "open"}, number=n, at=at) for n in range(60)]
    for batch in (told[:40], told[20:], told[50:]):
        assert react(stage, *batch, counters=lambda *_, **__: client) == []
    counters, day = Counters(client, "dropnote-prod-counters"), timedelta(days=1)
    assert {cell.value: cell.n for cell in counters.read("orders by status", "day", now, now + day)} == {"open": 20, "paid": 40}
    sums = {cell.value: cell.n for cell in counters.read("sum total of sales by status", "day", now, now + day)}
    assert sums == {"open": 2400, "paid": 4800}


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
    found = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    for each in found:
        each["eventSourceARN"] = arn
        each["dynamodb"]["ApproximateCreationDateTime"] = each["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    items = [event.item for _, batch in records_of({"Records": found}) for event in batch.events]
    assert [(item.did.value, item.changed) for item in items if item] == [
        ("created", ()),
        ("updated", ("status",)),
        ("deleted", ()),
    ]


# settings


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "table: it is missing"),
        ('table = "a b"', "is no name of a table"),
        ('table = "orders"\ndid = ["made"]', "is nothing that happens to an item"),
        ('table = "orders"\ndid = "created"\nchanged = ["a"]', "only what is updated has changed"),
        ('table = "orders"\ndid = "created"\nold = { a = 1 }', "what is created was nothing before"),
        ('table = "orders"\ndid = "expired"\nnew = { a = 1 }', "what is deleted is nothing afterwards"),
        ('table = "orders"\nnew = { a = "> yesterday" }', "compares with no number"),
        ('table = "orders"\nnew = "refused"', "it is no table"),
        ('table = "orders"\nnew = { a = [] }', "an empty list is fulfilled by nothing"),
        ('table = "orders"\nnew = { a = "glob [" }', "new.a: '['"),
        ('table = "orders"\ncount = "orders by"', "is nothing to count"),
        ('table = "orders"\nbucket = "b"', "there is no such field"),
    ],
)
def test_settings_that_are_wrong(more: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        some_settings(f'\n[[rules]]\nname = "r"\non = "item"\nnotify = "email:asha"\n{more}\n')
    assert told in str(refused.value)


def test_rule_that_neither_tells_nor_counts_is_refused() -> None:
    with pytest.raises(SettingsError, match="notify: it is missing"):
        some_settings('\n[[rules]]\nname = "r"\non = "item"\ntable = "orders"\n')
