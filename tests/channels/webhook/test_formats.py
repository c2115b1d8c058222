"""How messages look in each service, and that they keep to its limits whatever a stranger calls a file."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from chalicelib.channels.webhook import discord, slack, teams
from chalicelib.channels.webhook.formats import Call, foreign_host
from chalicelib.domain.message import Card, Listing, Message, Tone
from chalicelib.domain.people import Channel
from chalicelib.platform.sanitize import cut, length
from tests.channels.webhook.parts import SERVICES, WEBHOOKS, Sending
from workbench.local.webhooks.double import URLS, WebhookDouble

CARD = Card(
    "q3.pdf arrived (1.2 MB)",
    ("It is the last one.",),
    (("Bucket", "acme-drops"), ("Size", "1.2 MB")),
    (Listing("First files", ("a.pdf", "b.pdf")),),
    ("AWS console", "https://console.aws.amazon.com/s3"),
    'rule "uploads" in acme-drops',
    Tone.WARNING,
    rule="uploads",
)
HOSTILE = "<!channel> @everyone *b* _i_ ~s~ `c` [x](https://evil.example) |spoiler| :smile: {{DATE(x)}} & <@1> # h"


def message(card: Card = CARD) -> Message:
    return Message(Channel.WEBHOOK, card.title, card=card)


def sent(double: WebhookDouble, sending: Sending, service: str, card: Card = CARD) -> Any:
    sending.send(service, message(card))
    return double.posts()[0].message


def test_slack_message_has_title_facts_list_link_and_colour(double: WebhookDouble, sending: Sending) -> None:
    body = sent(double, sending, "slack")
    assert body["blocks"][0]["text"] == {"type": "plain_text", "text": CARD.title, "emoji": False}
    (attachment,) = body["attachments"]
    rich, context = attachment["blocks"]
    assert (attachment["color"], context["elements"][0]["text"]) == (slack.COLOURS[Tone.WARNING], CARD.footer)
    assert [element["type"] for element in rich["elements"]] == [
        *["rich_text_section"] * 3,
        "rich_text_list",
        "rich_text_section",
    ]
    assert rich["elements"][-1]["elements"] == [{"type": "link", "url": CARD.link[1], "text": "AWS console"}]


def test_discord_message_is_one_embed(double: WebhookDouble, sending: Sending) -> None:
    body = sent(double, sending, "discord")
    (embed,) = body["embeds"]
    assert (embed["title"], embed["url"], embed["color"]) == ("q3.pdf arrived \\(1.2 MB\\)", CARD.link[1], 0xFEE75C)
    assert [(field["name"], field["inline"]) for field in embed["fields"]] == [
        ("Bucket", True),
        ("Size", True),
        ("First files", False),
    ]
    assert body["allowed_mentions"] == {"parse": []}


def test_link_that_is_longer_than_discord_accepts_is_left_out(double: WebhookDouble, sending: Sending) -> None:
    url = "https://console.aws.amazon.com/" + "%E2" * 700
    (embed,) = sent(double, sending, "discord", Card("t", link=("AWS console", url)))["embeds"]
    assert "url" not in embed


def test_teams_message_is_an_adaptive_card(double: WebhookDouble, sending: Sending) -> None:
    card = sent(double, sending, "teams")
    title, _, facts, files, _ = card["body"]
    assert (title["style"], title["items"][0]["inlines"][0]["text"]) == ("warning", CARD.title)
    assert facts["facts"][0] == {"title": "Bucket", "value": "acme-drops"}
    assert [item["inlines"][0]["text"] for item in files["items"]] == ["First files", "• a.pdf", "• b.pdf"]
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "AWS console", "url": CARD.link[1]}]


def test_json_message_has_the_facts_as_they_are(double: WebhookDouble, sending: Sending) -> None:
    data = sent(double, sending, "json")["data"]
    assert (data["title"], data["facts"], data["tone"]) == (CARD.title, dict(CARD.facts), "warning")
    assert data["lists"] == [{"heading": "First files", "items": ["a.pdf", "b.pdf"]}]


@pytest.mark.parametrize("text", ["x" * 5000, "👩‍👩‍👧‍👦" * 600, HOSTILE * 40, "e\u0301" * 3000, "😀" * 3000])
def test_every_service_accepts_texts_of_any_length(double: WebhookDouble, sending: Sending, text: str) -> None:
    card = Card(text, (text,) * 3, ((text, text),) * 30, (Listing(text, (text,) * 30),) * 3, ("link", "https://a.example"), text)
    for service in SERVICES:
        sending.send(service, message(card))
    assert len(double.posts()) == len(SERVICES)


def test_teams_message_fits_although_teams_counts_its_quotes_twice(double: WebhookDouble, sending: Sending) -> None:
    lists = tuple(Listing(f"Folder {number}", (f"2026/11/{number}/report.pdf",) * 25) for number in range(12))
    card = sent(double, sending, "teams", Card("300 files", lists=lists))
    body = double.requests()[0].body
    assert len(body) < teams.MAX_SIZE < teams.size_in_teams(body) + 4_000  # no list is left out that would fit
    assert teams.size_in_teams(body) <= teams.MAX_SIZE
    assert 4 <= len(card["body"]) - 2 < 12  # the title and the footer stay


def test_slack_message_fits_and_keeps_text_and_facts_rather_than_lists(double: WebhookDouble, sending: Sending) -> None:
    lists = tuple(Listing(f"Folder {number}", ("x" * 250,) * 25) for number in range(3))
    body = sent(double, sending, "slack", Card("t", ("why",), (("Key", "k" * 900),) * 20, lists, CARD.link, "footer"))
    rich, context = body["attachments"][0]["blocks"]
    paragraph, facts, link = rich["elements"]
    assert paragraph["elements"][0]["text"] == "why\n"
    assert len(facts["elements"]) // 2 in range(7, 10)
    assert (link["elements"][0]["url"], context["elements"][0]["text"]) == (CARD.link[1], "footer")


@pytest.mark.parametrize(("service", "more"), [("slack", 405), ("teams", 405), ("discord", 243)])
def test_list_that_is_cut_says_how_many_more_there_are(double: WebhookDouble, sending: Sending, service: str, more: int) -> None:
    numbers = Listing("Files", tuple(map(str, range(429))))
    shown = texts_of(sent(double, sending, service, Card("t", lists=(numbers,))))
    assert next(text for text in shown if "more" in text).endswith(f"and {more} more")


def test_card_with_nothing_but_a_title_is_accepted(double: WebhookDouble, sending: Sending) -> None:
    for service in SERVICES:
        sending.send(service, message(Card("?")))
    assert len(double.posts()) == len(SERVICES)


def texts_of(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts_of(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts_of(inner)]
    return [value] if isinstance(value, str) else []


def test_no_name_of_a_file_is_a_mention_in_slack() -> None:
    body = slack.build(message(Card(HOSTILE, (HOSTILE,), (("Key", HOSTILE),))), Card(HOSTILE, (HOSTILE,)), call("slack")).body
    parsed = json.loads(body)
    assert "<" not in parsed["text"]
    assert "mrkdwn" not in texts_of(parsed)  # the only kind of text with markup


def test_no_name_of_a_file_is_markup_in_discord_and_teams() -> None:
    for escape, markup in ((discord.escape, "*_~`|[]()<>@:#"), (teams.escape, "*_~`[](){}#>")):
        escaped = escape(HOSTILE)
        for position, character in enumerate(escaped):
            if character in markup:
                assert escaped[position - 1] == "\\"
        assert escape("\\*") == "\\\\\\*"  # a backslash in a name does not escape ours


@pytest.mark.parametrize("service", ["slack", "discord", "teams"])
def test_each_tone_has_its_own_colour(service: str) -> None:
    colours: Mapping[Tone, object] = {"slack": slack.COLOURS, "discord": discord.COLOURS, "teams": teams.STYLES}[service]  # type: ignore[assignment]
    assert set(colours) == set(Tone)
    assert len(set(colours.values())) == len(Tone)


@pytest.mark.parametrize("service", SERVICES)
def test_host_of_a_service_is_recognized(service: str) -> None:
    assert foreign_host(WEBHOOKS[service], URLS[service]) == ""


def test_host_that_is_not_of_the_service_is_named() -> None:
    assert foreign_host(WEBHOOKS["slack"], "https://hooks.slack.com.evil.example/x") == "hooks.slack.com.evil.example"
    assert foreign_host(WEBHOOKS["teams"], "https://evil-logic.azure.com/x") == "evil-logic.azure.com"
    assert foreign_host(WEBHOOKS["json"], "https://anything.example/x") == ""


def test_cut_text_keeps_to_its_limit_and_its_escapes_are_whole() -> None:
    for limit in (1, 2, 10, 100):
        short = cut("*" * 500, limit, discord.escape)
        assert len(short) <= limit
        assert short.replace("\\*", "").replace("…", "") == ""


@pytest.mark.parametrize(("character", "units"), [("x", 1), ("😀", 2), ("e\u0301", 2), ("👩‍👩‍👧‍👦", 11)])
def test_cut_text_uses_most_of_its_limit_whatever_its_characters_are(character: str, units: int) -> None:
    short = cut(character * 500, 150)
    assert 150 - 2 * units < length(short) <= 150
    assert short.replace(character, "") == "…"


def call(service: str) -> Call:
    return Call(WEBHOOKS[service], "0" * 32, URLS[service])
