"""Which keys of a bucket are reported: no fewer than the rules need, and what S3 rejects as overlapping."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.event import Kind
from chalicelib.domain.rule import Rule
from chalicelib.domain.settings import BotSettings, BucketSettings, Settings, Trigger
from chalicelib.rules import globs, triggers
from chalicelib.rules.event_patterns import matches, within_limits
from chalicelib.rules.upload_bindings import KeyFilter, common_filter, needed_filters, uploads_pattern

KEYS = ["".join(letters) for length in range(7) for letters in product("ab", repeat=length)]
FILTERS = some.builds(KeyFilter, some.text("ab", max_size=3), some.text("ab", max_size=3))


def matching(keys: KeyFilter) -> set[str]:
    """The model: S3 compares the start and the end of each key."""
    return {key for key in KEYS if key.startswith(keys.prefix) and key.endswith(keys.suffix)}


@given(FILTERS, FILTERS)
def test_filters_overlap_if_a_key_can_match_both(one: KeyFilter, other: KeyFilter) -> None:
    assert one.overlaps(other) == bool(matching(one) & matching(other)) == other.overlaps(one)


@given(FILTERS, FILTERS)
def test_covering_filter_matches_every_key_of_the_other(one: KeyFilter, other: KeyFilter) -> None:
    assert not one.covers(other) or matching(other) <= matching(one)


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [  # the examples of the user guide
        (KeyFilter("images/"), KeyFilter("logs/"), False),
        (KeyFilter(suffix=".jpg"), KeyFilter(suffix=".png"), False),
        (KeyFilter("images", ".jpg"), KeyFilter("images", ".png"), False),
        (KeyFilter(), KeyFilter("images"), True),
        (KeyFilter(suffix="jpg"), KeyFilter(suffix="pg"), True),
        (KeyFilter("images", "jpg"), KeyFilter(suffix="jpg"), True),
    ],
)
def test_documented_examples(one: KeyFilter, other: KeyFilter, overlap: bool) -> None:
    assert one.overlaps(other) is overlap


def rules(*keys: str | tuple[str, ...], bucket: str = "b") -> list[Rule]:
    return [Rule(str(number), bucket, key=(key,) if isinstance(key, str) else key) for number, key in enumerate(keys)]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["**"], KeyFilter()),
        ([("!tmp/**",)], KeyFilter()),
        (["in/*.pdf"], KeyFilter("in/", ".pdf")),
        ([("in/**/*.pdf", "!in/old/**")], KeyFilter("in/", ".pdf")),
        (["in/a/*.pdf", "in/b/*.pdf"], KeyFilter("in/", ".pdf")),
        (["in/a/*.pdf", "in/b/*.csv"], KeyFilter("in/")),
        (["in/*.pdf", "out/*.pdf"], KeyFilter(suffix=".pdf")),
        ([("in/*.pdf", "in/_SUCCESS")], KeyFilter("in/")),
        (["invoices/"], KeyFilter("invoices/")),
        (["in/my files/*.pdf"], KeyFilter("in/my", ".pdf")),  # a space would have to be encoded
        (["é/*.pdf é"], KeyFilter()),
    ],
)
def test_filter_is_common_to_all_rules(keys: list[str | tuple[str, ...]], expected: KeyFilter) -> None:
    assert common_filter(rules(*keys), "b") == expected


def test_rules_on_other_buckets_and_sources_do_not_count() -> None:
    others = [Rule("x", "other", key=("x/*",)), Rule("y", on=Kind.BUS)]
    assert common_filter([*rules("in/*"), *others], "b") == KeyFilter("in/")


GLOBS = some.lists(some.sampled_from(["a", "b", "/", ".", "*", "**", "?", "**/", "[ab]", "{a,b}", " ", "é"]), max_size=6)


@given(some.lists(GLOBS.map("".join).filter(bool), min_size=1, max_size=3), some.text("ab/. é", max_size=8))
def test_no_key_that_a_rule_matches_is_filtered_out(patterns: list[str], key: str) -> None:
    keys = common_filter(rules(tuple(patterns)), "b")
    if globs.matches(patterns, key):
        assert key.startswith(keys.prefix)
        assert key.endswith(keys.suffix)
        assert any(keys.covers(needed) for needed in needed_filters(rules(tuple(patterns)), "b"))
    assert re.fullmatch(r"[A-Za-z0-9/!_.'()-]*", keys.prefix + keys.suffix)


def upload(bucket: str, key: str) -> dict[str, object]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    return {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}


def test_eventbridge_reports_only_the_keys_that_the_rules_need() -> None:
    pattern = uploads_pattern([*rules("in/*.pdf"), *rules("**", bucket="c")], ["b", "c"])
    assert pattern is not None
    reported = [matches(pattern, upload(*place)) for place in (("b", "in/a.pdf"), ("b", "a.pdf"), ("c", "a.pdf"), ("d", "a"))]
    assert reported == [True, False, True, False]


def test_pattern_without_filters_names_the_buckets() -> None:
    pattern = uploads_pattern([*rules("**"), *rules("**", bucket="c")], ["b", "c"])
    assert pattern == {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["b", "c"]}}}
    assert uploads_pattern([], []) is None


@pytest.mark.parametrize("number", [20, 100])
def test_pattern_never_exceeds_eventbridges_limit(number: int) -> None:
    names = [f"bucket-with-a-long-name-{n}" for n in range(number)]
    many = [rule for name in names for rule in rules("incoming/files/*", bucket=name)]
    pattern = uploads_pattern(many, names)
    assert pattern is not None
    assert within_limits(pattern)
    assert all(matches(pattern, upload(name, "incoming/files/a")) for name in names)


class FakeApp:
    """Chalice's triggers, as text."""

    def __getattr__(self, kind: str) -> object:
        return lambda *arguments, **options: (kind, *arguments, options)


def test_each_bucket_is_bound_in_the_way_of_its_settings() -> None:
    topic, queue = "arn:aws:sns:eu-west-1:123456789012:uploads", "arn:aws:sqs:eu-west-1:123456789012:uploads"
    buckets = [
        BucketSettings("b"),
        BucketSettings("bus", Trigger.EVENTBRIDGE),
        BucketSettings("t-one", Trigger.TOPIC, topic=topic),
        BucketSettings("t-two", Trigger.TOPIC, topic=topic),
        BucketSettings("q", Trigger.QUEUE, queue=queue),
    ]
    all_rules = tuple(rule for bucket in buckets for rule in rules("in/*.pdf", bucket=bucket.name))
    settings = Settings(BotSettings("bot"), rules=all_rules, triggers={bucket.name: bucket for bucket in buckets})
    app, created = FakeApp(), ["s3:ObjectCreated:*"]
    options = {"name": "upload_b", "prefix": "in/", "suffix": ".pdf"}
    assert list(triggers.direct(app, settings)) == [("on_s3_event", "b", created, options)]
    assert list(triggers.topics(app, settings)) == [("on_sns_message", topic, {"name": "uploads_topic_uploads"})]
    by_arn = {"queue_arn": queue, "batch_size": 10, "name": "uploads_queue_uploads"}
    by_name = {"queue": "more", "batch_size": 10}
    assert list(triggers.queues(app, settings, {"UPLOAD_QUEUE": "more"})) == [
        ("on_sqs_message", by_arn),
        ("on_sqs_message", by_name),
    ]
    ((_, pattern, _),) = triggers.eventbridge(app, settings)
    reported = [matches(pattern, upload(bucket.name, "in/a.pdf")) for bucket in buckets]
    assert reported == [True, True, False, False, False]
