"""Bundles: the first upload of a burst is sent immediately, the rest as one; redelivered uploads count once."""

from collections.abc import Callable
from datetime import timedelta

from chalicelib.domain.delivery import Reason
from chalicelib.domain.event import Event, Kind, late_identity
from chalicelib.domain.settings import Settings
from chalicelib.policy.controls import new_silence
from tests.support.builders import NOON, an_upload
from tests.support.bundles import bundled, counts, uploads
from tests.support.stages import Stage, memory_stage


def test_first_upload_is_sent_immediately_and_the_rest_as_one(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled())
    for event in uploads(25):
        stage.take(event)
    assert counts(stage) == [1]
    stage.sweep_for(minutes=9)
    assert counts(stage) == [1]
    stage.sweep_for(minutes=2)
    assert counts(stage) == [1, 24]
    stage.sweep_for(hours=2)
    assert counts(stage) == [1, 24]


def test_redelivered_uploads_count_once_in_any_order_before_and_after_the_flush(make_stage: Callable[[Settings], Stage]) -> None:
    stage, events = make_stage(bundled()), uploads(40)
    for event in [*events, *events[::-3]]:
        stage.take(event)
    stage.sweep_for(minutes=11)
    stage.take(*events[::2])
    stage.sweep_for(minutes=30)
    assert counts(stage) == [1, 39]


def test_windows_continue_during_a_burst_and_an_empty_one_ends_it(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled())
    for minute in range(26):
        stage.take(*uploads(1, minute))
        stage.sweep_for(minutes=1)
    stage.sweep_for(minutes=40)
    assert counts(stage) == [1, 8, 10, 7]
    stage.take(*uploads(1, 99))
    assert counts(stage) == [1, 8, 10, 7, 1]


def test_bundle_of_one_reads_like_any_other_message(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled())
    stage.take(*uploads(2))
    stage.sweep_for(minutes=11)
    _first, second = stage.mail.accepted
    row = stage.ledger.get(second.delivery)
    assert row.event.kind is Kind.UPLOAD
    assert row.event.upload.key == "in/00001.csv"


def test_each_folder_has_its_own_burst() -> None:
    stage = memory_stage(bundled('then = "10m"\nby = "folder/1"'))
    for folder in ("a", "b", "a/x", "b/y", "a"):
        stage.take(an_upload(f"{folder}/f.csv", sequencer=f"{len(stage.ledger.rows)}{folder}{stage.now}"))
    assert counts(stage) == [1, 1]
    stage.sweep_for(minutes=11)
    assert sorted(counts(stage)) == [1, 1, 1, 2]


def test_everybody_a_rule_notifies_receives_the_same() -> None:
    stage = memory_stage(bundled(notify='notify = ["email:finance", "sms:asha"]'))
    stage.take(*uploads(10))
    stage.sweep_for(minutes=11)
    assert len(stage.mail.accepted) == 4
    assert len(stage.text.accepted) == 2


def test_higher_severity_is_sent_immediately_and_not_again_in_the_summary() -> None:
    stage = memory_stage(bundled('then = "10m"\nempty = "warn"'))
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
    stage.take(*uploads(12))
    assert counts(stage) == [1]
    stage.sweep_for(minutes=11)
    assert counts(stage) == [1, 1]


def test_upload_found_by_a_backfill_is_not_counted_again_when_its_event_arrives() -> None:
    stage, event = memory_stage(bundled()), an_upload()
    assert event.upload
    late = Event(Kind.UPLOAD, late_identity(event.upload), event.at - timedelta(hours=3), upload=event.upload)
    stage.bot.deliverer.control.record_backfill("acme-drops", NOON)
    stage.bot.intake.hold(late, Reason.LATE)
    stage.take(event)
    stage.sweep_for(minutes=30)
    assert counts(stage) == [1]
