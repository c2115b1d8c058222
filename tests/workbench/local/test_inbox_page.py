"""The inbox page in a real browser: live updates, keyboard use, protection from untrusted names and mails."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask, request
from playwright.sync_api import Browser, Page, expect

from tests.support.serving import serving
from tests.workbench.local.conftest import InboxApp
from workbench.local.twilio.rules import PASSING_SENDER

pytestmark = pytest.mark.browser

ATTACK = """<script>parent.document.title = 'owned'; top.location = '{tracker}/owned'</script>
<meta http-equiv="refresh" content="0; url={tracker}/refresh"><link rel="stylesheet" href="{tracker}/sheet">
<img src="{tracker}/pixel" onerror="top.document.title = 'owned'"></iframe><b id="inside">still inside</b>
<a id="link" href="javascript:top.document.title = 'owned'">press</a>
<a id="away" href="{tracker}/link">go</a>"""


@dataclass
class Tracker:
    """Another site, to which a mail tries to report that it was read."""

    url: str
    visits: list[str]


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    app, visits = Flask("tracker"), list[str]()

    @app.before_request
    def record() -> str:
        visits.append(request.path)
        return "recorded"

    with serving(app) as base:
        yield Tracker(base, visits)


@pytest.fixture
def url(inbox: InboxApp) -> Iterator[str]:
    with serving(inbox.app) as base:
        yield base


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(10_000)
    yield page
    page.close()


def test_messages_appear_without_a_reload(inbox: InboxApp, page: Page, url: str) -> None:
    page.goto(url)
    expect(page.get_by_role("heading", name="No messages yet")).to_be_visible()
    inbox.text("report.pdf arrived")
    inbox.mails.add("report.pdf arrived")
    expect(page.locator(".bubble")).to_have_text("report.pdf arrived")
    expect(page.locator(".mail .subject")).to_have_text("report.pdf arrived")
    expect(page.frame_locator(".mail iframe").locator("p")).to_have_text("rendered words")


def test_newer_message_is_on_top_and_does_not_change_the_open_tab(inbox: InboxApp, page: Page, url: str) -> None:
    inbox.mails.add("first")
    page.goto(url)
    page.get_by_text("Plain text").click()
    inbox.mails.add("second")
    expect(page.locator(".mail .subject")).to_have_text(["second", "first"])
    expect(page.locator("#mail-mail-0 .as-text")).to_be_visible()
    expect(page.get_by_role("heading", name="Mails 2")).to_be_visible()


def test_number_is_masked_and_segments_are_shown(inbox: InboxApp, page: Page, url: str) -> None:
    inbox.text("☕")
    page.goto(url)
    facts = page.locator(".facts")
    expect(facts).to_contain_text("asha · +••••••••5678")
    expect(facts).to_contain_text("1 segment · UCS-2 · 1 unit")
    assert "919812345678" not in page.locator("body").inner_text()


def test_hostile_mail_runs_no_script_and_makes_no_request(inbox: InboxApp, page: Page, url: str, tracker: Tracker) -> None:
    inbox.mails.add("<img src=x onerror=\"document.title='owned'\">", BodyHtml=ATTACK.format(tracker=tracker.url))
    inbox.text("</iframe><script>document.title='owned'</script>")
    page.goto(url)
    inside = page.frame_locator(".mail iframe")
    expect(inside.locator("#inside")).to_have_text("still inside")
    inside.locator("#link").click()
    inside.locator("#away").click()
    expect(page).to_have_title("Inbox · Dropnote")
    assert page.url.startswith(url)
    assert tracker.visits == []


def test_hostile_mail_in_its_own_tab_runs_no_script(inbox: InboxApp, page: Page, url: str) -> None:
    inbox.mails.add(BodyHtml="<title>calm</title><script>document.title = 'owned'</script><b>read me</b>")
    page.goto(f"{url}/inbox/mails/mail-0.html")
    expect(page.locator("b")).to_have_text("read me")
    expect(page).to_have_title("calm")


def test_mail_can_be_read_with_the_keyboard_only(inbox: InboxApp, page: Page, url: str) -> None:
    inbox.mails.add("by keyboard")
    page.goto(url)
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("details")).not_to_have_attribute("open", "")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".as-text")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".as-headers")).to_contain_text("<mail-0@email.amazonses.com>")


def test_clearing_shows_the_empty_page(inbox: InboxApp, page: Page, url: str) -> None:
    inbox.text("gone soon")
    page.goto(url)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("heading", name="No messages yet")).to_be_visible()


def test_page_reports_unreadable_mails_until_they_are_readable_again(inbox: InboxApp, page: Page, url: str) -> None:
    inbox.mails.add("known")
    page.goto(url)
    inbox.mails.broken = True
    expect(page.locator("main > .trouble")).to_be_visible()
    expect(page.locator(".mail")).to_have_count(1)
    inbox.mails.broken = False
    expect(page.locator("main > .trouble")).to_have_count(0)


def test_page_reports_that_the_local_environment_has_stopped(inbox: InboxApp, page: Page) -> None:
    with serving(inbox.app) as base:
        page.goto(base)
        expect(page.locator(".live")).to_have_text("Live")
    expect(page.get_by_role("alert")).to_contain_text("The local environment has stopped")


@pytest.mark.parametrize("width", [320, 390, 768])
def test_page_fits_narrow_screens(inbox: InboxApp, page: Page, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for state in ("empty", "full"):
        if state == "full":
            inbox.text("x" * 300)
            inbox.mails.add("y" * 200, BodyText="z" * 500, To=["w" * 90 + "@example.com"])
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, state


def test_hidden_page_stops_polling(inbox: InboxApp, page: Page, url: str) -> None:
    page.goto(url)
    expect(page.locator(".live")).to_have_text("Live")
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    expect(page.locator(".live")).to_have_text("Paused")
    inbox.text("while away")
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".bubble")).to_have_text("while away")
    expect(page.locator(".live")).to_have_text("Live")


def test_person_replies_from_the_phone(inbox: InboxApp, page: Page, url: str) -> None:
    received: list[dict[str, str]] = []
    bot = Flask("bot")

    @bot.post("/replies/twilio")
    def reply() -> str:
        received.append(request.form.to_dict())
        return ""

    page.goto(url)
    inbox.text("The shop is down")
    page.get_by_label("Text", exact=True).fill("ack")
    page.keyboard.press("Enter")
    expect(page.locator(".reply-state")).to_have_text("Not received: no webhook is set, or the bot does not respond.")
    with serving(bot) as base:
        inbox.twilio.webhooks[PASSING_SENDER] = f"{base}/replies/twilio"
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".reply-state")).to_have_text("Sent: ack")
    (text,) = received
    assert (text["Body"], text["To"]) == ("ack", PASSING_SENDER)
    assert text["From"] in {row.to for row in inbox.twilio.messages()}
