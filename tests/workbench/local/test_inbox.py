"""The inbox over HTTP: its JSON, its pages, and what strangers cannot do in it."""

from typing import Any

import pytest
from flask import Flask

from tests.workbench.local.conftest import ASHA, Desk
from workbench.local.inbox import Uploads, create_inbox, mask
from workbench.local.twilio.double import TwilioDouble

EVIL = [
    "<img src=x onerror=alert(1)>",
    "</iframe><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "</title></textarea><script>alert(1)</script>",
    "{{ 7 * 7 }}",
]


def listing(desk: Desk, query: str = "") -> Any:
    return desk.app.test_client().get(f"/inbox.json{query}").json


def test_a_text_has_the_documented_shape(desk: Desk) -> None:
    desk.text("hello")
    (text,) = listing(desk)["texts"]
    row = desk.twilio.messages()[0]
    assert text == {
        "id": row.sid,
        "person": "asha",
        "from": "+15005550006",
        "to": ASHA,
        "to_shown": "+••••••••5678",
        "body": "hello",
        "encoding": "GSM-7",
        "segments": 1,
        "units": 5,
        "status": "delivered",
        "error_code": None,
        "at": row.date_created.isoformat(),
    }


def test_a_mail_has_the_documented_shape(desk: Desk) -> None:
    desk.mails.add("report.pdf arrived")
    (mail,) = listing(desk)["mails"]
    assert mail == {
        "id": "mail-0",
        "person": "asha",
        "from": "Acme drops <drops@example.com>",
        "to": ["asha@example.com"],
        "subject": "report.pdf arrived",
        "text": "plain words",
        "html": "<p>rendered words</p>",
        "html_url": "/inbox/mails/mail-0.html",
        "headers": [
            ["From", "Acme drops <drops@example.com>"],
            ["To", "asha@example.com"],
            ["Subject", "report.pdf arrived"],
            ["Date", "Mon, 23 Nov 2026 09:30:00 +0000"],
            ["Message-ID", "<mail-0@email.amazonses.com>"],
        ],
        "at": "2026-11-23T09:30:00.500000+00:00",
    }


def test_mails_of_all_accounts_are_listed_newest_first(desk: Desk) -> None:
    desk.mails.add("one", account="111111111111")
    desk.mails.add("two", account="222222222222")
    desk.mails.add("three", account="111111111111")
    assert [mail["subject"] for mail in listing(desk)["mails"]] == ["three", "two", "one"]


def test_a_limit_leaves_out_the_oldest_and_the_counts_tell(desk: Desk) -> None:
    for number in range(4):
        desk.text(str(number))
        desk.mails.add(str(number))
    shape = listing(desk, "?limit=2")
    assert [text["body"] for text in shape["texts"]] == ["3", "2"]
    assert [mail["subject"] for mail in shape["mails"]] == ["3", "2"]
    assert shape["counts"] == {"texts": 4, "mails": 4}


def test_an_unchanged_inbox_is_not_sent_again(desk: Desk) -> None:
    client = desk.app.test_client()
    desk.text("one")
    tag = client.get("/inbox.json").headers["ETag"]
    assert client.get("/inbox.json", headers={"If-None-Match": tag}).status_code == 304
    desk.text("two")
    assert client.get("/inbox.json", headers={"If-None-Match": tag}).status_code == 200


def test_a_cleared_inbox_shows_only_what_comes_after(desk: Desk) -> None:
    desk.text("old")
    desk.mails.add("old")
    assert desk.app.test_client().delete("/inbox.json").status_code == 204
    desk.mails.add("new")
    assert (listing(desk)["texts"], [mail["subject"] for mail in listing(desk)["mails"]]) == ([], ["new"])
    assert len(desk.twilio.messages()) == 1


def test_a_page_of_another_site_cannot_clear_the_inbox(desk: Desk) -> None:
    desk.text("kept")
    answer = desk.app.test_client().delete("/inbox.json", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert len(listing(desk)["texts"]) == 1


def test_without_ministack_the_page_says_so_and_still_shows_texts() -> None:
    app, twilio = Flask("desk"), TwilioDouble("AC1", "t")
    app.register_blueprint(create_inbox(twilio, "http://127.0.0.1:9"))
    page = app.test_client().get("/")
    assert page.status_code == 200
    assert "MiniStack at http://127.0.0.1:9 is not answering, so new mails cannot be shown." in page.text


def test_mails_already_read_stay_when_ministack_stumbles(desk: Desk) -> None:
    desk.mails.add("known")
    listing(desk)
    desk.mails.broken = True
    shape = listing(desk)
    assert [mail["subject"] for mail in shape["mails"]] == ["known"]
    assert "no list of mails" in shape["trouble"]


def test_an_empty_inbox_tells_the_next_step(desk: Desk) -> None:
    page = desk.app.test_client().get("/").text
    assert ".venv/bin/dropnote put FILE" in page
    assert "rclone copyto FILE" in page
    assert "s3 cp FILE s3://dropnote-uploads/" in page


def test_the_commands_name_the_world_they_are_for() -> None:
    uploads = Uploads("http://127.0.0.1:7000", bucket="drops", access_key="AK", secret_key="SK")
    commands = dict(uploads.commands())
    assert "endpoint='http://127.0.0.1:7000'" in commands["rclone"]
    assert "AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK" in commands["the AWS CLI"]
    assert commands["the AWS CLI"].endswith("s3 cp FILE s3://drops/")


@pytest.mark.parametrize("evil", EVIL)
def test_what_strangers_name_is_shown_as_text(desk: Desk, evil: str) -> None:
    desk.text(evil)
    desk.mails.add(evil, BodyText=evil, BodyHtml=evil, Source=evil, To=[evil])
    for path in ("/", "/inbox/cards"):
        page = desk.app.test_client().get(path).text
        assert "alert(1)</script>" not in page
        assert "<img src=x" not in page
        assert "<svg onload" not in page
        assert ">49<" not in page


def test_the_page_may_load_nothing_from_elsewhere(desk: Desk) -> None:
    policy = desk.app.test_client().get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
    assert "unsafe" not in policy


def test_a_mails_html_is_served_without_scripts_origin_or_outside_requests(desk: Desk) -> None:
    desk.mails.add(BodyHtml="<b>as it came</b>")
    answer = desk.app.test_client().get("/inbox/mails/mail-0.html")
    assert answer.text == "<b>as it came</b>"
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert policy[:2] == ["sandbox", "default-src 'none'"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_mail_that_is_not_there_is_not_found(desk: Desk) -> None:
    desk.mails.add(BodyHtml=None)
    client = desk.app.test_client()
    assert client.get("/inbox/mails/mail-0.html").status_code == 404
    assert client.get("/inbox/mails/unknown.html").status_code == 404


@pytest.mark.parametrize(
    ("number", "shown"), [("+919812345678", "+••••••••5678"), ("12345", "•2345"), ("+123", "+123"), ("", "")]
)
def test_only_the_last_four_digits_of_a_number_are_shown(number: str, shown: str) -> None:
    assert mask(number) == shown
