"""Bundles: the first upload of a burst is sent immediately, the rest as one; redelivered uploads count once."""

from collections.abc import Callable
from datetime import timedelta

from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Reason
from chalicelib.domain.event import Batch, Event, Kind, late_identity
from chalicelib.domain.settings import Settings
from chalicelib.policy.controls import new_silence
from tests.support.builders import NOON, an_upload
from tests.support.bundles import bundled, counts, uploads
from tests.support.stages import Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack, local_client

ONE_BY_ONE = [1] * 5  # the first files of a burst, as `first` is by default


def test_first_uploads_are_sent_immediately_and_the_rest_as_one(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled())
    for event in uploads(25):
        stage.take(event)
    assert counts(stage) == ONE_BY_ONE
    stage.sweep_for(minutes=9)
    assert counts(stage) == ONE_BY_ONE
    stage.sweep_for(minutes=2)
    assert counts(stage) == [*ONE_BY_ONE, 20]
    stage.sweep_for(hours=2)
    assert counts(stage) == [*ONE_BY_ONE, 20]


def test_rule_bundles_unless_it_says_otherwise(make_stage: Callable[[Settings], Stage]) -> None:
    by_default, off = make_stage(bundled("")), memory_stage(bundled('then = "off"'))
    for stage in (by_default, off):
        for event in uploads(8):
            stage.take(event)
        stage.sweep_for(minutes=11)
    assert counts(by_default) == [*ONE_BY_ONE, 3]
    assert counts(off) == [1] * 8


def test_first_says_how_many_are_sent_immediately() -> None:
    for first, messages in ((0, [8]), (1, [1, 7]), (8, [1] * 8)):
        stage = memory_stage(bundled(f"first = {first}"))
        for event in uploads(8):
            stage.take(event)
        stage.sweep_for(minutes=11)
        assert counts(stage) == messages


def test_redelivered_uploads_count_once_in_any_order_before_and_after_the_flush(make_stage: Callable[[Settings], Stage]) -> None:
    stage, events = make_stage(bundled()), uploads(40)
    for event in [*events, *events[::-3]]:
        stage.take(event)
    stage.sweep_for(minutes=11)
    stage.take(*events[::2])
    stage.sweep_for(minutes=30)
    assert counts(stage) == [*ONE_BY_ONE, 35]
    bundles = len([row for row in stage.ledger.newest(NOON, stage.now) if isinstance(row, Bundle)])
    stage.later(hours=2)  # no window is open
    stage.take(*events)
    assert len([row for row in stage.ledger.newest(NOON, stage.now) if isinstance(row, Bundle)]) == bundles
    stage.sweep_for(minutes=30)
    assert counts(stage) == [*ONE_BY_ONE, 35]


def test_windows_continue_during_a_burst_and_an_empty_one_ends_it(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled())
    for minute in range(26):
        stage.take(*uploads(1, minute))
        stage.sweep_for(minutes=1)
    stage.sweep_for(minutes=40)
    assert counts(stage) == [*ONE_BY_ONE, 4, 10, 7]
    stage.take(*uploads(1, 99))
    assert counts(stage) == [*ONE_BY_ONE, 4, 10, 7, 1]


def test_uploads_slower_than_the_limit_are_all_sent_immediately() -> None:
    stage = memory_stage(bundled())
    for number in range(20):
        stage.take(*uploads(1, number))
        stage.sweep_for(minutes=3)
    assert counts(stage) == [1] * 20


def test_any_number_of_containers_send_the_first_ones_once(make_stage: Callable[[Settings], Stage]) -> None:
    stage, events = make_stage(bundled()), uploads(60)
    bots = [stage.container()[1] for _ in range(6)]
    for number, event in enumerate(events):  # half of the events reach two containers
        bots[number % 6].take(Batch(events=(event,)), plenty)
        bots[(number + number % 2) % 6].take(Batch(events=(event,)), plenty)
    stage.sweep_for(minutes=11)
    assert counts(stage) == [*ONE_BY_ONE, 55]


def test_lone_upload_makes_one_call_more_than_without_bundling(ministack: MiniStack) -> None:
    calls: list[str] = []
    client = local_client(ministack.endpoint, "dynamodb")
    client.meta.events.register("before-call.dynamodb.*", lambda model, **_: calls.append(model.name))
    stage = real_stage(ministack, bundled(), client)
    stage.take(*uploads(1))
    # the control item once per 30 s; then the window and the member, the message and its budgets, and that it was sent
    assert calls == ["GetItem", "TransactWriteItems", "TransactWriteItems", "UpdateItem"]
    calls.clear()
    for event in uploads(20, 1):
        stage.take(event)
    assert calls.count("TransactWriteItems") == 4 + 1 + 4  # four members and the first of the window; four messages
    assert calls[-8:] == ["PutItem"] * 8  # one write per upload


def test_bundle_of_one_reads_like_any_other_message(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled())
    for event in uploads(6):
        stage.take(event)
    stage.sweep_for(minutes=11)
    row = stage.ledger.get(stage.mail.accepted[-1].delivery)
    assert row.event.kind is Kind.UPLOAD
    assert row.event.upload.key == "in/00005.csv"


def test_each_folder_has_its_own_burst() -> None:
    stage = memory_stage(bundled('first = 1\nby = "folder/1"'))
    for folder in ("a", "b", "a/x", "b/y", "a"):
        stage.take(an_upload(f"{folder}/f.csv", sequencer=f"{len(stage.ledger.rows)}{folder}{stage.now}"))
    assert counts(stage) == [1, 1]
    stage.sweep_for(minutes=11)
    assert sorted(counts(stage)) == [1, 1, 1, 2]


def test_everybody_a_rule_notifies_receives_the_same() -> None:
    stage = memory_stage(bundled(notify='notify = ["email:finance", "sms:asha"]'))
    stage.take(*uploads(10))
    stage.sweep_for(minutes=11)
    assert len(stage.mail.accepted) == 12
    assert len(stage.text.accepted) == 6


def test_higher_severity_is_sent_immediately_and_not_again_in_the_summary() -> None:
    stage = memory_stage(bundled('first = 1\nempty = "warn"'))
    stage.take(*uploads(3))
    stage.take(*uploads(2, 10, size=0))  # only the first is more severe than what was sent
    assert counts(stage) == [1, 1]
    stage.take(*uploads(5))
    stage.take(*uploads(2, 10, size=0))
    stage.sweep_for(minutes=11)
    assert counts(stage) == [1, 1, 5]


def test_silenced_rule_sends_its_bundles_neither_then_nor_later() -> None:
    stage = memory_stage(bundled())
    stage.bot.deliverer.control.silence(new_silence("uploads", stage.now, timedelta(minutes=5), "asha", "a migration"))
    stage.take(*uploads(10))
    stage.sweep_for(minutes=30)
    assert not stage.mail.accepted
    assert {row.state for row in stage.ledger.rows.values()} == {"dropped"}
    stage.take(*uploads(17))  # ten of them again
    assert counts(stage) == ONE_BY_ONE
    stage.sweep_for(minutes=11)
    assert counts(stage) == [*ONE_BY_ONE, 2]


def test_upload_found_by_a_backfill_is_not_counted_again_when_its_event_arrives() -> None:
    stage, event = memory_stage(bundled()), an_upload()
    assert event.upload
    late = Event(Kind.UPLOAD, late_identity(event.upload), event.at - timedelta(hours=3), upload=event.upload)
    stage.bot.deliverer.control.record_backfill("acme-drops", NOON)
    stage.bot.intake.hold(late, Reason.LATE)
    stage.take(event)
    stage.sweep_for(minutes=30)
    assert counts(stage) == [1]
