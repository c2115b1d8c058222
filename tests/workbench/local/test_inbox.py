"""The inbox over HTTP: its JSON, its pages, and its protection from untrusted content."""

from typing import Any

import pytest
from flask import Flask

from tests.workbench.local.conftest import ASHA, InboxApp
from workbench.local.inbox import UploadTarget, create_inbox, mask
from workbench.local.twilio.double import TwilioDouble

MARKUP = [
    "<img src=x onerror=alert(1)>",
    "</iframe><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "</title></textarea><script>alert(1)</script>",
    "{{ 7 * 7 }}",
]


def listing(inbox: InboxApp, query: str = "") -> Any:
    return inbox.app.test_client().get(f"/inbox.json{query}").json


def test_text_has_the_documented_fields(inbox: InboxApp) -> None:
    inbox.text("hello")
    (text,) = listing(inbox)["texts"]
    row = inbox.twilio.messages()[0]
    assert text == {
        "id": row.sid,
        "channel": "sms",
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


def test_mail_has_the_documented_fields(inbox: InboxApp) -> None:
    inbox.mails.add("report.pdf arrived")
    (mail,) = listing(inbox)["mails"]
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


def test_mails_of_all_accounts_are_listed_newest_first(inbox: InboxApp) -> None:
    inbox.mails.add("one", account="111111111111")
    inbox.mails.add("two", account="222222222222")
    inbox.mails.add("three", account="111111111111")
    assert [mail["subject"] for mail in listing(inbox)["mails"]] == ["three", "two", "one"]


def test_limit_omits_the_oldest_and_the_counts_include_them(inbox: InboxApp) -> None:
    for number in range(4):
        inbox.text(str(number))
        inbox.mails.add(str(number))
    limited = listing(inbox, "?limit=2")
    assert [text["body"] for text in limited["texts"]] == ["3", "2"]
    assert [mail["subject"] for mail in limited["mails"]] == ["3", "2"]
    assert limited["counts"] == {"texts": 4, "mails": 4, "chats": 0}


def test_unchanged_inbox_is_not_sent_again(inbox: InboxApp) -> None:
    client = inbox.app.test_client()
    inbox.text("one")
    tag = client.get("/inbox.json").headers["ETag"]
    assert client.get("/inbox.json", headers={"If-None-Match": tag}).status_code == 304
    inbox.text("two")
    assert client.get("/inbox.json", headers={"If-None-Match": tag}).status_code == 200


def test_cleared_inbox_shows_only_newer_messages(inbox: InboxApp) -> None:
    inbox.text("old")
    inbox.mails.add("old")
    assert inbox.app.test_client().delete("/inbox.json").status_code == 204
    inbox.mails.add("new")
    assert (listing(inbox)["texts"], [mail["subject"] for mail in listing(inbox)["mails"]]) == ([], ["new"])
    assert len(inbox.twilio.messages()) == 1


def test_page_of_another_site_cannot_clear_the_inbox(inbox: InboxApp) -> None:
    inbox.text("kept")
    response = inbox.app.test_client().delete("/inbox.json", headers={"Origin": "http://evil.example"})
    assert response.status_code == 403
    assert len(listing(inbox)["texts"]) == 1


def test_page_reports_that_ministack_is_not_responding() -> None:
    app, twilio = Flask("inbox"), TwilioDouble("AC1", "t")
    app.register_blueprint(create_inbox(twilio, "http://127.0.0.1:9"))
    page = app.test_client().get("/")
    assert page.status_code == 200
    assert "MiniStack at http://127.0.0.1:9 is not responding, so new mails are not shown." in page.text


def test_known_mails_stay_when_ministack_fails(inbox: InboxApp) -> None:
    inbox.mails.add("known")
    listing(inbox)
    inbox.mails.broken = True
    current = listing(inbox)
    assert [mail["subject"] for mail in current["mails"]] == ["known"]
    assert "did not return a list of mails" in current["trouble"]


def test_empty_inbox_shows_the_upload_commands(inbox: InboxApp) -> None:
    page = inbox.app.test_client().get("/").text
    assert ".venv/bin/dropnote put FILE" in page
    assert "rclone copyto FILE" in page
    assert "s3 cp FILE s3://dropnote-uploads/" in page


def test_upload_commands_name_their_environment() -> None:
    uploads = UploadTarget("http://127.0.0.1:7000", bucket="drops", access_key="AK", secret_key="SK")
    commands = dict(uploads.commands())
    assert "endpoint='http://127.0.0.1:7000'" in commands["rclone"]
    assert "AWS_ACCESS_KEY_ID=AK AWS_SECRET_ACCESS_KEY=SK" in commands["the AWS CLI"]
    assert commands["the AWS CLI"].endswith("s3 cp FILE s3://drops/")


@pytest.mark.parametrize("markup", MARKUP)
def test_untrusted_markup_is_shown_as_text(inbox: InboxApp, markup: str) -> None:
    inbox.text(markup)
    inbox.mails.add(markup, BodyText=markup, BodyHtml=markup, Source=markup, To=[markup])
    for path in ("/", "/inbox/cards"):
        page = inbox.app.test_client().get(path).text
        assert "alert(1)</script>" not in page
        assert "<img src=x" not in page
        assert "<svg onload" not in page
        assert ">49<" not in page


def test_page_policy_allows_only_own_resources(inbox: InboxApp) -> None:
    policy = inbox.app.test_client().get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'")
    assert "unsafe" not in policy


def test_html_of_a_mail_is_served_without_scripts_origin_or_outside_requests(inbox: InboxApp) -> None:
    inbox.mails.add(BodyHtml="<b>unchanged</b>")
    response = inbox.app.test_client().get("/inbox/mails/mail-0.html")
    assert response.text == "<b>unchanged</b>"
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert policy[:2] == ["sandbox", "default-src 'none'"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_missing_mail_is_not_found(inbox: InboxApp) -> None:
    inbox.mails.add(BodyHtml=None)
    client = inbox.app.test_client()
    assert client.get("/inbox/mails/mail-0.html").status_code == 404
    assert client.get("/inbox/mails/unknown.html").status_code == 404


@pytest.mark.parametrize(
    ("number", "shown"), [("+919812345678", "+••••••••5678"), ("12345", "•2345"), ("+123", "+123"), ("", "")]
)
def test_only_the_last_four_digits_of_a_number_are_shown(number: str, shown: str) -> None:
    assert mask(number) == shown
