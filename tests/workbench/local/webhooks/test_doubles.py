"""The doubles reject what the services' documentation says they reject."""

import json
from typing import Any

import pytest

from workbench.local.webhooks import discord, slack, teams
from workbench.local.webhooks.answer import Call, Rejected
from workbench.local.webhooks.double import FORUM, KEY, URLS
from workbench.local.webhooks.standard import Receiver

JSON = {"Content-Type": "application/json"}
EMBED: dict[str, Any] = {"title": "x", "fields": [{"name": "n", "value": "v"}]}
HEADER = {"type": "header", "text": {"type": "plain_text", "text": "x"}}


def rich(text: str) -> dict[str, object]:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "elements": [section]}


def call(url: str, body: object, query: dict[str, str] | None = None) -> Call:
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    return Call(path, query or {}, JSON, body if isinstance(body, bytes) else json.dumps(body).encode())


def rejection(service: Any, request: Call) -> tuple[int, object]:
    with pytest.raises(Rejected) as caught:
        service.receive(request)
    return caught.value.answer.status, caught.value.answer.body


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{", (400, "invalid_payload")),
        ({"txt": "x"}, (400, "invalid_payload")),
        ({"text": ""}, (400, "no_text")),
        ({"blocks": [{"type": "heading"}]}, (400, "invalid_blocks")),
        ({"blocks": [{**HEADER, "text": {"type": "plain_text", "text": "x" * 151}}]}, (400, "invalid_blocks")),
        ({"blocks": [{**HEADER, "text": {"type": "mrkdwn", "text": "x"}}]}, (400, "invalid_blocks")),
        ({"blocks": [HEADER] * 51}, (400, "invalid_blocks")),
        ({"attachments": [{"color": "red"}]}, (400, "invalid_attachments")),
        ({"blocks": [{**HEADER, "text": {"type": "plain_text", "text": "😀" * 76}}]}, (400, "invalid_blocks")),
        ({"attachments": [{}] * 101}, (400, "too_many_attachments")),
        ({"blocks": [rich("x" * 2900)] * 4}, (400, "msg_blocks_too_long")),
    ],
)
def test_slack_rejects(body: object, answer: tuple[int, str]) -> None:
    assert rejection(slack, call(URLS["slack"], body)) == answer
    assert slack.receive(call(URLS["slack"], {"text": "x", "blocks": [HEADER] * 50}))[1].body == "ok"


def test_slack_cuts_a_very_long_text() -> None:
    assert len(slack.receive(call(URLS["slack"], {"text": "x" * 40_001}))[0]["text"]) == 40_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", 50109),
        ({}, 50006),
        ({"content": "x" * 2001}, 50035),
        ({"embeds": [EMBED] * 11}, 50035),
        ({"embeds": [{**EMBED, "title": "x" * 257}]}, 50035),
        ({"embeds": [{**EMBED, "description": "x" * 4097}]}, 50035),
        ({"embeds": [{**EMBED, "fields": EMBED["fields"] * 26}]}, 50035),
        ({"embeds": [{**EMBED, "fields": [{"name": "n", "value": "x" * 1025}]}]}, 50035),
        ({"embeds": [{**EMBED, "fields": [{"name": "", "value": "x"}]}]}, 50035),
        ({"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]}, 50035),
        ({"embeds": [{**EMBED, "url": "javascript:x"}]}, 50035),
        ({"embeds": [{**EMBED, "colour": 1}]}, 50035),
    ],
)
def test_discord_rejects(body: object, code: int) -> None:
    status, answer = rejection(discord, call(URLS["discord"], body))
    assert isinstance(answer, dict)
    assert (status, answer["code"]) == (400, code)


def test_discord_answers_with_the_message_only_if_asked_to_wait() -> None:
    assert discord.receive(call(URLS["discord"], {"embeds": [EMBED]}))[1].status == 204
    assert discord.receive(call(URLS["discord"], {"embeds": [EMBED]}, {"wait": "true"}))[1].status == 200


def test_discords_forum_needs_a_thread() -> None:
    status, answer = rejection(discord, call(FORUM, {"embeds": [EMBED]}))
    assert isinstance(answer, dict)
    assert (status, answer["code"]) == (400, 220001)
    assert discord.receive(call(FORUM, {"embeds": [EMBED], "thread_name": "x"}))[1].status == 204


@pytest.mark.parametrize(
    ("url", "thread", "name", "error"),
    [
        (FORUM, "42", "x", (400, 220002)),
        (URLS["discord"], "", "x", (400, 220003)),
        (FORUM, "1184500000000000009", None, (404, 10003)),
        (FORUM, "", "x" * 101, (400, 50035)),
    ],
)
def test_discord_rejects_threads(url: str, thread: str, name: str | None, error: tuple[int, int]) -> None:
    body = {"embeds": [EMBED]} | ({"thread_name": name} if name else {})
    status, answer = rejection(discord, call(url, body, {"thread_id": thread} if thread else {}))
    assert isinstance(answer, dict)
    assert (status, answer["code"]) == error


def test_thread_in_discords_forum_has_the_id_of_its_first_message() -> None:
    def post(body: dict[str, Any], query: dict[str, str]) -> Any:
        return discord.receive(call(FORUM, body, {"wait": "true", **query}))[1].body

    first = post({"embeds": [EMBED], "thread_name": "x"}, {})
    reply = post({"embeds": [EMBED]}, {"thread_id": first["channel_id"]})
    assert first["id"] == first["channel_id"] == reply["channel_id"]


def card(*body: object) -> dict[str, object]:
    content = {"type": "AdaptiveCard", "version": "1.5", "body": list(body)}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": content}]}


TEXT = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "x"}]}


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"{", (400, "TriggerInputSchemaMismatch")),
        ({"@type": "MessageCard", "text": "x"}, (400, "TriggerInputSchemaMismatch")),
        (card({"type": "TextBlok"}), (400, "TriggerInputSchemaMismatch")),
        (card({**TEXT, "inlines": [{"type": "TextRun", "text": ""}]}), (400, "TriggerInputSchemaMismatch")),
        (card({**TEXT, "inlines": [{"type": "TextRun", "text": "x" * 29_000}]}), (413, "RequestEntityTooLarge")),
        (card(*[TEXT] * 350), (413, "RequestEntityTooLarge")),  # 26 KB of JSON; as a text in JSON 31 KB
    ],
)
def test_teams_rejects(body: object, answer: tuple[int, str]) -> None:
    status, error = rejection(teams, call(URLS["teams"], body, {"sig": "x"}))
    assert isinstance(error, dict)
    assert (status, error["error"]["code"]) == answer
    assert teams.receive(call(URLS["teams"], card(TEXT), {"sig": "x"}))[1].status == 202


def test_teams_needs_the_signature_of_its_url() -> None:
    assert rejection(teams, call(URLS["teams"], card(TEXT)))[0] == 401


@pytest.mark.parametrize(("id_", "seconds"), [("", 0), ("a.b", 0), ("a", 301), ("a", -301)])
def test_receiver_of_standard_webhooks_rejects_an_id_or_a_time_that_is_wrong(id_: str, seconds: int) -> None:
    headers = {"Webhook-Id": id_, "Webhook-Timestamp": str(1_700_000_000 + seconds), "Webhook-Signature": "v1,x"}
    status, _ = rejection(Receiver(KEY, lambda: 1_700_000_000.0), Call("dropnote", {}, headers, b"{}"))
    assert status == 400


@pytest.mark.parametrize(("service", "status"), [(slack, 404), (discord, 404), (teams, 404)])
def test_unknown_webhook_is_not_found(service: Any, status: int) -> None:
    assert rejection(service, call("https://x/unknown", {}))[0] == status
