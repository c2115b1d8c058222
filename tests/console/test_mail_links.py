"""Links in mails: a page with one button; only its POST acts, and a mail program's own POST unsubscribes."""

import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from urllib.parse import urlsplit

import pytest
from chalice.app import Chalice
from chalice.test import Client, HTTPResponse

from chalicelib.channels.mail_headers import build_headers
from chalicelib.channels.smtp import Smtp
from chalicelib.console import mail_links
from chalicelib.console.parts import Console
from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE, make_links
from chalicelib.domain.message import MailLinks, Message
from chalicelib.domain.people import Channel
from chalicelib.platform.secrets import Secrets
from chalicelib.platform.signing.keys import derived, new_key, rotated
from chalicelib.policy.controls import LinkSettings, active_silence
from chalicelib.rules.recipients import rule_notice
from tests.support.builders import an_upload, some_settings
from tests.support.incidents import MONITORS, open_incident
from tests.support.stages import Stage, memory_stage

PUBLIC = "https://abc.execute-api.eu-west-1.amazonaws.com/api"
KEY = "0123456789abcdef" * 4
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058, section 3.1


@pytest.fixture
def stage() -> Stage:
    stage = memory_stage(some_settings(MONITORS))
    stage.deliverer.control.record_links(LinkSettings(PUBLIC, derived(KEY, KEY_PURPOSE)))
    return stage


@pytest.fixture
def browser(stage: Stage) -> Iterator[Client]:
    app = Chalice("test")
    console = Console(stage.bot.intake, Secrets(lambda: None, "", {}, stage.clock), stage.clients)
    vars(console)["incidents"] = stage.incidents
    mail_links.area.register(app, lambda: console)
    with Client(app) as client:
        yield client


def links_of(stage: Stage, *, incident: bool = False) -> MailLinks:
    """The links of a mail of the rule, or of an incident's, to asha."""
    settings, links = stage.settings, stage.deliverer.control.now().links
    rule = settings.monitors[0].rule if incident else settings.rules[0]
    event = open_incident(stage, rule.name) if incident else an_upload()
    assert links
    return make_links(links, rule_notice(event, rule, rule.recipients[0]), settings, stage.clock)


def request(browser: Client, url: str, body: bytes | None = None, **headers: str) -> HTTPResponse:
    """Open a link, or post to it."""
    path = urlsplit(url).path.removeprefix("/api")
    if body is None:
        return browser.http.get(path)
    return browser.http.post(path, headers={**FORM, **headers}, body=body)


def mails(stage: Stage) -> int:
    """Upload a file; returns how many mails asha got."""
    before = stage.addresses().count("asha@example.com")
    stage.take(an_upload(f"in/{stage.now:%H%M%S%f}.pdf", sequencer=f"{stage.now:%H%M%S%f}"))
    return stage.addresses().count("asha@example.com") - before


def test_mail_has_links_and_the_headers_of_one_click(stage: Stage) -> None:
    assert mails(stage) == 1
    (message,) = [message for channel, _, message in stage.sent if channel == "email"]
    unsubscribe, mute = (re.escape(f"{PUBLIC}/{action}/") + r"1[\w-]{40,}" for action in ("unsubscribe", "mute"))
    assert re.search(f"^Unsubscribe: {unsubscribe}$", message.text, re.M)
    assert re.search(f"^Mute for 2 hours: {mute}$", message.text, re.M)
    assert re.search(f'<a href="{unsubscribe}"', message.html)
    assert re.search(f'<a href="{mute}"', message.html)
    assert "cknowledge" not in message.text + message.html  # an upload is no incident
    headers = build_headers(message, "0" * 32, "Acme drops <drops@example.com>")
    assert headers["List-Unsubscribe"] == f"<{message.unsubscribe}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "asha@" not in message.unsubscribe
    (text,) = [message for channel, _, message in stage.sent if channel == "sms"]
    assert "abc.execute-api" not in text.text


def test_mail_has_no_links_without_a_public_url() -> None:
    stage = memory_stage()
    assert mails(stage) == 1
    message = stage.sent[0][2]
    assert "nsubscribe" not in message.text + message.html + str(build_headers(message, "0" * 32, "drops@example.com"))


def test_smtp_does_not_encode_the_long_header() -> None:
    settings = some_settings(
        **{'from = "Acme drops <drops@example.com>"': 'from = "d@example.com"\ntransport = "smtp"\nhost = "h"'}
    )
    assert settings.email
    url = f"{PUBLIC}/unsubscribe/1{'x' * 150}"
    message = Message(Channel.EMAIL, "text", "subject", "<p>html", unsubscribe=url)
    mail: EmailMessage = Smtp(settings.email, "")._compose(message, "asha@example.com", "0" * 32)
    raw = mail.as_bytes()
    assert f"<{url}>".encode() in raw
    assert message_from_bytes(raw, policy=default)["List-Unsubscribe"] == f"<{url}>"


def test_opening_a_link_changes_nothing(stage: Stage, browser: Client) -> None:
    links = links_of(stage, incident=True)
    for url, button in ((links.unsubscribe, "Unsubscribe"), (links.acknowledge, "Acknowledge"), (links.mute, "Mute for 2 hours")):
        for _ in range(2):  # a mail scanner, then the person
            response = request(browser, url)
        assert response.status_code == 200
        assert f"<button>{button}</button>" in response.body.decode()
        assert "Set-Cookie" not in response.headers
        assert response.headers["Referrer-Policy"] == "same-origin"
    assert mails(stage) == 1
    assert stage.incidents.rows["shop"].incident.acked_by == ""
    assert stage.deliverer.control.fresh().silences == {}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM["Content-Type"], ONE_CLICK),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        ),
        (FORM["Content-Type"], b""),  # the button of the page
    ],
)
def test_one_post_without_cookies_unsubscribes_without_a_redirect(
    stage: Stage, browser: Client, content_type: str, body: bytes
) -> None:
    url = links_of(stage).unsubscribe
    response = request(browser, url, body, **{"Content-Type": content_type})
    assert (response.status_code, mails(stage)) == (200, 0)
    row = stage.rows()["email"]
    assert row.detail.startswith("unsubscribed by the link in a mail, since")
    assert stage.states()["sms"] == "sent"  # that channel only
    assert request(browser, url, body, **{"Content-Type": content_type}).status_code == 200
    assert [to for _, to, _ in stage.sent].count("ben@example.com") == 1  # the owner is notified once


def test_unsubscribing_is_reversible_on_the_same_page(stage: Stage, browser: Client) -> None:
    url = links_of(stage).unsubscribe
    request(browser, url, ONE_CLICK)
    page = request(browser, url).body.decode()
    assert "<button>Subscribe again</button>" in page
    assert 'name="again" value="yes"' in page
    assert request(browser, url, b"again=yes").status_code == 200
    assert mails(stage) == 1


def test_acknowledging_by_link_stops_reminders_once(stage: Stage, browser: Client) -> None:
    url = links_of(stage, incident=True).acknowledge
    assert "Acknowledged shop: no reminders until it gets worse." in request(browser, url, b"").body.decode()
    assert stage.incidents.rows["shop"].incident.acked_by == "asha"
    assert "was acknowledged" in request(browser, url, b"").body.decode()
    stage.incidents.rows.clear()
    assert "None is open" in request(browser, url, b"").body.decode()


def test_muting_by_link_ends_after_two_hours(stage: Stage, browser: Client) -> None:
    assert request(browser, links_of(stage).mute, b"").status_code == 200
    silence = active_silence(stage.deliverer.control.fresh().silences, "uploads", stage.now)
    assert silence
    assert (silence.until - stage.now, silence.by, silence.reason) == (timedelta(hours=2), "asha", "by the link in a mail")
    assert mails(stage) == 0


def test_link_of_another_purpose_forged_or_expired_does_nothing(stage: Stage, browser: Client) -> None:
    links = links_of(stage)
    token = links.mute.rpartition("/")[2]
    for path in (f"/unsubscribe/{token}", f"/acknowledge/{token}", f"/mute/{token[:-1]}A", "/mute/1", "/mute/" + "x" * 2000):
        assert (request(browser, path).status_code, request(browser, path, b"").status_code) == (404, 404), path
    stage.later(days=8)
    assert request(browser, links.mute, b"").status_code == 410
    assert request(browser, links.unsubscribe).status_code == 200  # an old mail must still be able to unsubscribe
    assert (stage.deliverer.control.fresh().silences, mails(stage)) == ({}, 1)


def test_link_of_a_former_key_is_valid_for_a_while(stage: Stage, browser: Client) -> None:
    url = links_of(stage).unsubscribe
    for key, status in ((rotated(KEY, stage.now, new_key), 200), (new_key(), 404)):
        stage.deliverer.control.record_links(LinkSettings(PUBLIC, derived(key, KEY_PURPOSE)))
        assert request(browser, url).status_code == status


def test_link_to_a_former_address_or_person_does_nothing(stage: Stage, browser: Client) -> None:
    url = links_of(stage).unsubscribe
    for old, new, status in (("asha@example.com", "asha@example.net", 200), ("people.asha", "people.aisha", 404)):
        text = {
            old: new,
            **({'"asha", "ben"': '"ben"', "email:asha": "email:ben", '"sms:asha"': '"email:ben"'} if "people" in old else {}),
        }
        settings: Any = some_settings(**text)
        stage.deliverer.settings = settings
        assert request(browser, url, ONE_CLICK).status_code == status
    assert stage.deliverer.control.fresh().suppressed == {}


def test_key_is_neither_the_secret_nor_shown() -> None:
    links = LinkSettings(PUBLIC, derived(KEY, KEY_PURPOSE))
    assert KEY not in links.keys
    assert links.keys not in repr(links)
