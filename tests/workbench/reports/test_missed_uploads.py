"""Uploads whose event never arrived are found and sent once, and not again if the event arrives later."""

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


def late_event(key: str, etag: str = "abc", at: datetime = NOON) -> Event:
    upload = Upload("acme-drops", key, 1234, etag=etag)
    return Event(Kind.UPLOAD, late_identity(upload), at, upload=upload, detail="found late")


def announce(stage: Stage, *events: Event) -> int:
    """Do what the command does: find, record, wait, announce; return how many were announced."""
    missed = missed_uploads.find_missed(events, stage.bot, SCOPE)
    ready_at = missed_uploads.record_backfill(stage.bot, SCOPE)
    missed_uploads.wait_for(ready_at, stage.clock, lambda seconds: stage.later(seconds=seconds))
    return sum(bool(missed_uploads.announce(stage.bot, event)) for event in missed)


def test_missed_upload_is_sent_once_and_marked_as_found_late() -> None:
    stage = memory_stage()
    assert [announce(stage, late_event("in/a.pdf")), announce(stage, late_event("in/a.pdf"))] == [1, 0]
    assert sorted(stage.sweep()) == ["email sent", "sms sent"]
    assert all("found late" in message.text for _, _, message in stage.sent)


def test_event_that_arrives_later_is_not_sent_again() -> None:
    stage = memory_stage()
    announce(stage, late_event("in/a.pdf"))
    stage.sweep()
    stage.take(an_upload("in/a.pdf"))
    assert len(stage.text.accepted) == 1
    later = an_upload("in/a.pdf", sequencer="0099")
    stage.take(structs.replace(later, at=SCOPE.until + timedelta(minutes=1)))
    assert len(stage.text.accepted) == 2  # a new upload of the same key


def test_other_containers_know_before_anything_is_announced() -> None:
    stage = memory_stage()
    _, other = stage.container()
    other.take(Batch(events=(an_upload("in/warm.pdf", sequencer="00"),)), plenty)
    announce(stage, late_event("in/a.pdf"))
    other.take(Batch(events=(an_upload("in/a.pdf"),)), plenty)
    stage.sweep()
    assert sum("a.pdf" in text.message.text for text in stage.text.accepted) == 1


def test_upload_without_a_matching_rule_is_not_missed() -> None:
    stage = memory_stage()
    uploads = [late_event("in/a.part"), late_event("in/a.pdf")]
    assert missed_uploads.find_missed(uploads, stage.bot, SCOPE) == uploads[1:]


def test_narrower_scope_does_not_shorten_a_wider_one() -> None:
    stage = memory_stage()
    missed_uploads.record_backfill(stage.bot, SCOPE)
    missed_uploads.record_backfill(stage.bot, replace(SCOPE, until=NOON))
    assert stage.deliverer.control.now().backfilled_until == {"acme-drops": SCOPE.until}


KEYS = st.sampled_from([f"in/{letter}.pdf" for letter in "abcdef"])


@given(sent=st.sets(KEYS), listed=st.sets(KEYS), listed_later=st.sets(KEYS))
def test_uploads_that_were_not_sent_are_announced(sent: set[str], listed: set[str], listed_later: set[str]) -> None:
    stage = memory_stage()
    for number, key in enumerate(sorted(sent)):
        stage.take(an_upload(key, sequencer=f"{number:04}"))
    assert announce(stage, *map(late_event, listed)) == len(listed - sent)
    assert announce(stage, *map(late_event, listed | listed_later)) == len(listed_later - listed - sent)
    stage.sweep()
    assert len(stage.text.accepted) == len(sent | listed | listed_later)


def test_bucket_is_listed_by_prefix_and_time(ministack: MiniStack) -> None:
    client = ministack.client("s3")
    client.create_bucket(Bucket="acme-drops")
    for key in ("in/a b+ü.pdf", "in/c.pdf", "out/d.pdf"):
        client.put_object(Bucket="acme-drops", Key=key, Body=b"some words")
    now = datetime.now(NOON.tzinfo)
    scope = replace(SCOPE, since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    events = list(missed_uploads.list_uploads(client, scope))
    assert [event.upload.key for event in events if event.upload] == ["in/a b+ü.pdf", "in/c.pdf"]
    assert {event.upload.etag for event in events if event.upload} == {md5(b"some words", usedforsecurity=False).hexdigest()}
    assert list(missed_uploads.list_uploads(client, replace(scope, until=now - timedelta(minutes=30)))) == []


@pytest.mark.parametrize("address", ["in/", "s3:///x", "https://b/x", ""])
def test_invalid_address_is_an_error(address: str) -> None:
    with pytest.raises(ValueError, match="use s3://bucket/prefix"):
        missed_uploads.parse_scope(address, NOON - timedelta(days=1), NOON)


def test_end_before_the_start_is_an_error() -> None:
    with pytest.raises(ValueError, match="--since must be before --until"):
        missed_uploads.parse_scope("s3://b/x", NOON, NOON)
    assert missed_uploads.parse_scope("s3://b", NOON - timedelta(days=1), NOON).prefix == ""
