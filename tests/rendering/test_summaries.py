"""Bundles and digests: a first line with every fact, the recipient's times, charts from plain tables, harmless names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.event import Event, Severity
from chalicelib.domain.payloads import Completion, Share
from chalicelib.domain.people import Channel
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import MAX_SUBJECT, Renderer
from tests.rendering.summaries import (
    ASHA,
    EVERY_SAMPLE,
    RENDERER,
    SAMPLES,
    SETTINGS,
    Page,
    a_bundle,
    a_digest,
    a_part,
    first_line,
    mail,
    rendered,
    text,
    uploads,
)
from tests.support.builders import an_upload

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
