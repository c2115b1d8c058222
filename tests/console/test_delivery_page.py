"""The page of a delivery to a webhook: the card that the service shows, with its link, or the JSON that was sent."""

import html
import json

import pytest
from playwright.sync_api import Browser, expect

from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE
from chalicelib.domain.delivery import Delivery
from chalicelib.platform.signing.keys import derived
from chalicelib.policy.controls import LinkSettings
from tests.support.accessibility import SCREENS, check
from tests.support.builders import an_upload
from tests.support.console import KEY, ConsoleApp, console_app
from workbench.local.ministack import MiniStack

PUBLIC = "https://drops.example.com"
SERVICES = ("slack", "teams", "discord", "json")
WEBHOOKS = "".join(f'[webhooks.in-{name}]\nformat = "{name}"\n' for name in SERVICES)
RULE = f"""
[[rules]]
name = "contracts"
bucket = "acme-drops"
key = "contracts/**"
link = "7d"
notify = {[f"webhook:in-{name}" for name in SERVICES]}
"""


@pytest.fixture
def site(ministack: MiniStack) -> ConsoleApp:
    site = console_app(ministack, more=WEBHOOKS + RULE)
    site.stage.deliverer.control.record_links(LinkSettings(PUBLIC, derived(KEY, KEY_PURPOSE)))
    site.stage.take(an_upload("contracts/<b>\u202ea.pdf"))
    return site


@pytest.fixture
def pages(site: ConsoleApp) -> dict[str, str]:
    """The address of each delivery's page, by service."""
    rows = [row for row in site.stage.all_rows() if isinstance(row, Delivery)]
    return {row.person.removeprefix("in-"): f"console/deliveries/{row.id}" for row in rows}


@pytest.mark.parametrize("service", ["slack", "teams", "discord"])
def test_chat_is_drawn_as_a_card_with_its_link(site: ConsoleApp, pages: dict[str, str], service: str) -> None:
    page = site.visitor("ben").text("/" + pages[service]).partition('class="chat"')[2]
    assert f'<div class="chat-body {service} info">' in page
    assert "&lt;b&gt;\\u202ea.pdf arrived" in page
    assert '<dd dir="auto">contracts/&lt;b&gt;\\u202ea.pdf</dd>' in page
    assert f'<a href="{PUBLIC}/o/' in page
    assert "rule &#34;contracts&#34; in acme-drops" in page
    assert "segment" not in page
    assert "-- rule" not in page


def test_json_is_shown_as_it_is_sent(site: ConsoleApp, pages: dict[str, str]) -> None:
    page = site.visitor("ben").text("/" + pages["json"])
    text = page.partition('<pre tabindex="0">')[2].partition("</pre>")[0]
    sent = json.loads(html.unescape(text))
    assert (sent["type"], sent["data"]["id"]) == ("dropnote.upload", pages["json"].rpartition("/")[2])
    assert sent["data"]["upload"]["key"] == "contracts/<b>\u202ea.pdf"
    assert sent["data"]["link"].startswith(f"{PUBLIC}/o/")
    assert "\u202e" not in text


@pytest.mark.browser
@pytest.mark.parametrize(("screen", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_cards_are_accessible_and_fit(
    site: ConsoleApp, pages: dict[str, str], browser: Browser, screen: str, scheme: str
) -> None:
    context = browser.new_context(viewport=SCREENS[screen], color_scheme=scheme)  # type: ignore[arg-type]
    page, errors = context.new_page(), list[str]()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    with site.serve() as base:
        page.goto(site.link(base=base))
        page.get_by_role("button", name="Sign in").click()
        for service in SERVICES:
            page.goto(f"{base}/{pages[service]}")
            expect(page.locator(".chat-body")).to_be_visible()
            check(page, screen)
    assert errors == []
    context.close()
