"""Uploads whose event never came are found, told once, and not again when the event comes after all."""

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chalicelib.domain.event import Batch, Event, Kind, Upload, late_identity
from tests.support.builders import NOON, an_upload
from tests.support.stages import Stage, memory_stage, plenty
from workbench.local.ministack import MiniStack
from workbench.reports import missed_uploads

SCOPE = missed_uploads.Scope("acme-drops", "in/", NOON - timedelta(days=1), NOON + timedelta(hours=1))


def found(key: str, etag: str = "abc", at: datetime = NOON) -> Event:
    upload = Upload("acme-drops", key, 1234, etag=etag)
    return Event(Kind.UPLOAD, late_identity(upload), at, upload=upload, detail="found late")


def announce(stage: Stage, *events: Event) -> int:
    """What the command does: find, warn, wait, announce; how many were announced."""
    missed = missed_uploads.missed(events, stage.bot, SCOPE)
    missed_uploads.wait_for(missed_uploads.warn(stage.bot, SCOPE), stage.clock, lambda seconds: stage.later(seconds=seconds))
    return sum(bool(missed_uploads.announce(stage.bot, event)) for event in missed)


def test_missed_upload_is_told_as_found_late_and_once() -> None:
    stage = memory_stage()
    assert [announce(stage, found("in/a.pdf")), announce(stage, found("in/a.pdf"))] == [1, 0]
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]
    assert all("found late" in message.text for _, _, message in stage.sent)


def test_event_that_comes_after_all_is_told_no_more() -> None:
    stage = memory_stage()
    announce(stage, found("in/a.pdf"))
    stage.sweep()
    stage.take(an_upload("in/a.pdf"))
    assert len(stage.text.taken) == 1
    later = an_upload("in/a.pdf", sequencer="0099")
    stage.take(structs.replace(later, at=SCOPE.until + timedelta(minutes=1)))
    assert len(stage.text.taken) == 2  # a new upload of the same


def test_other_containers_know_before_anything_is_announced() -> None:
    stage = memory_stage()
    _, other = stage.container()
    other.take(Batch(events=(an_upload("in/warm.pdf", sequencer="00"),)), plenty)
    announce(stage, found("in/a.pdf"))
    other.take(Batch(events=(an_upload("in/a.pdf"),)), plenty)
    stage.sweep()
    assert sum("a.pdf" in text.message.text for text in stage.text.taken) == 1


def test_what_no_rule_wants_is_not_missed() -> None:
    stage = memory_stage()
    assert missed_uploads.missed([found("in/a.part"), found("in/a.pdf")], stage.bot, SCOPE) == [found("in/a.pdf")]


def test_smaller_scope_does_not_take_back_a_wider_one() -> None:
    stage = memory_stage()
    missed_uploads.warn(stage.bot, SCOPE)
    missed_uploads.warn(stage.bot, replace(SCOPE, until=NOON))
    assert stage.deliverer.control.now().backfilled_until == {"acme-drops": SCOPE.until}


KEYS = st.sampled_from([f"in/{letter}.pdf" for letter in "abcdef"])


@given(told=st.sets(KEYS), there=st.sets(KEYS), again=st.sets(KEYS))
def test_announced_is_what_is_there_and_was_not_told(told: set[str], there: set[str], again: set[str]) -> None:
    stage = memory_stage()
    for number, key in enumerate(sorted(told)):
        stage.take(an_upload(key, sequencer=f"{number:04}"))
    assert announce(stage, *map(found, there)) == len(there - told)
    assert announce(stage, *map(found, there | again)) == len(again - there - told)
    stage.sweep()
    assert len(stage.text.taken) == len(told | there | again)


def test_bucket_is_listed_by_prefix_and_time(ministack: MiniStack) -> None:
    client = ministack.client("s3")
    client.create_bucket(Bucket="acme-drops")
    for key in ("in/a b+ü.pdf", "in/c.pdf", "out/d.pdf"):
        client.put_object(Bucket="acme-drops", Key=key, Body=b"some words")
    now = datetime.now(NOON.tzinfo)
    where = replace(SCOPE, since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    events = list(missed_uploads.objects(client, where))
    assert [event.upload.key for event in events if event.upload] == ["in/a b+ü.pdf", "in/c.pdf"]
    assert {event.upload.etag for event in events if event.upload} == {md5(b"some words", usedforsecurity=False).hexdigest()}
    assert list(missed_uploads.objects(client, replace(where, until=now - timedelta(minutes=30)))) == []


@pytest.mark.parametrize("place", ["in/", "s3:///x", "https://b/x", ""])
def test_place_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="write s3://bucket/prefix"):
        missed_uploads.scope(place, NOON - timedelta(days=1), NOON)


def test_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="ends before it begins"):
        missed_uploads.scope("s3://b/x", NOON, NOON)
    assert missed_uploads.scope("s3://b", NOON - timedelta(days=1), NOON).prefix == ""
