"""Bundles and digests: a first line with every fact, the recipient's times, charts from plain tables, harmless names."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.bundle import Bundle, Window
from chalicelib.domain.event import Event, Kind, Severity, Upload, identity_of
from chalicelib.domain.message import Message
from chalicelib.domain.payloads import Completion, Digest, Part, Share, Summary
from chalicelib.domain.people import Channel
from chalicelib.platform.sms_text import count_segments
from chalicelib.policy.bundle_window import event_of_bundle
from chalicelib.policy.summary import SummaryBuilder
from chalicelib.rendering.charts import by_folder, over_time
from chalicelib.rendering.renderer import MAX_SUBJECT, Renderer
from tests.support.builders import NOON, an_upload, some_settings
from workbench.samples.uploads import HOSTILE_KEY, sample_events

SETTINGS = some_settings(
    """
[[rules]]
name = "by folder"
bucket = "other-drops"
key = "invoices/**"
notify = ["email:asha"]
then = "10m"
by = "folder/1"
severity = "warning"
[[rules]]
name = "by uploader"
bucket = "acme-drops"
notify = ["email:asha"]
then = "10m"
by = "uploader"
""",
    **{'then = "off"': 'then = "10m"'},
)
ASHA, BEN = SETTINGS.people["asha"], SETTINGS.people["ben"]
RENDERER = Renderer(SETTINGS, stage="prod")
SAMPLES = {name: event for name, event in sample_events().items() if event.kind in (Kind.BUNDLE, Kind.DIGEST)}
EVERY_SAMPLE = pytest.mark.parametrize("name", SAMPLES)


def rendered(event: Event, channel: Channel, *, rule: str = "uploads", renderer: Renderer = RENDERER, **person: Any) -> Message:
    template = event.kind.value if event.kind in (Kind.BUNDLE, Kind.DIGEST) else "upload"
    result = renderer.render(template, channel=channel, event=event, rule=rule, person=replace(ASHA, **person))
    assert result.problem == ""
    return result.message


def mail(event: Event, rule: str = "uploads", **person: Any) -> Message:
    return rendered(event, Channel.EMAIL, rule=rule, **person)


def text(event: Event, rule: str = "uploads", **person: Any) -> str:
    return rendered(event, Channel.SMS, rule=rule, **person).text


def first_line(message: Message) -> str:
    return message.text.partition("\n")[0]


def a_bundle(*events: Event, lead: Event | None = None, whole: Completion | None = None, by: str = "") -> Event:
    """The event that sends these uploads as one."""
    builder = SummaryBuilder()
    for event in events:
        builder.add(event)
    window = Window(NOON, NOON, NOON, NOON, lead) if lead else None
    return event_of_bundle(Bundle("b" * 32, "series", NOON, window=window, by=by), builder, whole, NOON)


def uploads(count: int, folder: str = "in", size: int = 1024, every: timedelta = timedelta(seconds=10)) -> list[Event]:
    events = (an_upload(f"{folder}/{number:03}.pdf", size) for number in range(count))
    return [replace(event, at=NOON + number * every) for number, event in enumerate(events)]


def a_digest(*parts: Part, failed: Iterable[Share] = (), why: str = "quiet hours") -> Event:
    digest = Digest(NOON - timedelta(hours=8), NOON, why, parts, tuple(failed))
    return Event(Kind.DIGEST, identity_of("digest"), NOON, digest=digest)


def a_part(rule: str, *events: Event) -> Part:
    builder = SummaryBuilder()
    for event in events:
        builder.add(event)
    return Part(rule, builder.summary())


class Page(HTMLParser):
    """A page's tags and attributes; every opened tag must be closed."""

    VOID = frozenset(("meta", "br", "img", "hr", "input", "link"))

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def bars(self, name: str = "bar") -> list[int]:
        """The widths of a chart's bars, as attribute and as style."""
        bars = [attrs for _, attrs in self.tags if attrs.get("class") == name]
        for bar in bars:
            assert bar["width"] is not None
            assert f"width:{bar['width']};" in str(bar["style"])
            assert f"background-color:{bar['bgcolor']};" in str(bar["style"])
        return [int(str(bar["width"]).removesuffix("%")) for bar in bars]


# wording


def test_text_of_a_bundle_has_number_place_time_and_names() -> None:
    bundle = a_bundle(*uploads(412, "invoices", 8_000_000), lead=an_upload())
    assert text(bundle) == ("acme-drops: 412 more files in invoices, 3.1 GB, 17:30 to 18:38 IST: 000.pdf, 001.pdf and 410 more")


@pytest.mark.parametrize(
    ("lead", "start"), [(None, "3 files in in, 3 KB, 17:30 IST: 000.pdf, 001.pdf, 002.pdf"), (an_upload(), "3 more files in in")]
)
def test_more_files_only_after_a_first_one_was_sent(lead: Event | None, start: str) -> None:
    bundle = a_bundle(*uploads(3), lead=lead)
    assert text(bundle).startswith(f"acme-drops: {start}")
    assert first_line(mail(bundle)).startswith(start.partition(",")[0])


def test_place_is_the_folder_that_all_files_share() -> None:
    several = [*uploads(2, "invoices/2025/a"), *uploads(2, "invoices/2025/b")]
    assert "4 files in invoices/2025, " in text(a_bundle(*several))
    assert "4 files in invoices, " in text(a_bundle(*several, by="invoices"), "by folder")
    assert "4 files by AWS:AIDA, " in text(a_bundle(*several, by="AWS:AIDA"), "by uploader")
    assert "3 files in 2 folders, " in text(a_bundle(*uploads(2, "a"), *uploads(1, "b")))
    assert "2 files in acme-drops, " in text(a_bundle(an_upload("one"), an_upload("two")))


FOLDER = "deliveries/2026-11-23"
LATE = "after 6 hours"


@pytest.mark.parametrize(
    ("whole", "result"),
    [
        (Completion(True, "24 of 24 files", FOLDER, 24), "is complete: 24 of 24 files, 24 KB, 17:30 to 17:33 IST"),
        (Completion(True, "_SUCCESS received", FOLDER), "is complete: 24 files, _SUCCESS received, 24 KB, "),
        (
            Completion(False, "24 of 27 files", FOLDER, 27, 3, ("p-07", "p-08", "p-11")),
            "is incomplete: 3 of 27 files missing (p-07, p-08, p-11); 24 files received, 24 KB, ",
        ),
        (
            Completion(False, "24 of 64 files", FOLDER, 64, 40, ("p-07", "p-08", "p-11", "p-12", "p-13")),
            "is incomplete: 40 of 64 files missing (p-07, p-08, p-11 and 37 more); 24 files received",
        ),
        (Completion(False, "24 of 25 files", FOLDER, 25, 1), "is incomplete: 1 of 25 files missing; 24 files received"),
        (Completion(False, f"no _SUCCESS {LATE}", FOLDER), "is incomplete: no _SUCCESS after 6 hours; 24 files received"),
    ],
)
def test_message_of_a_batch_starts_with_its_result(whole: Completion, result: str) -> None:
    event = a_bundle(*uploads(24, FOLDER), whole=whole)
    mark = "" if whole.complete else "[WARNING] "
    headline = re.split(r"[;,(]", result)[0].strip()
    assert text(event).startswith(f"{mark}acme-drops: {FOLDER} {result}")
    assert mail(event).subject.startswith(f"{mark}{FOLDER} {headline}")
    assert first_line(mail(event)).startswith(f"{mark}{FOLDER} {headline}")
    assert all(name in mail(event).text and name in mail(event).html for name in whole.names)


def test_batch_without_files_is_reported() -> None:
    event = a_bundle(whole=Completion(True, "_SUCCESS received", FOLDER))
    assert text(event) == f"acme-drops: {FOLDER} is complete: no files, _SUCCESS received"
    assert first_line(mail(event)) == f"{FOLDER} is complete: no files, _SUCCESS received."


def test_digest_has_totals_rules_failures_and_why_it_is_one_message() -> None:
    parts = a_part("uploads", *uploads(120)), a_part("by folder", *uploads(3, "invoices"))
    event = a_digest(*parts, failed=[Share("2026-03-02T10", 2), Share("2026-03-02T11", 1)])
    assert text(event) == (
        "acme-drops: 123 files, 2 rules, 123 KB, 17:30 to 17:49 IST: uploads 120, by folder 3. "
        "3 messages to you failed (quiet hours)"
    )
    message = mail(event)
    assert message.subject == "123 files, 2 rules (123 KB), 3 messages to you failed, quiet hours"
    for words in ("3 messages to you failed", "Sent as one message: quiet hours.", "Rule uploads", "invoices/000.pdf"):
        assert words in message.text
        assert words in message.html


def test_digest_of_one_rule_names_files() -> None:
    assert text(a_digest(a_part("uploads", *uploads(3)), why="daily 08:00")) == (
        "acme-drops: 3 files, rule uploads, 3 KB, 17:30 IST: 000.pdf, 001.pdf, 002.pdf (daily 08:00)"
    )


def test_empty_digest_says_all_quiet() -> None:
    event = a_digest(why="daily 08:00")
    assert text(event) == "acme-drops: All quiet since 2 Mar 2026, 09:30 IST (daily 08:00)"
    assert mail(event).subject == "All quiet, daily 08:00"
    assert "All quiet since" in mail(event).text


def test_digest_with_failures_only_is_not_quiet() -> None:
    event = a_digest(failed=[Share("2026-03-02T10", 1)])
    assert "quiet since" not in text(event)
    assert mail(event).subject.startswith("1 message to you failed")
    assert Page(mail(event).html).bars("failed-bar") == [100]


def test_folders_of_several_buckets_are_prefixed_with_the_bucket() -> None:
    parts = a_part("uploads", *uploads(2, "same")), a_part("by folder", *uploads(1, "same"))
    assert re.findall(r"\d  (\S+/same), ", mail(a_digest(*parts)).text) == ["acme-drops/same", "other-drops/same"]
    one_bucket = parts[0], a_part("by uploader", *uploads(1, "else"))
    assert re.findall(r"\d  (\S+), 1 KB", mail(a_digest(*one_bucket)).text) == ["else"]


@EVERY_SAMPLE
def test_everyday_texts_fit_two_segments_and_subjects_their_limit(name: str) -> None:
    assert count_segments(text(SAMPLES[name])).segments <= 2
    assert len(mail(SAMPLES[name]).subject) <= MAX_SUBJECT


@EVERY_SAMPLE
def test_plain_template_renders_bundles_and_digests(name: str) -> None:
    for channel in Channel:
        result = RENDERER.render("plain", channel=channel, event=SAMPLES[name], rule="uploads", person=ASHA)
        assert result.problem == ""
        assert re.search(r"files|changes|All quiet", result.message.text)


def test_minimal_text_has_the_number_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.rendering.renderer.FALLBACK", "nothing")
    result = RENDERER.render("nothing", channel=Channel.SMS, event=SAMPLES["bundle"], rule="uploads", person=ASHA)
    assert result.message.text == "acme-drops: 412 files"
    result = RENDERER.render("nothing", channel=Channel.SMS, event=SAMPLES["all-quiet"], rule="uploads", person=ASHA)
    assert result.message.text == "acme-drops: no files"


# severity


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.CRITICAL])
def test_severity_comes_first_in_every_part(severity: Severity) -> None:
    event, renderer = replace(an_upload(), severity=severity), Renderer(SETTINGS, stage="dev")
    mark = f"[dev] [{severity.upper()}] "
    message = rendered(event, Channel.EMAIL, renderer=renderer)
    assert rendered(event, Channel.SMS, renderer=renderer).text.startswith(mark)
    assert message.subject.startswith(f"{mark}report.pdf")
    assert message.text.startswith(mark)
    assert f">{severity.upper()}</span>" in message.html
    assert "[dev] acme-drops" in message.html


def test_everyday_message_has_no_mark() -> None:
    message = mail(an_upload())
    assert "INFO" not in message.subject + message.text + message.html


# threads


def test_bundle_has_the_subject_of_the_mail_it_follows() -> None:
    lead = replace(an_upload(), thread="feed")
    bundle = replace(a_bundle(*uploads(3), lead=lead), thread="feed")
    assert mail(bundle).subject == f"Re: {mail(lead).subject}"
    assert mail(bundle).thread == mail(lead).thread == "feed"
    assert rendered(bundle, Channel.SMS).thread == ""


def test_bundle_keeps_the_marks_of_the_mail_it_follows() -> None:
    rule = SETTINGS.rule("by folder")
    assert rule is not None
    renderer, lead = Renderer(SETTINGS, stage="dev"), rule.with_severity(an_upload())
    first = rendered(lead, Channel.EMAIL, rule=rule.name, renderer=renderer)
    assert first.subject.startswith("[dev] [WARNING] ")
    follows = rendered(a_bundle(*uploads(3), lead=lead), Channel.EMAIL, rule=rule.name, renderer=renderer)
    assert follows.subject == f"Re: {first.subject}"


@given(st.text(min_size=1, max_size=400))
def test_subject_of_a_follow_up_is_the_same_however_long(key: str) -> None:
    lead = an_upload(key)
    subject = mail(a_bundle(*uploads(2), lead=lead)).subject
    assert subject == f"Re: {mail(lead).subject}"


def test_batches_and_later_windows_have_their_own_subjects() -> None:
    whole = a_bundle(*uploads(24), lead=an_upload(), whole=Completion(True, "24 of 24 files", FOLDER, 24))
    assert mail(whole).subject == f"{FOLDER} is complete: 24 of 24 files (24 KB)"
    assert mail(a_bundle(*uploads(24))).subject == "24 files in in (24 KB)"


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
