"""The hourly rows behind the dashboard: exact in any order, a handful of write units, bounded in size."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from bench.units import Meter
from chalicelib.counting.deliveries import DeliveryCounter
from chalicelib.counting.latency import latency_class
from chalicelib.domain.delivery import Delivery, Reason, State, Step
from chalicelib.domain.event import Event, Kind, identity_of
from chalicelib.domain.payloads import Share, Summary
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Analytics, ConsoleSettings
from chalicelib.policy import outcome
from chalicelib.store.counts.counters import Counters
from chalicelib.store.counts.hourly import MAX_FOLDER_BYTES, MAX_FOLDERS, OTHER_FOLDERS, HourlyRow, HourlyRows, Outcome
from tests.support.builders import NOON, an_upload
from tests.support.failing_table import FailingTable
from tests.support.stages import COUNTERS, Stage, counters_client, memory_stage, plenty
from tests.support.streams import Record, a_delivery, batch, failed, record, sent, shuffled_batches, story, unique_name
from workbench.local.ministack import MiniStack, local_client

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SENT_MAIL, SENT_TEXT = Outcome("email", "sent", "accepted"), Outcome("sms", "sent", "accepted")


@pytest.fixture
def client(ministack: MiniStack) -> Any:
    return counters_client(ministack)


@pytest.fixture
def stage() -> Stage:
    """A stage with a console."""
    stage = memory_stage()
    stage.settings = replace(stage.settings, console=ConsoleSettings())
    return stage


def counter_of(stage: Stage, client: Any) -> DeliveryCounter:
    """The counter of a new container."""
    deliverer, _ = stage.container()
    counter = DeliveryCounter(deliverer, {"DROPNOTE_COUNTERS": COUNTERS}, lambda service, config: client)
    counter.counters = Counters(client, COUNTERS, pause=lambda _: None, chance=lambda: 0.5)
    return counter


def uploaded(key: str, at: datetime = NOON, **changes: Any) -> Delivery:
    """A delivery that is being sent, about an upload at `at`."""
    delivery = a_delivery(unique_name(), at, **changes)
    upload = replace(an_upload(key, sequencer=unique_name()), at=at)
    return replace(delivery, event=upload)


def summarized(summary: Summary, at: datetime = NOON) -> Delivery:
    """A delivery of a bundle's summary."""
    event = Event(Kind.BUNDLE, identity_of(unique_name()), at, summary=summary, lead=an_upload("in/a.pdf").upload)
    return replace(a_delivery(unique_name(), at), event=event)


def sent_record(delivery: Delivery, at: datetime | None = None) -> Record:
    return record(delivery, sent(delivery, at))


def row_of(client: Any, at: datetime = NOON) -> HourlyRow:
    (row,) = HourlyRows(client, COUNTERS).hours(at, at + timedelta(seconds=1))
    return row


# -- what is counted


def test_hour_has_files_by_folder_outcomes_latencies_and_segments(client: Any, stage: Stage) -> None:
    mail = uploaded("in/2026/03/a.pdf")
    text = replace(mail, id="f" * 32, channel=Channel.SMS, segments=2)
    root = uploaded("b.pdf")
    records = [sent_record(mail, NOON + timedelta(seconds=3)), sent_record(text, NOON + timedelta(seconds=3))]
    counter_of(stage, client).take(batch(*records, record(root, failed(root))), plenty)
    assert row_of(client) == HourlyRow(
        at=NOON,
        files=2,  # the first for two recipients; the second although its message failed
        folders={"acme-drops/in/2026": 1, "acme-drops/": 1},
        deliveries={SENT_MAIL: 1, SENT_TEXT: 1, Outcome("email", "failed", "no-channel"): 1},
        latencies={latency_class(3): 2},
        segments={"91": 2},
    )


def test_month_adds_up_its_hours_without_folders_and_latencies(client: Any, stage: Stage) -> None:
    times = [NOON, NOON + 3 * HOUR, NOON + 29 * DAY, NOON + 30 * DAY]  # 2 March to 1 April
    texts = [uploaded("in/a.pdf", at, channel=Channel.SMS, segments=2) for at in times]
    counter_of(stage, client).take(batch(*map(sent_record, texts)), plenty)
    march = HourlyRow(NOON.replace(day=1, hour=0), files=3, deliveries={SENT_TEXT: 3}, segments={"91": 6})
    assert HourlyRows(client, COUNTERS).month(NOON) == march
    assert HourlyRows(client, COUNTERS).month(NOON + 30 * DAY).files == 1
    january = HourlyRow(NOON.replace(month=1, day=1, hour=0))
    assert HourlyRows(client, COUNTERS).month(NOON - 30 * DAY) == january


def test_nothing_is_counted_by_the_hour_without_a_console(client: Any) -> None:
    counter_of(memory_stage(), client).take(batch(sent_record(uploaded("in/a.pdf"))), plenty)
    assert HourlyRows(client, COUNTERS).hours(NOON - DAY, NOON + DAY) == []


def test_summary_counts_its_files_in_their_folders(client: Any, stage: Stage) -> None:
    summary = Summary(files=12, folders=(Share("in/a/b", 4), Share("in/a/c", 3), Share("", 2)), more_folders=2)
    delivery = summarized(summary)
    other = replace(delivery, id="e" * 32, person="ben")
    counter_of(stage, client).take(batch(sent_record(delivery), sent_record(other)), plenty)
    row = row_of(client)
    assert (row.files, row.folders) == (12, {"acme-drops/in/a": 7, "acme-drops/": 2, OTHER_FOLDERS: 3})
    assert row.latencies == {}


def test_upload_counts_once_however_often_its_deliveries_change(client: Any, stage: Stage) -> None:
    delivery = uploaded("in/a.pdf")
    lost = failed(delivery)
    resent = sent(outcome.requeue(lost, NOON + 5 * DAY, HOUR, "asha"), NOON + 5 * DAY)
    bounced = outcome.record_status(resent, NOON + 6 * DAY, State.UNDELIVERED, "")
    counter = counter_of(stage, client)
    counter.take(batch(*story(delivery, lost)), plenty)
    for mark in client.scan(TableName=COUNTERS)["Items"]:  # DynamoDB deletes marks after two days
        if mark["sk"]["S"] == "mark":
            client.delete_item(TableName=COUNTERS, Key={"pk": mark["pk"], "sk": mark["sk"]})
    counter.take(batch(record(lost, resent), record(resent, bounced)), plenty)
    assert HourlyRows(client, COUNTERS).month(NOON).files == 1


@pytest.mark.parametrize("reason", [Reason.OVER_BUDGET, Reason.QUIET, Reason.OPERATOR])
def test_message_delayed_on_purpose_has_no_latency(client: Any, stage: Stage, reason: Reason) -> None:
    held = replace(uploaded("in/a.pdf"), steps=(Step(NOON, State.HELD, reason),))
    waited = uploaded("in/b.pdf")
    waited = replace(waited, steps=(Step(NOON, State.RETRY, Reason.RATE),))
    counter_of(stage, client).take(batch(*(sent_record(each, NOON + timedelta(minutes=9)) for each in (held, waited))), plenty)
    assert row_of(client).latencies == {latency_class(540): 1}


# -- against a model

ENDINGS: dict[str, Callable[[Delivery, datetime], list[Delivery]]] = {
    "sent": lambda delivery, at: [sent(delivery, at)],
    "failed": lambda delivery, at: [failed(delivery, at)],
    "undelivered": lambda delivery, at: [
        sent(delivery, at),
        outcome.record_status(sent(delivery, at), at, State.UNDELIVERED, ""),
    ],
    "expired": lambda delivery, at: [outcome.expire(delivery, at)],
    "dropped": lambda delivery, at: [outcome.drop(delivery, at, Reason.SILENCED, "")],
    "claimed": lambda delivery, at: [],
}
uploads = some.tuples(
    some.sampled_from(["in/a.pdf", "in/2026/a.pdf", "in/2026/03/a.pdf", "a.pdf", "é/a b.pdf"]),
    some.integers(0, 26 * 60),  # minutes after noon: over midnight
    some.lists(  # its deliveries: how they end, segments (0 for a mail), and after how many seconds
        some.tuples(some.sampled_from([*ENDINGS]), some.integers(0, 3), some.integers(0, 4000)), max_size=3
    ),
)
FOLDERS = {"in/a.pdf": "in", "in/2026/a.pdf": "in/2026", "in/2026/03/a.pdf": "in/2026", "a.pdf": "", "é/a b.pdf": "é"}


@settings(max_examples=60)
@given(events=some.lists(uploads, max_size=8), dice=some.randoms(use_true_random=False))
def test_rows_equal_a_simple_model_in_any_batches_and_despite_duplicates_and_failures(
    events: list[tuple[str, int, list[tuple[str, int, int]]]], dice: Random
) -> None:
    stage, table, records = memory_stage(), FailingTable(dice), []
    stage.settings = replace(stage.settings, console=ConsoleSettings(), analytics=Analytics(by=("folder",)))
    files, folders = Counter[datetime](), Counter[tuple[datetime, str]]()
    outcomes, latencies, segments_sent = Counter[Any](), Counter[Any](), Counter[datetime]()
    for key, minutes, deliveries in events:
        upload = uploaded(key, NOON + timedelta(minutes=minutes))
        hour = upload.event.at.replace(minute=0)
        if any(ending != "claimed" for ending, *_ in deliveries):
            files[hour] += 1
            folders[hour, f"acme-drops/{FOLDERS[key]}"] += 1
        for ending, segments, seconds in deliveries:
            channel = Channel.SMS if segments else Channel.EMAIL
            delivery = replace(upload, id=identity_of(unique_name()), channel=channel, segments=segments)
            at = upload.event.at + timedelta(seconds=seconds)
            states = ENDINGS[ending](delivery, at)
            records += story(delivery, *states)
            for state in states:
                outcomes[at.replace(minute=0, second=0), Outcome(channel, state.state, state.reason)] += 1
                if state.state is State.SENT:
                    latencies[at.replace(minute=0, second=0), latency_class(seconds)] += 1
                    segments_sent[at.replace(minute=0, second=0)] += segments
    for chunk in shuffled_batches(records, dice):
        for attempt in range(6):
            table.works = attempt == 5
            response = counter_of(stage, table).take(batch(*dice.sample(chunk, len(chunk))), plenty)
        assert response == {"batchItemFailures": []}
    rows = HourlyRows(table, COUNTERS).hours(NOON, NOON + 3 * DAY)
    assert {row.at: row.files for row in rows if row.files} == files
    assert {(row.at, name): n for row in rows for name, n in row.folders.items()} == folders
    assert {(row.at, name): n for row in rows for name, n in row.deliveries.items()} == outcomes
    assert {(row.at, number): n for row in rows for number, n in row.latencies.items()} == latencies
    assert {row.at: row.segments["91"] for row in rows if row.segments} == +segments_sent
    month = HourlyRows(table, COUNTERS).month(NOON)
    assert (month.files, sum(month.deliveries.values())) == (files.total(), outcomes.total())
    assert month.segments.get("91", 0) == segments_sent.total()


# -- size and cost


def test_an_hour_has_at_most_a_hundred_folders_and_the_sum_stays_exact(client: Any, stage: Stage) -> None:
    long = "é" * 200
    deliveries = [uploaded(f"in/{number:03}{long}/a.pdf") for number in range(MAX_FOLDERS + 30)]
    for part in (deliveries[:90], deliveries[90:], [uploaded(f"in/007{long}/b.pdf")]):  # each in another container
        counter_of(stage, client).take(batch(*map(sent_record, part)), plenty)
    row = row_of(client)
    assert (len(row.folders), row.folders[OTHER_FOLDERS], row.files) == (MAX_FOLDERS + 1, 30, MAX_FOLDERS + 31)
    assert max(len(name.encode()) for name in row.folders) <= MAX_FOLDER_BYTES
    assert sorted(row.folders.values())[-2:] == [2, 30]


def write_units(client: Any, counter: DeliveryCounter, records: list[Record]) -> float:
    meter = Meter(client)
    with meter.counting("counter"):
        counter.take(batch(*records), plenty)
    return meter.units["counter"].writes


def test_write_units_per_message_are_as_documented(ministack: MiniStack, client: Any, stage: Stage) -> None:
    own = local_client(ministack.endpoint, "dynamodb")  # separate, so that no other calls are counted
    counter = counter_of(stage, own)
    assert write_units(own, counter, [sent_record(uploaded("in/a.pdf"))]) == 10  # 4 without a console
    assert write_units(own, counter, [sent_record(uploaded("in/a.pdf")) for _ in range(40)]) == 40 * 4 + 6
    stage.settings = replace(stage.settings, people={})  # no budgets
    counter = counter_of(stage, own)
    assert write_units(own, counter, [sent_record(uploaded("in/a.pdf"))]) == 8  # 0 without a console
    row = own.get_item(TableName=COUNTERS, Key={"pk": {"S": "hourly"}, "sk": {"S": "hour#2026-03-02T12"}})["Item"]
    assert sum(len(name) + len(str(*typed.values())) for name, typed in row.items()) < 1024


def test_a_day_is_read_with_one_query(ministack: MiniStack, client: Any, stage: Stage) -> None:
    deliveries = [uploaded("in/a.pdf", NOON + number * HOUR) for number in range(24)]
    counter_of(stage, client).take(batch(*map(sent_record, deliveries)), plenty)
    own = local_client(ministack.endpoint, "dynamodb")
    meter = Meter(own)
    with meter.counting("dashboard"):
        rows = HourlyRows(own, COUNTERS).hours(NOON, NOON + DAY)
    assert [row.at for row in rows] == [NOON + number * HOUR for number in range(24)]
    assert meter.units["dashboard"].calls == {"Query": 1}


def test_rows_of_a_later_version_are_left_out(client: Any, stage: Stage) -> None:
    counter_of(stage, client).take(batch(*map(sent_record, [uploaded("a", NOON), uploaded("a", NOON + HOUR)])), plenty)
    key = {"pk": {"S": "hourly"}, "sk": {"S": "hour#2026-03-02T12"}}
    client.update_item(TableName=COUNTERS, Key=key, UpdateExpression="SET v = :v", ExpressionAttributeValues={":v": {"N": "2"}})
    assert [row.at for row in HourlyRows(client, COUNTERS).hours(NOON, NOON + DAY)] == [NOON + HOUR]


def test_rows_expire(client: Any, stage: Stage) -> None:
    counter_of(stage, client).take(batch(sent_record(uploaded("in/a.pdf"))), plenty)
    items = {item["sk"]["S"]: int(item["ttl"]["N"]) for item in client.scan(TableName=COUNTERS)["Items"]}
    assert items["hour#2026-03-02T12"] == (NOON + timedelta(days=100)).timestamp()
    assert items["month#2026-03"] == (NOON.replace(day=1, hour=0) + timedelta(days=400)).timestamp()
