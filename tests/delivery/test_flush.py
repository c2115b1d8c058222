"""Flushing: a due bundle is sent once, and a batch of files when it is complete or its time is over."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.delivery import flush
from chalicelib.delivery.flush import FlushInputs
from chalicelib.domain.event import Kind
from chalicelib.domain.settings import Settings
from chalicelib.policy.completeness import manifest_names
from tests.support.builders import an_upload
from tests.support.bundles import NOTIFY, bundled, counts, uploads
from tests.support.stages import Stage, memory_stage, plenty


def test_flush_that_dies_before_it_is_recorded_sends_nothing_twice() -> None:
    stage = memory_stage(bundled(notify=NOTIFY))
    stage.take(*uploads(10))
    stage.later(minutes=10)
    (bundle,) = stage.ledger.bundles.values()
    stage.bot.flusher.flush(bundle, plenty)
    stage.ledger.bundles[bundle.id] = bundle  # as if the process had died before recording it
    stage.sweep_for(minutes=5)
    assert counts(stage) == [1] * 5 + [5]
    assert len(stage.text.accepted) == 6


def test_first_summary_of_an_installation_says_why_it_is_one(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled("", notify=NOTIFY))
    stage.take(*uploads(20))
    stage.sweep_for(minutes=11)
    why = "Why a summary? The first 5 messages of a burst come one by one, then one every 10 minutes. To get each: then ="
    mail, text = stage.mail.accepted[-1].message, stage.text.accepted[-1].message
    assert all(why in part for part in (mail.text, mail.html, text.text))
    assert not any("Why a summary" in accepted.message.text for accepted in stage.mail.accepted[:-1])
    stage.sweep_for(hours=1)
    stage.take(*uploads(20, 50))
    stage.sweep_for(minutes=11)
    assert counts(stage) == [1] * 5 + [15] + [1] * 5 + [15]
    assert "Why a summary" not in stage.text.accepted[-1].message.text


def test_counting_that_runs_out_of_time_continues_in_the_next_sweep(
    make_stage: Callable[[Settings], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flush, "TIME_CHECK_INTERVAL", 7)
    stage = make_stage(bundled())
    stage.take(*uploads(34))
    stage.later(minutes=10)
    time_left = flush.RESERVE - timedelta(seconds=1)
    sweeps = 0
    while counts(stage) == [1] * 5 and sweeps < 10:
        stage.sweep(lambda: time_left)
        sweeps += 1
    assert (counts(stage), sweeps) == ([1] * 5 + [29], 5)


def test_batch_is_complete_once_its_marker_arrives(make_stage: Callable[[Settings], Stage]) -> None:
    stage = make_stage(bundled('complete = "_SUCCESS"'))
    stage.take(*uploads(5))
    stage.sweep_for(minutes=30)
    assert counts(stage) == []
    stage.take(an_upload("in/_SUCCESS", size=0, sequencer="9"))
    stage.take(*uploads(6))
    stage.sweep_for(minutes=3)
    assert counts(stage) == [6]
    row = stage.ledger.get(stage.mail.accepted[-1].delivery)
    assert row.event.whole.complete
    assert row.event.whole.folder == "in"


def test_batch_of_a_number_of_files_is_complete_once_they_arrive_or_incomplete_after_its_time() -> None:
    stage = memory_stage(bundled('complete = { files = 6, within = "2h" }'))
    stage.take(*uploads(6))
    stage.sweep_for(minutes=4)
    assert counts(stage) == [6]
    stage.take(*uploads(4, 50))
    stage.sweep_for(minutes=110)
    assert counts(stage) == [6]
    stage.sweep_for(minutes=20)
    whole = stage.ledger.get(stage.mail.accepted[-1].delivery).event.whole
    assert (whole.complete, whole.missing, counts(stage)) == (False, 2, [6, 4])


def test_batch_is_complete_when_no_more_files_arrive() -> None:
    stage = memory_stage(bundled('complete = { quiet = "5m" }'))
    for number in range(10):
        stage.take(*uploads(1, number))
        stage.sweep_for(minutes=2)
    assert counts(stage) == []
    stage.sweep_for(minutes=8)
    assert counts(stage) == [10]


def test_manifest_names_the_missing_files() -> None:
    stage = memory_stage(bundled('complete = "manifest.json"'))
    stage.bot.flusher._inputs = FlushInputs(
        lambda *_: {}, lambda _: b'{"files": [{"key": "in/00000.csv"}, {"key": "in/00009.csv"}]}'
    )
    stage.take(*uploads(2), an_upload("in/manifest.json", size=60, sequencer="9"))
    stage.sweep_for(minutes=4)
    whole = stage.ledger.get(stage.mail.accepted[-1].delivery).event.whole
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
def test_manifest_formats(content: bytes, names: tuple[str, ...]) -> None:
    assert manifest_names(content) == names


def test_each_folder_is_its_own_batch() -> None:
    stage = memory_stage(bundled('complete = "_SUCCESS"'))
    for name in ("a/1", "a/2", "b/1", "b/_SUCCESS", "a/3"):
        stage.take(an_upload(name, sequencer=name))
    stage.sweep_for(minutes=4)
    assert counts(stage) == [1]


def test_empty_digest_is_sent_to_people_with_all_quiet() -> None:
    stage = memory_stage(bundled("", person='timezone = "UTC"\ndigest = "daily 13:00"\nall_quiet = true\n'))
    stage.sweep_for(hours=25)
    assert [stage.ledger.get(mail.delivery).event.kind for mail in stage.mail.accepted] == [Kind.DIGEST]
    stage.take(*uploads(3))
    stage.sweep_for(hours=1)
    assert len(stage.mail.accepted) == 2
