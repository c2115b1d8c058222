"""Messages: every name renders within the limits of its medium, without header injection, markup or links."""

import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.event import Event, Kind
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.platform.sanitize import defuse_links, sanitize
from chalicelib.platform.sms_text import count_segments, fit
from chalicelib.rendering.renderer import Renderer
from tests.support.builders import NOON, an_upload, some_settings
from workbench.samples.incidents import sample_incidents

SETTINGS = some_settings()
ASHA = SETTINGS.people["asha"]
RENDERER = Renderer(SETTINGS, stage="prod")
keys = st.text(min_size=1, max_size=400)


def rendered(event: Event, channel: Channel, template: str = "upload", renderer: Renderer = RENDERER) -> Message:
    result = renderer.render(template, channel=channel, event=event, rule="uploads", person=ASHA)
    assert result.problem == ""
    return result.message


class Tags(HTMLParser):
    """The tags of a page, without its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(repr((tag, attrs)))


@given(keys)
def test_no_key_puts_a_control_character_into_a_subject(key: str) -> None:
    subject = rendered(an_upload(key), Channel.EMAIL).subject
    assert not [character for character in subject if unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")]
    assert len(subject) <= 200


@given(keys)
def test_no_key_changes_the_markup_of_a_mail(key: str) -> None:
    harmless = Tags(rendered(an_upload("x"), Channel.EMAIL).html).tags
    hostile = Tags(rendered(an_upload(key), Channel.EMAIL).html).tags
    without_command = harmless[:-4] + harmless[-2:]  # there is no download command for a key that cannot be typed
    assert hostile in (harmless, without_command)


@given(keys)
def test_every_key_fits_into_two_segments(key: str) -> None:
    assert count_segments(rendered(an_upload(key), Channel.SMS).text).segments <= 2


@given(keys)
def test_rendering_does_not_change_the_events_key(key: str) -> None:
    event = an_upload(key)
    rendered(event, Channel.EMAIL)
    assert event.upload is not None
    assert event.upload.key == key


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("evil.com/x", "evil .com/x"),
        ("report.zip", "report .zip"),
        ("report.pdf", "report.pdf"),
        ("http://evil.com", "http: //evil .com"),
        ("evil.com.pdf", "evil .com.pdf"),
        ("report.pdf.zip", "report .pdf .zip"),
        ("v1.2.csv", "v1.2.csv"),
        ("münchen.рф", "münchen .рф"),
    ],
)
def test_names_in_texts_do_not_become_links(name: str, shown: str) -> None:
    assert defuse_links(name) == shown


def test_bidi_overrides_and_line_ends_are_made_visible() -> None:
    assert sanitize("a\u202eb\r\nc\u2028") == r"a\u202eb\r\nc\u2028"
    assert sanitize("👨‍👩‍👧 é 名前") == "👨‍👩‍👧 é 名前"


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("a" * 160, "GSM-7", 1),
        ("a" * 161, "GSM-7", 2),
        ("€" * 80, "GSM-7", 1),
        ("€" * 81, "GSM-7", 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 3),  # the euro's two septets are not split
        ("ж" * 70, "UCS-2", 1),
        ("ж" * 71, "UCS-2", 2),
        ("🎉" * 35, "UCS-2", 1),
        ("🎉" * 67, "UCS-2", 3),  # 33 per segment: a surrogate pair is not split
        ("", "GSM-7", 1),
    ],
)
def test_segments_are_counted_as_networks_count_them(text: str, encoding: str, segments: int) -> None:
    assert (count_segments(text).encoding, count_segments(text).segments) == (encoding, segments)


@given(st.text(max_size=500), st.integers(1, 4))
def test_cut_text_fits_and_is_the_start_of_the_text(text: str, max_segments: int) -> None:
    cut = fit(text, max_segments)
    assert count_segments(cut).segments <= max_segments
    assert cut == text or text.startswith(re.sub(r"(\.\.\.|…)$", "", cut))


def test_cut_falls_between_graphemes() -> None:
    family = "👨‍👩‍👧"
    cut = fit(family * 40, 1)
    assert set(cut.removesuffix("…").split(family)) == {""}


def test_stage_and_test_have_marks() -> None:
    event = replace(an_upload(), kind=Kind.TEST)
    message = rendered(event, Channel.EMAIL, renderer=Renderer(SETTINGS, stage="dev"))
    assert message.subject.startswith("[dev] [TEST] report.pdf")
    assert message.text.startswith("[dev] [TEST] ")


def test_times_are_in_the_recipients_zone() -> None:
    assert "2 Mar 2026, 17:30 IST" in rendered(an_upload(), Channel.EMAIL).text


@pytest.mark.parametrize("template", ["upload", "plain"])
@pytest.mark.parametrize("size", [None, 0, 1, 5 * 1024**4])
def test_every_size_renders(template: str, size: int | None) -> None:
    assert rendered(an_upload(size=size), Channel.SMS, template).text


def test_plain_template_renders_trouble() -> None:
    event = Event(Kind.TROUBLE, "0" * 32, NOON, detail="Twilio rejects our credentials.")
    assert "Twilio rejects our" in rendered(event, Channel.SMS, "plain").text


@pytest.mark.parametrize("body", ["{{ upload.nothing }}", "{% if %}", "{{ ''.__class__.__mro__ }}", "{{ upload.key | nope }}"])
def test_plain_template_replaces_a_broken_one(tmp_path: Path, body: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sms.txt").write_text(body)
    result = Renderer(SETTINGS, stage="prod", folder=tmp_path).render(
        "mine", channel=Channel.SMS, event=an_upload(), rule="uploads", person=ASHA
    )
    assert "report.pdf arrived" in result.message.text
    assert result.problem.startswith("template mine, sms.txt")


def test_plain_template_replaces_one_that_renders_no_text(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sms.txt").write_text("{% if false %}never{% endif %}\n")
    result = Renderer(SETTINGS, stage="dev", folder=tmp_path).render(
        "mine", channel=Channel.SMS, event=an_upload(), rule="uploads", person=ASHA
    )
    assert "report.pdf arrived" in result.message.text
    assert result.problem == "template mine, sms.txt: the text is empty"


def test_there_is_no_download_command_for_a_key_that_cannot_be_typed() -> None:
    assert "aws s3 cp" not in rendered(an_upload("a\u202eb"), Channel.EMAIL).text
    assert "aws s3 cp 's3://acme-drops/it'\"'\"'s' ." in rendered(an_upload("it's"), Channel.EMAIL).text


def test_text_of_an_incident_names_its_start_once() -> None:
    down, late = sample_incidents()["incident"], sample_incidents()["incident-warning"]
    assert ": returned 503, not 2xx, since 14:40 IST. To stop reminders: " in rendered(down, Channel.SMS, "incident").text
    text = rendered(late, Channel.SMS, "incident").text
    assert text.endswith("has not arrived; it was due at 06:00 IST, 5 minutes ago (incident 81b0d7)")


def test_text_of_an_incident_adds_its_start_in_the_recipients_zone() -> None:
    late, paris = sample_incidents()["incident-warning"], replace(ASHA, timezone="Europe/Paris")
    result = RENDERER.render("incident", channel=Channel.SMS, event=late, rule="nightly-etl", person=paris)
    assert "it was due at 06:00 IST, 5 minutes ago, since 01:30 CET (incident 81b0d7)" in result.message.text


@pytest.mark.parametrize("template", ["incident", "plain"])
def test_footer_names_the_monitor_of_an_incident(template: str) -> None:
    message = rendered(sample_incidents()["incident"], Channel.EMAIL, template)
    assert message.text.endswith('You receive this because of monitor "uploads" in acme-drops.\n')
    assert 'You receive this because of monitor "uploads" in acme-drops.' in message.html


@pytest.mark.parametrize("template", ["incident", "plain"])
def test_footer_names_the_rule_of_an_alarm(template: str) -> None:
    incident = sample_incidents()["incident"]
    assert incident.news
    alarm = replace(incident, news=replace(incident.news, monitor="cpu high", what="alarm cpu high"))
    message = rendered(alarm, Channel.EMAIL, template)
    assert message.text.endswith('You receive this because of rule "uploads" in acme-drops.\n')
    assert 'You receive this because of rule "uploads" in acme-drops.' in message.html


def test_footer_of_a_trouble_notice_names_the_owner() -> None:
    event = Event(Kind.TROUBLE, "0" * 32, NOON, detail="Twilio rejects our credentials.")
    message = rendered(event, Channel.EMAIL, "plain")
    assert "You receive this as the owner of acme-drops." in message.text
    assert "You receive this as the owner of acme-drops." in message.html
