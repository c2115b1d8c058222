"""Mails of bundles and digests: their charts and spans, and names that must not change their markup."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.event import Event, Kind, Severity, Upload
from chalicelib.domain.payloads import Completion, Part, Share, Summary
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.charts import by_folder, over_time
from tests.rendering.summaries import EVERY_SAMPLE, SAMPLES, Page, a_bundle, a_digest, a_part, mail, text, uploads
from tests.support.builders import an_upload
from workbench.samples.uploads import HOSTILE_KEY

# times and charts


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("UTC", ["10:00", "11:00"]),
        ("Asia/Kolkata", ["15:30", "16:30"]),
        ("Asia/Kathmandu", ["15:45", "16:45"]),
        ("America/New_York", ["05:00", "06:00"]),
    ],
)
def test_hours_are_in_the_recipients_zone(zone: str, hours: list[str]) -> None:
    shares = [{"name": "2026-11-23T10", "files": 1}, {"name": "2026-11-23T11", "files": 2}]
    assert [bar.label for bar in over_time(shares, zone).bars] == hours
    event = a_bundle(*uploads(9, every=timedelta(minutes=20)))
    assert f"Files per hour, {zone}:" in mail(event, timezone=zone).text


def test_hours_of_several_days_have_dates_and_empty_hours_are_shown() -> None:
    names = {"2026-11-23T17": 4, "2026-11-23T19": 1, "2026-11-24T05": 8}
    chart = over_time([{"name": name, "files": files} for name, files in names.items()], "Asia/Kolkata")
    assert [(bar.label, bar.files, bar.width) for bar in chart.bars] == [
        ("23 Nov, 22:30", 4, 50),
        ("23:30", 0, 0),
        ("24 Nov, 00:30", 1, 12),
        ("…", 0, 0),
        ("10:30", 8, 100),
    ]


def test_repeated_hour_in_autumn_is_two_rows() -> None:
    shares = [{"name": f"2026-10-25T0{hour}", "files": 1} for hour in (0, 1)]
    assert [bar.label for bar in over_time(shares, "Europe/Paris").bars] == ["02:00", "02:00"]
    spring = [{"name": f"2026-03-29T0{hour}", "files": 1} for hour in (0, 1)]
    assert [bar.label for bar in over_time(spring, "Europe/Paris").bars] == ["01:00", "03:00"]


def test_long_charts_have_days_and_very_long_ones_months() -> None:
    days = [{"name": f"2026-11-{day}T{hour}", "files": 1} for day, hour in ((23, 10), (23, 20), (25, 10), (25, 18))]
    chart = over_time(days, "Asia/Kolkata")  # 20:00 UTC is the next day in Kolkata, 18:00 UTC is not
    assert (chart.unit, [(bar.label, bar.files) for bar in chart.bars]) == (
        "day",
        [("Mon 23 Nov", 1), ("Tue 24 Nov", 1), ("Wed 25 Nov", 2)],
    )
    months = over_time([{"name": "2025-12-31T23", "files": 3}, {"name": "2026-04-01T00", "files": 1}], "UTC")
    assert [bar.label for bar in months.bars] == ["Dec 2025", "…", "Apr 2026"]
    assert over_time([], "UTC").bars == ()


def test_longest_bar_fills_the_chart_and_no_bar_is_lost() -> None:
    summary = {
        "files": 1_000,
        "size": 10,
        "folders": [{"name": "", "files": 900, "size": 9}, {"name": "a", "files": 1, "size": 1}],
        "more_folders": 7,
    }
    assert [(bar.label, bar.files, bar.width) for bar in by_folder(summary)] == [
        ("(top level)", 900, 100),
        ("a", 1, 1),
        ("7 more folders", 99, 11),
    ]


@EVERY_SAMPLE
def test_bars_are_cells_with_width_colour_and_text_beside_them(name: str) -> None:
    page = Page(mail(SAMPLES[name]).html)
    assert all(1 <= width <= 100 for width in page.bars() + page.bars("failed-bar"))
    assert all(attrs.get("role") == "presentation" for tag, attrs in page.tags if tag == "table")
    if name == "digest":
        assert (max(page.bars()), max(page.bars("failed-bar"))) == (100, 100)


@EVERY_SAMPLE
def test_mail_loads_nothing_and_runs_nothing(name: str) -> None:
    html = mail(SAMPLES[name]).html
    page = Page(html)
    assert {tag for tag, _ in page.tags}.isdisjoint(("img", "script", "link", "svg", "a", "iframe", "form"))
    attributes = [attribute for _, attrs in page.tags for attribute in attrs]
    assert not [name for name in attributes if name.startswith("on") or name in ("href", "src", "background")]
    assert not re.search(r"url\(|@import|https?:|display:\s*(flex|grid)", html)


def test_clock_change_within_a_span_shows_both_zones() -> None:
    before, after = datetime(2026, 10, 24, 23, 30, tzinfo=UTC), datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
    event = a_bundle(replace(an_upload("a"), at=before), replace(an_upload("b"), at=after))
    assert "01:30 CEST to 03:00 CET" in text(event, timezone="Europe/Paris")
    assert "25 Oct 2026, 01:30 CEST to 03:00 CET" in mail(event, timezone="Europe/Paris").text


def test_span_over_midnight_has_both_days() -> None:
    event = a_bundle(*uploads(2, every=timedelta(hours=9)))
    assert "2 Mar 17:30 to 3 Mar 02:30 IST" in text(event)
    assert "2 Mar 2026, 17:30 to 3 Mar 2026, 02:30 IST" in mail(event).text


# hostile names


HOSTILE = an_upload(HOSTILE_KEY)
names = st.text(min_size=1, max_size=200)


@pytest.mark.parametrize("name", ["bundle-hostile", "incomplete", "digest"])
def test_hostile_names_are_harmless(name: str) -> None:
    message = mail(SAMPLES[name])
    assert "\u202e" not in message.text + message.html + message.subject
    assert "<img" not in message.html
    assert "\nBcc:" not in message.text
    assert "evil.com" not in text(SAMPLES[name])


@given(names)
def test_no_name_changes_the_markup(name: str) -> None:
    def page(key: str, folder: str) -> list[tuple[str, dict[str, str | None]]]:
        bundle = a_bundle(an_upload(f"{folder}/x"), an_upload("other/y"), lead=an_upload(key), by=folder)
        summary = replace(bundle.summary or Summary(), names=(key,), largest=(Share(key, 1, 1),), files=3)
        whole = Completion(False, key, folder, 3, 1, (key,))
        tags = Page(mail(replace(bundle, summary=summary), "by folder").html).tags
        tags += Page(mail(replace(bundle, summary=summary, whole=whole)).html).tags
        return tags + Page(mail(a_digest(Part("uploads", summary), why=key)).html).tags

    folder = name.replace("/", "-")
    assert page(name, folder) == page("x", "x")


def an_event() -> st.SearchStrategy[Event]:
    moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
    upload = st.builds(Upload, st.just("acme-drops"), names, st.none() | st.integers(0, 10**15), by=st.text(max_size=9))
    return st.builds(Event, st.just(Kind.UPLOAD), st.just("0" * 32), moments, upload=upload, severity=st.sampled_from(Severity))


@given(st.lists(an_event(), max_size=15), st.lists(an_event(), max_size=3), st.sampled_from(["uploads", "by folder", "gone"]))
def test_every_summary_renders_without_problems(events: list[Event], others: list[Event], rule: str) -> None:
    bundle = a_bundle(*events, lead=others[0] if others else None, by=events[0].upload.key if events and events[0].upload else "")
    whole = a_bundle(*events, whole=Completion(False, "why", "x" * 300, 99, 9, tuple(e.upload.key for e in others if e.upload)))
    digest = a_digest(a_part(rule, *events, bundle), a_part("uploads", *others), failed=[Share("2026-03-02T10", 2)])
    for event in (bundle, whole, digest):
        message = mail(event, rule)
        assert len(message.subject) <= 200
        assert "\n" not in message.subject
        Page(message.html)
        assert count_segments(text(event, rule)).segments <= 2
