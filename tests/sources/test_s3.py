"""S3 payloads become events: every record, whatever the key."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.event import Creation
from chalicelib.sources import s3
from tests.support.payloads import TEST_EVENT, bus_event, s3_notification, s3_record

ODD_KEYS = [
    "in/a b.txt",
    "in/a+b.txt",
    "100%.txt",
    "year=2026/month=03/part-0.parquet",
    "q?x=1&y=2#top",
    "/leading//double",
    "placeholder/",
    "📦/فارسی/名前.csv",
    "right\u202eto-left\u200f.txt",
    "line\r\nbreak",
    "k" * 1024,
]
keys = st.text(min_size=1, max_size=300).map(lambda key: key.encode("utf-8", "ignore").decode() or "k")


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_key_becomes_the_same_event_directly_and_through_eventbridge(key: str) -> None:
    (direct,) = s3.from_notification(s3_notification(s3_record(key))).events
    (bus,) = s3.from_bus(bus_event(key)).events
    assert direct.upload is not None
    assert direct.upload.key == key
    assert bus.identity == direct.identity


@given(keys)
def test_any_key_round_trips(key: str) -> None:
    (event,) = s3.from_notification(s3_notification(s3_record(key))).events
    assert event.upload is not None
    assert event.upload.key == key


@pytest.mark.parametrize("version", ["2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.17"])
def test_every_minor_version_is_accepted(version: str) -> None:
    assert s3.from_notification(s3_notification(s3_record(version=version))).events


def test_every_record_becomes_an_event() -> None:
    batch = s3.from_notification(s3_notification(s3_record("a"), s3_record("b"), s3_record("c")))
    assert [event.upload.key for event in batch.events if event.upload] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("name", "reason", "creation"),
    [
        ("ObjectCreated:Put", "PutObject", Creation.PUT),
        ("ObjectCreated:Post", "POST Object", Creation.POST),
        ("ObjectCreated:Copy", "CopyObject", Creation.COPY),
        ("ObjectCreated:CompleteMultipartUpload", "CompleteMultipartUpload", Creation.MULTIPART),
    ],
)
def test_creation_is_read_from_both_formats(name: str, reason: str, creation: Creation) -> None:
    (direct,) = s3.from_notification(s3_notification(s3_record(name=name))).events
    (bus,) = s3.from_bus(bus_event(reason=reason)).events
    assert direct.upload is not None
    assert bus.upload is not None
    assert (direct.upload.creation, bus.upload.creation) == (creation, creation)


def test_suspended_versioning_does_not_create_two_events() -> None:
    (direct,) = s3.from_notification(s3_notification(s3_record(versionId="null"))).events
    (bus,) = s3.from_bus(bus_event()).events
    assert direct.identity == bus.identity


def test_new_upload_of_the_same_key_is_another_event() -> None:
    batch = s3.from_notification(s3_notification(s3_record(sequencer="01"), s3_record(sequencer="02")))
    first, second = batch.events
    assert first.identity != second.identity


def test_without_sequencer_version_etag_and_time_identify_an_event() -> None:
    records = [s3_record(sequencer="", eTag="a"), s3_record(sequencer="", eTag="b"), s3_record(sequencer="", eTag="a")]
    first, second, again = s3.from_notification(s3_notification(*records)).events
    assert first.identity == again.identity != second.identity


def test_zero_bytes_and_unknown_size_differ() -> None:
    empty, unknown = s3.from_notification(s3_notification(s3_record(size=0), s3_record(size=None))).events
    assert empty.upload is not None
    assert unknown.upload is not None
    assert (empty.upload.size, unknown.upload.size) == (0, None)


def test_test_event_of_s3_is_ignored() -> None:
    batch = s3.from_notification(TEST_EVENT)
    assert (batch.events, batch.unknown, batch.ignored) == ((), (), ("s3:TestEvent",))


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "LifecycleExpiration:Delete", "ObjectRestore:Completed"])
def test_event_that_is_not_a_creation_is_ignored(name: str) -> None:
    assert s3.from_notification(s3_notification(s3_record(name=name))).ignored == (name,)


MALFORMED: list[Any] = [
    None,
    [],
    "text",
    {},
    {"Records": []},
    {"Records": "no"},
    s3_notification({}),
    s3_notification(s3_record(version="3.0")),
    s3_notification(s3_record(size="big")),
    s3_notification(s3_record() | {"eventTime": "yesterday"}),
    s3_notification({**s3_record(), "s3": None}),
    s3_notification(s3_record() | {"s3": {"bucket": {"name": "b"}, "object": {"key": "%ff"}}}),
]


@pytest.mark.parametrize("payload", MALFORMED)
def test_malformed_payload_is_unknown_and_not_raised(payload: Any) -> None:
    batch = s3.from_notification(payload)
    assert not batch.events
    assert len(batch.unknown) == 1
    assert batch.unknown[0].why


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ([], "missing 'Records'"),
        (s3_notification({}), "missing 'eventVersion'"),
        (s3_notification(s3_record(version="3.0")), "eventVersion 3.0 is not 2.x"),
        (s3_notification(s3_record(size="big")), "'big' is not a size"),
        (s3_notification(s3_record("")), "bucket or key is empty"),
    ],
)
def test_malformed_payload_says_why(payload: Any, why: str) -> None:
    assert [unknown.why for unknown in s3.from_notification(payload).unknown] == [why]


def test_malformed_record_does_not_affect_the_others() -> None:
    batch = s3.from_notification(s3_notification(s3_record("a"), {"what": "ever"}, s3_record("b")))
    assert len(batch.events) == 2
    assert batch.unknown[0].payload == {"what": "ever"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_payload_raises(payload: Any) -> None:
    s3.from_notification(payload)
    s3.from_bus(payload)
    s3.from_notification({"Records": [payload]})
