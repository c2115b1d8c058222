"""Bundles: the first upload is told at once, the rest as one; exact under repetition; on the table and in memory alike."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.delivery import flush
from chalicelib.delivery.flush import FlushInputs
from chalicelib.domain.budget import DEFAULT_PERSON_LIMITS, ExhaustedBudget
from chalicelib.domain.bundle import Bundle, Window
from chalicelib.domain.delivery import Reason, State
from chalicelib.domain.event import Event, Kind, late_identity
from chalicelib.domain.message import Message
from chalicelib.domain.settings import Settings
from chalicelib.policy.completeness import manifest_names
from chalicelib.store.bundles import Member
from tests.support.builders import NOON, an_upload, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack

NOTIFY = 'notify = ["email:asha", "sms:asha"]'


def bundled(more: str = 'then = "10m"', notify: str = 'notify = ["email:asha"]', person: str = "") -> Settings:
    """The usual settings, with a rule that bundles, and more about a person, whose zone may be another."""
    zone = 'timezone = "Asia/Kolkata"\n'
    return some_settings(**{NOTIFY: f"{notify}\n{more}", zone: person or zone})


@pytest.fixture(params=["memory", "table"])
def stage(request: pytest.FixtureRequest) -> Callable[[Settings], Stage]:
    """Makes a stage: once in memory, once on a real table."""
    if request.param == "memory":
        return memory_stage
    ministack: MiniStack = request.getfixturevalue("ministack")
    return lambda settings: real_stage(ministack, settings)


def uploads(number: int, start: int = 0, **changes: Any) -> list[Event]:
    return [an_upload(f"in/{each:05}.csv", sequencer=f"{each:05}", **changes) for each in range(start, start + number)]


def mails(there: Stage) -> list[Message]:
    return [each.message for each in there.mail.taken]


def files_of(event: Event) -> int:
    """How many files an event tells of."""
    if event.digest:
        return sum(part.summary.files for part in event.digest.parts)
    return event.summary.files if event.summary else 1


def counts(there: Stage) -> list[int]:
    """How many files each mail told of, in the order they were sent; read from the ledger, by the provider's record."""
    rows = [there.ledger.get(taken.delivery) for taken in there.mail.taken]
    return [files_of(row.event) for row in rows if row.rule != "trouble"]


def test_the_first_is_told_at_once_and_the_rest_as_one(stage: Callable[[Settings], Stage]) -> None:
    there = stage(bundled())
    for event in uploads(25):
        there.take(event)
    assert counts(there) == [1]
    there.sweep_for(minutes=9)
    assert counts(there) == [1]
    there.sweep_for(minutes=2)
    assert counts(there) == [1, 24]
    there.sweep_for(hours=2)
    assert counts(there) == [1, 24]


def test_uploads_that_come_again_in_any_order_before_and_after_the_flush_count_once(stage: Callable[[Settings], Stage]) -> None:
    there, events = stage(bundled()), uploads(40)
    for event in [*events, *events[::-3]]:
        there.take(event)
    there.sweep_for(minutes=11)
    there.take(*events[::2])
    there.sweep_for(minutes=30)
    assert counts(there) == [1, 39]


def test_the_windows_go_on_while_the_spell_lasts_and_a_quiet_one_ends_it(stage: Callable[[Settings], Stage]) -> None:
    there = stage(bundled())
    for minute in range(26):
        there.take(*uploads(1, minute))
        there.sweep_for(minutes=1)
    there.sweep_for(minutes=40)
    assert counts(there) == [1, 8, 10, 7]
    there.take(*uploads(1, 99))
    assert counts(there) == [1, 8, 10, 7, 1]


def test_a_bundle_of_one_reads_like_any_other_message(stage: Callable[[Settings], Stage]) -> None:
    there = stage(bundled())
    there.take(*uploads(2))
    there.sweep_for(minutes=11)
    _first, second = there.mail.taken
    row = there.ledger.get(second.delivery)
    assert row.event.kind is Kind.UPLOAD
    assert row.event.upload.key == "in/00001.csv"


def test_what_it_is_bundled_by_has_a_spell_of_its_own() -> None:
    there = memory_stage(bundled('then = "10m"\nby = "folder/1"'))
    for folder in ("a", "b", "a/x", "b/y", "a"):
        there.take(an_upload(f"{folder}/f.csv", sequencer=f"{len(there.ledger.rows)}{folder}{there.now}"))
    assert counts(there) == [1, 1]
    there.sweep_for(minutes=11)
    assert sorted(counts(there)) == [1, 1, 1, 2]


def test_everybody_a_rule_notifies_hears_the_same() -> None:
    there = memory_stage(bundled(notify='notify = ["email:finance", "sms:asha"]'))
    there.take(*uploads(10))
    there.sweep_for(minutes=11)
    assert len(there.mail.taken) == 4
    assert len(there.text.taken) == 2


def test_a_higher_severity_breaks_through_and_is_not_told_again() -> None:
    there = memory_stage(bundled('then = "10m"\nempty = "warn"'))
    there.take(*uploads(3))
    there.take(*uploads(2, 10, size=0))  # the first of them rises, the second does not
    assert counts(there) == [1, 1]
    there.take(*uploads(5))
    there.take(*uploads(2, 10, size=0))
    there.sweep_for(minutes=11)
    assert counts(there) == [1, 1, 5]


def test_a_silenced_rule_says_nothing_of_its_bundles_then_or_later() -> None:
    from chalicelib.policy.controls import new_silence

    there = memory_stage(bundled())
    there.bot.deliverer.control.silence(new_silence("uploads", there.now, timedelta(minutes=5), "asha", "a migration"))
    there.take(*uploads(10))
    there.sweep_for(minutes=30)
    assert not there.mail.taken
    assert {row.state for row in there.ledger.rows.values()} == {"dropped"}
    there.take(*uploads(12))
    assert counts(there) == [1]
    there.sweep_for(minutes=11)
    assert counts(there) == [1, 1]


def test_a_flush_that_dies_before_it_is_marked_says_nothing_twice() -> None:
    there = memory_stage(bundled(notify=NOTIFY))
    there.take(*uploads(10))
    there.later(minutes=10)
    (bundle,) = there.ledger.bundles.values()
    there.bot.flusher.flush(bundle, plenty)
    there.ledger.bundles[bundle.id] = bundle  # as if it had died before that was written
    there.sweep_for(minutes=5)
    assert counts(there) == [1, 9]
    assert len(there.text.taken) == 2


def test_counting_that_runs_out_of_time_goes_on_in_the_next_sweep(
    stage: Callable[[Settings], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flush, "LOOK_UP", 7)
    there = stage(bundled())
    there.take(*uploads(31))
    there.later(minutes=10)
    short = flush.RESERVE - timedelta(seconds=1)
    sweeps = 0
    while counts(there) == [1] and sweeps < 10:
        there.sweep(lambda: short)
        sweeps += 1
    assert (counts(there), sweeps) == ([1, 30], 5)


def test_a_delivery_of_many_files_is_told_when_its_marker_has_come(stage: Callable[[Settings], Stage]) -> None:
    there = stage(bundled('complete = "_SUCCESS"'))
    there.take(*uploads(5))
    there.sweep_for(minutes=30)
    assert counts(there) == []
    there.take(an_upload("in/_SUCCESS", size=0, sequencer="9"))
    there.take(*uploads(6))
    there.sweep_for(minutes=3)
    assert counts(there) == [6]
    row = there.ledger.get(there.mail.taken[-1].delivery)
    assert row.event.whole.complete
    assert row.event.whole.folder == "in"


def test_a_delivery_of_so_many_files_is_told_when_they_are_there_or_its_time_is_up() -> None:
    there = memory_stage(bundled('complete = { files = 6, within = "2h" }'))
    there.take(*uploads(6))
    there.sweep_for(minutes=4)
    assert counts(there) == [6]
    there.take(*uploads(4, 50))
    there.sweep_for(minutes=110)
    assert counts(there) == [6]
    there.sweep_for(minutes=20)
    whole = there.ledger.get(there.mail.taken[-1].delivery).event.whole
    assert (whole.complete, whole.missing, counts(there)) == (False, 2, [6, 4])


def test_a_delivery_is_whole_when_no_file_comes_any_more() -> None:
    there = memory_stage(bundled('complete = { quiet = "5m" }'))
    for number in range(10):
        there.take(*uploads(1, number))
        there.sweep_for(minutes=2)
    assert counts(there) == []
    there.sweep_for(minutes=8)
    assert counts(there) == [10]


def test_a_manifest_names_what_is_missing() -> None:
    there = memory_stage(bundled('complete = "manifest.json"'))
    there.bot.flusher._outside = FlushInputs(
        lambda *_: {}, lambda _: b'{"files": [{"key": "in/00000.csv"}, {"key": "in/00009.csv"}]}'
    )
    there.take(*uploads(2), an_upload("in/manifest.json", size=60, sequencer="9"))
    there.sweep_for(minutes=4)
    whole = there.ledger.get(there.mail.taken[-1].delivery).event.whole
    assert (whole.complete, whole.expected, whole.missing, whole.names) == (False, 2, 1, ("in/00009.csv",))


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b'{"entries": [{"url": "s3://b/a.csv", "mandatory": true}]}', ("s3://b/a.csv",)),
        (b'["a.csv", "b.csv", 3, "a.csv"]', ("a.csv", "b.csv")),
        (b"\xef\xbb\xbfa.csv,123\n# of today\n\nb.csv\n", ("a.csv", "b.csv")),
        (b'{"files": 3}', ()),
        (b"\xff\xfe\x00", ()),
        (b"[" * 100_000, ("[" * 100_000,)),
    ],
)
def test_manifests_are_read_as_they_come(content: bytes, names: tuple[str, ...]) -> None:
    assert manifest_names(content) == names


def test_each_folder_is_a_delivery_of_its_own() -> None:
    there = memory_stage(bundled('complete = "_SUCCESS"'))
    for name in ("a/1", "a/2", "b/1", "b/_SUCCESS", "a/3"):
        there.take(an_upload(name, sequencer=name))
    there.sweep_for(minutes=4)
    assert counts(there) == [1]


def test_all_quiet_is_told_where_somebody_wants_it() -> None:
    there = memory_stage(bundled("", person='timezone = "UTC"\ndigest = "daily 13:00"\nall_quiet = true\n'))
    there.sweep_for(hours=25)
    assert [there.ledger.get(each.delivery).event.kind for each in there.mail.taken] == [Kind.DIGEST]
    there.take(*uploads(3))
    there.sweep_for(hours=1)
    assert len(there.mail.taken) == 2


def test_what_waited_through_quiet_hours_comes_as_one_and_what_is_urgent_does_not_wait() -> None:
    quiet = 'timezone = "UTC"\nquiet = "12:00-13:30"\n'
    there = memory_stage(bundled("", NOTIFY, quiet))
    there.take(*uploads(5))
    assert not there.sent
    assert {row.reason for row in there.ledger.rows.values()} == {"quiet"}
    there.sweep_for(minutes=95)
    there.take(*uploads(5))
    assert (len(there.mail.taken), len(there.text.taken)) == (1, 1)
    urgent = memory_stage(bundled("urgent = true", NOTIFY, quiet))
    urgent.take(*uploads(1))
    assert len(urgent.sent) == 2


def test_a_retry_that_falls_into_quiet_hours_waits_for_their_end() -> None:
    there = memory_stage(bundled("", person='timezone = "UTC"\nquiet = "12:01-13:00"\n'))
    there.answer(Answer.LATER)
    there.take(*uploads(1))
    there.sweep_for(minutes=30)
    assert there.states() == {"email": "held"}
    there.sweep_for(minutes=32)
    assert there.states() == {"email": "sent"}


def test_over_budget_a_text_becomes_a_mail_and_mails_come_as_one_when_the_hour_is_over() -> None:
    there = memory_stage(bundled("", NOTIFY))
    until = NOON + timedelta(hours=1)
    messages, _, segments = DEFAULT_PERSON_LIMITS
    there.bot.deliverer.control.record_exhausted(ExhaustedBudget("person asha", segments, NOON, until))
    there.take(*uploads(1))
    assert {row.reason for row in there.ledger.rows.values() if row.channel == "sms"} == {"over-budget"}
    assert len(there.mail.taken) == 1  # the one instead of the text is the one that the rule sends her anyway
    there.bot.deliverer.control.record_exhausted(ExhaustedBudget("person asha", messages, NOON, until))
    there.take(*uploads(20))
    assert len(there.mail.taken) == 1
    there.sweep_for(minutes=62)
    assert len(there.mail.taken) == 2
    assert not there.text.taken


def test_what_was_left_to_the_sweep_waits_for_a_used_up_budget_too() -> None:
    there = memory_stage(bundled(""))
    there.bot.deliverer.control.record_exhausted(
        ExhaustedBudget("person asha", DEFAULT_PERSON_LIMITS[0], NOON, NOON + timedelta(hours=1))
    )
    there.bot.intake.hold(an_upload(), Reason.LATE)
    there.sweep_for(minutes=30)
    assert [(row.state, row.reason) for row in there.ledger.rows.values()] == [(State.HELD, Reason.OVER_BUDGET)]
    there.sweep_for(minutes=31)
    assert there.states() == {"email": "sent"}


def test_an_upload_that_a_backfill_found_is_not_counted_again_when_its_event_comes() -> None:
    there, event = memory_stage(bundled()), an_upload()
    assert event.upload
    found = Event(Kind.UPLOAD, late_identity(event.upload), event.at - timedelta(hours=3), upload=event.upload)
    there.bot.deliverer.control.record_backfill("acme-drops", NOON)
    there.bot.intake.hold(found, Reason.LATE)
    there.take(event)
    there.sweep_for(minutes=30)
    assert counts(there) == [1]


def test_a_window_is_moved_on_by_one_alone(stage: Callable[[Settings], Stage]) -> None:
    bundles = stage(bundled()).bundles
    first = Window(NOON, NOON, NOON + timedelta(minutes=9), NOON + timedelta(minutes=10))
    assert bundles.move_on("s", None, first)
    assert not bundles.move_on("s", None, first)
    second = Window(NOON, first.until, first.until + timedelta(minutes=10), first.due + timedelta(minutes=10))
    assert bundles.move_on("s", first, second)
    assert not bundles.move_on("s", first, second)
    assert bundles.window("s") == second


def test_members_are_found_by_their_hours_and_kept_once(stage: Callable[[Settings], Stage]) -> None:
    bundles = stage(bundled()).bundles
    bundle = Bundle("b" * 32, "s" * 32, NOON, NOON, rule="uploads", hours=frozenset({"2026-03-02T12"}))
    assert bundles.ensure(bundle).hours == {"2026-03-02T12"}
    late = Bundle("b" * 32, "s" * 32, NOON, NOON, rule="uploads", hours=frozenset({"2026-03-02T11"}))
    there = bundles.ensure(late)
    assert there.hours == {"2026-03-02T11", "2026-03-02T12"}
    event = an_upload()
    assert bundles.add(bundle.series, Member(event.identity, bundle.id, event)).bundle == bundle.id
    assert bundles.add(bundle.series, Member(event.identity, "c" * 32, event)).bundle == bundle.id
    assert [member.event for member in bundles.members(there)] == [event]
