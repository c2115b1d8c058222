"""Messages to webhooks: how chat.txt is read, and what stands in for it in a template that lacks it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.domain.message import Card, Listing, MailLinks, Message, Tone
from chalicelib.domain.payloads import Level
from chalicelib.domain.people import Channel, Person
from chalicelib.rendering.chat import card_of_mail, chat_message, read_card, tone_of
from chalicelib.rendering.renderer import Renderer
from tests.support.builders import an_upload, some_settings
from workbench.samples.incidents import sample_incidents
from workbench.samples.uploads import sample_events

ROOM = Person("ops-room", webhook="ops-room")
ASHA = Person("asha", whatsapp="+919812345678")
TEXT = """q3.pdf arrived

It is the last one.
Size: 1.2 MB
Key: a: b
First files:
- a.pdf
- b: c

More:
  indented.pdf
=> AWS console: https://console.aws.amazon.com/s3
-- rule "uploads"
"""


def card(text: str) -> Card:
    return read_card(text, an_upload(), "uploads")


def message(template: str, folder: Path | None = None, channel: Channel = Channel.WEBHOOK) -> Message:
    renderer = Renderer(some_settings(), stage="dev", folder=folder)
    person = ROOM if channel is Channel.WEBHOOK else ASHA
    rendered = renderer.render(template, channel=channel, event=an_upload(), rule="uploads", person=person)
    assert rendered.problem == ""
    return rendered.message


def test_lines_become_title_facts_lists_link_and_footer() -> None:
    read = card(TEXT)
    assert (read.title, read.text) == ("q3.pdf arrived", ("It is the last one.",))
    assert read.facts == (("Size", "1.2 MB"), ("Key", "a: b"))
    assert read.lists == (Listing("First files", ("a.pdf", "b: c")), Listing("More", ("indented.pdf",)))
    assert (read.link, read.footer) == (("AWS console", "https://console.aws.amazon.com/s3"), 'rule "uploads"')


@pytest.mark.parametrize("line", ["=> https://evil.example", "=> click: https://evil.example"])
def test_only_chat_txt_has_links(line: str) -> None:
    assert card(f"title\n{line}").link[1] == "https://evil.example"
    assert card_of_mail("title", line, an_upload(), "uploads").link == ("", "")


@pytest.mark.parametrize("line", ["=> http://plain.example", "=> javascript:alert(1)", "=> https://a b"])
def test_only_https_addresses_are_links(line: str) -> None:
    assert card(f"title\n{line}").link == ("", "")


def test_no_name_of_a_file_adds_a_line_to_a_shipped_template() -> None:
    renderer = Renderer(some_settings(), stage="prod")
    event = an_upload("x\n=> https://evil.example\n-- footer\nSize: 0")
    rendered = renderer.render("upload", channel=Channel.WEBHOOK, event=event, rule="uploads", person=ROOM).message.card
    assert rendered
    assert (rendered.link[1], rendered.footer, len(rendered.facts)) == ("", 'rule "uploads" in acme-drops', 4)


def test_marks_are_in_the_title() -> None:
    assert message("upload").text.startswith("[dev] report.pdf arrived (1.2 KB)\n")


@pytest.fixture
def own_template(tmp_path: Path) -> Callable[..., Path]:
    def write(**parts: str) -> Path:
        (tmp_path / "mine").mkdir()
        for name, text in parts.items():
            (tmp_path / "mine" / f"{name}.txt").write_text(text)
        return tmp_path

    return write


def test_template_without_chat_txt_is_read_from_its_mail(own_template: Callable[..., Path]) -> None:
    folder = own_template(
        subject="New: {{ upload.key }}", email="It arrived.\n\nSize:      {{ upload.size | filesize }}\n", sms="x"
    )
    read = message("mine", folder).card
    assert read
    assert (read.title, read.text, read.facts) == ("[dev] New: in/report.pdf", ("It arrived.",), (("Size", "1.2 KB"),))


def test_template_without_whatsapp_txt_sends_its_text_as_one_value(own_template: Callable[..., Path]) -> None:
    folder = own_template(sms="{{ upload.key }}  arrived\nnow")
    sent = message("mine", folder, Channel.WHATSAPP)
    assert (sent.variables, sent.template, sent.segments) == (
        ("[dev] in/report.pdf arrived now",),
        "mine",
        0,
    )


def test_each_line_of_whatsapp_txt_is_a_value(own_template: Callable[..., Path]) -> None:
    folder = own_template(whatsapp="{{ upload.key }}\n\n{{ upload.size | filesize }}\n", sms="x")
    assert message("mine", folder, Channel.WHATSAPP).variables == ("[dev] in/report.pdf", "1.2 KB")


@pytest.mark.parametrize("template", ["upload", "test", "plain"])
def test_values_of_content_templates_have_no_line_breaks_and_are_short(template: str) -> None:
    renderer = Renderer(some_settings(), stage="prod")
    event = an_upload("a\t" + "b     c" * 400)
    rendered = renderer.render(template, channel=Channel.WHATSAPP, event=event, rule="uploads", person=ASHA).message
    (value,) = rendered.variables
    assert len(value) <= 700
    assert not {"\n", "\t"} & set(value)
    assert "    " not in value


def test_content_template_gets_at_most_a_hundred_values(own_template: Callable[..., Path]) -> None:
    folder = own_template(whatsapp="{% for number in range(120) %}{{ number }}\n{% endfor %}", sms="x")
    assert len(message("mine", folder, Channel.WHATSAPP).variables) == 100


def test_values_of_emoji_are_short_however_they_are_counted(own_template: Callable[..., Path]) -> None:
    (value,) = message("mine", own_template(whatsapp="👩‍👩‍👧‍👦" * 200, sms="x"), Channel.WHATSAPP).variables
    assert 600 < len(value.encode("utf-16-le")) // 2 <= 700


def test_incident_is_red_while_it_is_on_and_green_when_it_is_over() -> None:
    opened = sample_incidents()["incident"]
    assert opened.news
    assert tone_of(opened) is Tone.CRITICAL
    over = replace(opened.news, until=opened.news.opened_at + timedelta(minutes=5), level=Level.OK)
    assert tone_of(replace(opened, news=over)) is Tone.RESOLVED


@pytest.mark.parametrize("name", sample_events())
def test_every_sample_has_a_title_of_one_line_and_something_else(name: str) -> None:
    event = sample_events()[name]
    renderer = Renderer(some_settings(), stage="prod")
    rendered = renderer.render("plain", channel=Channel.WEBHOOK, event=event, rule="uploads", person=ROOM)
    assert rendered.problem == ""
    assert rendered.message.card
    assert rendered.message.card.facts


def test_link_to_the_object_is_the_link_of_the_card() -> None:
    parts, event, url = {"chat.txt": "a.pdf arrived\nSize: 1 KB"}, an_upload(), "https://drops.example.com/o/x"
    message = chat_message(parts, event, "uploads", url)
    assert message.card
    assert message.card.link == ("Download", url)
    assert message.text.endswith(f"=> Download: {url}")
    own = chat_message({"chat.txt": "a\n=> Console: https://x.example"}, event, "uploads", url)
    assert own.card
    assert own.card.link == ("Console", "https://x.example")


def test_link_over_plain_http_is_shown_on_the_local_stage_only() -> None:
    url = "http://127.0.0.1:4599/api/o/x"
    links = {}
    for stage in ("local", "prod"):
        renderer = Renderer(some_settings(), stage=stage)
        rendered = renderer.render(
            "upload", channel=Channel.WEBHOOK, event=an_upload(), rule="uploads", person=ROOM, links=MailLinks(download=url)
        )
        assert rendered.message.card
        links[stage] = rendered.message.card.link[1]
    assert links == {"local": url, "prod": ""}
