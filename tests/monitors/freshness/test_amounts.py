"""How much must have arrived: empty files, too few, too small, and much less than usual."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.monitors.freshness.stories import MB, Story, etl


def test_empty_files_have_not_arrived() -> None:
    story = etl()
    story.parts("2026-03-02", 3, 0, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == ["02 00:30 opened error: etl/2026-03-02/ arrived empty; it was due at 06:00 IST"]
    story.parts("2026-03-02", 3, MB, at="2026-03-02 00:33")
    assert story.until("2026-03-02 00:35") == ["02 00:35 resolved ok: etl/2026-03-02/ arrived 3 minutes late (3 files, 3 MB)"]


def test_empty_files_count_if_allowed() -> None:
    story = etl(empty="ok")
    story.parts("2026-03-02", 1, 0, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == []
    assert story.state.result
    assert story.state.result.message == "etl/2026-03-02/ arrived, 1 file, empty"


def test_too_few_files_warn_and_then_fail() -> None:
    story = etl(files=24, grace={"warn": "5m", "error": "15m"})
    story.parts("2026-03-02", 20, at="2026-03-02 00:10")
    story.put("etl/2026-03-02/part-99.parquet", 0)  # an empty one does not count
    story.put("etl/2026-03-02/_SUCCESS", 10)  # nor one that does not match
    late = "only 20 of 24 files arrived: etl/2026-03-02/part-*.parquet was due at 06:00 IST"
    assert story.until("2026-03-02 00:46") == [
        f"02 00:35 opened warning: {late}, 5 minutes ago",
        f"02 00:45 worsened error: {late}, 15 minutes ago",
    ]


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (">= 4 MB", "only 3 MB of at least 4 MB arrived: etl/2026-03-02/part-*.parquet was due at 06:00 IST"),
        ("< 3 MB", "3 MB arrived, more than 3 MB: etl/2026-03-02/part-*.parquet was due at 06:00 IST"),
        (["> 2 MB", "<= 3 MB"], ""),
    ],
)
def test_all_files_together_have_a_size(size: Any, message: str) -> None:
    story = etl(size=size)
    story.parts("2026-03-02", 3, at="2026-03-02 00:10")
    assert story.until("2026-03-02 00:30") == ([f"02 00:30 opened error: {message}"] if message else [])


def usual(story: Story, days: Sequence[str], size: int = 30 * MB) -> None:
    for day in days:
        story.parts(f"2026-03-{day}", 1, size, at=f"2026-03-{day} 00:10")
    story.until(f"2026-03-{days[-1]} 12:00")


def test_much_less_than_usual_is_a_warning_until_there_is_more() -> None:
    story = etl()
    usual(story, ["02", "03", "04"])
    story.parts("2026-03-05", 1, 7 * MB, at="2026-03-05 00:10")
    assert story.until("2026-03-05 00:40") == [
        "05 00:30 opened warning: etl/2026-03-05/ arrived, but is suspiciously small: 7 MB, usually about 30 MB"
    ]
    story.parts("2026-03-05", 1, 31 * MB, at="2026-03-05 00:42")
    assert story.until("2026-03-05 00:50") == ["05 00:45 resolved ok: etl/2026-03-05/ arrived 12 minutes late (1 file, 31 MB)"]


def test_small_arrival_is_not_missing() -> None:
    story = etl()
    usual(story, ["02", "03", "04"])
    story.parts("2026-03-05", 1, MB, at="2026-03-05 00:10")
    story.until("2026-03-06 00:20")
    story.sent.clear()
    assert story.until("2026-03-06 00:30") == [
        "06 00:30 worsened error: etl/2026-03-06/part-*.parquet is missing; it was due at 06:00 IST"
    ]


def test_size_that_stays_small_becomes_usual() -> None:
    story = etl()
    usual(story, ["02", "03", "04"])
    for day in ("05", "06", "09", "10", "11"):
        story.parts(f"2026-03-{day}", 1, MB, at=f"2026-03-{day} 00:10")
    assert [line[:25] for line in story.until("2026-03-11 12:00")] == ["05 00:30 opened warning: ", "11 00:30 resolved ok: etl"]


@pytest.mark.parametrize(("small", "days"), [("0%", ["02", "03", "04"]), ("20%", ["02", "03", "04"]), ("25%", ["03", "04"])])
def test_small_is_settable_and_needs_three_to_compare(small: str, days: list[str]) -> None:
    story = etl("2026-03-02 12:00" if days[0] == "03" else "2026-03-01 12:00", small=small)
    usual(story, days)
    story.parts("2026-03-05", 1, 7 * MB, at="2026-03-05 00:10")
    assert story.until("2026-03-05 00:40") == []
