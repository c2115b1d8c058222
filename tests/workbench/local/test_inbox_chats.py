"""Messages to webhooks in the inbox: as each service shows them, live, and harmless whatever they contain."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from chalicelib.domain.message import Card, Listing, Message, Tone
from chalicelib.domain.people import Channel
from tests.support.accessibility import SCREENS, check
from tests.support.serving import serving
from tests.workbench.local.conftest import InboxApp

CARD = Card(
    "412 files in in/ (1.2 GB)",
    ("It is a summary.",),
    (("Bucket", "acme-drops"), ("When", "23 Nov 2026, 14:30 IST")),
    (Listing("First files", ("a_b.pdf", "*c*.pdf")),),
    ("AWS console", "https://console.aws.amazon.com/s3"),
    'rule "uploads" in acme-drops',
    Tone.WARNING,
)
HOSTILE = Card("<b>x</b>", ("<script>top.document.title = 'owned'</script>",), (("<i>", "javascript:alert(1)"),))


def message(card: Card = CARD) -> Message:
    return Message(Channel.WEBHOOK, card.title, card=card)


def chats(inbox: InboxApp) -> Any:
    return inbox.app.test_client().get("/inbox.json").get_json()["chats"]


@pytest.mark.parametrize("service", ["slack", "teams", "discord"])
def test_each_service_shows_title_facts_lists_and_tone(inbox: InboxApp, service: str) -> None:
    inbox.chat(service, message())
    (chat,) = chats(inbox)
    assert (chat["title"], chat["tone"], chat["text"], chat["footer"]) == (CARD.title, "warning", list(CARD.text), CARD.footer)
    assert [fact[:2] for fact in chat["facts"]] == [list(fact) for fact in CARD.facts]
    assert chat["lists"] == [["First files", ["a_b.pdf", "*c*.pdf"]]]
    assert chat["link"][1] == CARD.link[1]


@pytest.mark.parametrize("service", ["slack", "teams", "discord"])
def test_each_service_shows_a_link_of_the_local_stage(inbox: InboxApp, service: str) -> None:
    url = "http://127.0.0.1:4566/api/o/x"
    inbox.chat(service, message(replace(CARD, link=("Download", url))))
    assert chats(inbox)[0]["link"][1] == url


@pytest.mark.parametrize("service", ["slack", "teams", "discord", "json"])
def test_message_with_nothing_but_a_title_is_shown(inbox: InboxApp, service: str) -> None:
    inbox.chat(service, message(Card("?")))
    assert chats(inbox)[0]["title"] == "?"


def test_clearing_hides_chats(inbox: InboxApp) -> None:
    inbox.chat("slack", message())
    assert inbox.app.test_client().delete("/inbox.json").status_code == 204
    assert chats(inbox) == []


def test_whatsapp_message_is_among_the_texts(inbox: InboxApp) -> None:
    inbox.twilio.whatsapp.senders, inbox.twilio.whatsapp.windows = {"+447700900999"}, {"+919812345678"}
    form = {"To": "whatsapp:+919812345678", "From": "whatsapp:+447700900999", "Body": "hello"}
    path = f"/2010-04-01/Accounts/{inbox.twilio.account}/Messages.json"
    assert inbox.app.test_client().post(path, data=form, auth=(inbox.twilio.account, "invented-token")).status_code == 201
    (text,) = inbox.app.test_client().get("/inbox.json").get_json()["texts"]
    assert (text["channel"], text["person"], text["to_shown"]) == ("whatsapp", "asha", "+••••••••5678")


@pytest.fixture
def page(browser: Browser, inbox: InboxApp) -> Iterator[Page]:
    with serving(inbox.app) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(10_000)
        page.goto(url)
        yield page
        page.close()


@pytest.mark.browser
def test_messages_appear_without_a_reload_in_the_look_of_their_service(inbox: InboxApp, page: Page) -> None:
    expect(page.get_by_role("heading", name="No messages yet")).to_be_visible()
    for service in ("slack", "teams", "discord"):
        inbox.chat(service, message())
        expect(page.locator(f".chat-body.{service}.warning").get_by_text("acme-drops", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Chats 3")).to_be_visible()
    inbox.chat("slack", message(replace(CARD, title="the next one")))
    expect(page.get_by_role("heading", name="the next one")).to_be_visible()
    colour = page.locator(".chat-body.slack .chat-card").first.evaluate("card => getComputedStyle(card).borderLeftColor")
    assert colour == "rgb(236, 178, 46)"


@pytest.mark.browser
def test_hostile_names_are_text(inbox: InboxApp, page: Page) -> None:
    for service in ("slack", "teams", "discord", "json"):
        inbox.chat(service, message(HOSTILE))
    expect(page.locator(".chat")).to_have_count(4)
    assert page.locator(".chat-body script, .chat-body b, .chat-body i").count() == 0
    assert page.title() == "Inbox · Dropnote"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_inbox_is_accessible(inbox: InboxApp, browser: Browser, screen: str, scheme: Any) -> None:
    view: Any = SCREENS[screen]
    context = browser.new_context(viewport=view, color_scheme=scheme, reduced_motion="reduce")  # a card that fades in is pale
    page = context.new_page()
    with serving(inbox.app) as url:
        page.goto(url)
        expect(page.get_by_label("Drop a file")).to_be_visible()
        check(page, screen)
        for service in ("slack", "teams", "discord", "json"):
            inbox.chat(service, message())
        for tone in (Tone.CRITICAL, Tone.RESOLVED):
            inbox.chat("slack", message(replace(CARD, tone=tone)))
            inbox.chat("teams", message(replace(CARD, tone=tone)))
        inbox.text("report.pdf arrived")
        inbox.mails.add("report.pdf arrived")
        expect(page.locator(".chat")).to_have_count(8)
        expect(page.locator(".mail")).to_have_count(1)
        check(page, screen)
    context.close()
