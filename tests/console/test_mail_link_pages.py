"""The pages behind the links in mails, in a real browser."""

import threading
from collections.abc import Iterator

import pytest
from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalDevServer
from playwright.sync_api import Browser, Page, expect

from chalicelib.console import assets, mail_links
from chalicelib.console.parts import Console
from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE, make_links
from chalicelib.domain.message import MailLinks
from chalicelib.platform.secrets import Secrets
from chalicelib.platform.signing.keys import derived
from chalicelib.policy.controls import LinkSettings
from chalicelib.rules.recipients import rule_notice
from tests.support.browsers import CHROMIUM, QUIET
from tests.support.builders import an_upload
from tests.support.stages import Stage, memory_stage

pytestmark = pytest.mark.browser


@pytest.fixture
def stage() -> Stage:
    return memory_stage()


@pytest.fixture
def links(stage: Stage) -> Iterator[MailLinks]:
    """The links of a mail, served as `chalice local` does."""
    app, console = Chalice("test"), Console(stage.bot.intake, Secrets(lambda: None, "", {}, stage.clock), stage.clients)
    for area in (assets.area, mail_links.area):
        area.register(app, lambda: console)
    server = LocalDevServer(app, Config(), "127.0.0.1", 0)
    thread = threading.Thread(target=server.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    settings = LinkSettings(f"http://127.0.0.1:{server.server.server_port}", derived("k" * 64, KEY_PURPOSE))
    stage.deliverer.control.record_links(settings)
    rule = stage.settings.rules[0]
    yield make_links(settings, rule_notice(an_upload(), rule, rule.recipients[0]), stage.settings, stage.clock)
    server.shutdown()
    thread.join(timeout=5)
    server.server.server_close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 390, "height": 700})
    page.set_default_timeout(10_000)
    yield page
    page.close()


def test_person_unsubscribes_and_comes_back(stage: Stage, links: MailLinks, page: Page) -> None:
    page.goto(links.unsubscribe)
    assert stage.deliverer.control.fresh().suppressed == {}
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading")).to_have_text("Unsubscribed")
    assert len(stage.deliverer.control.fresh().suppressed) == 1
    page.get_by_role("button", name="Subscribe again").press("Enter")
    expect(page.get_by_role("heading")).to_have_text("Welcome back")
    assert stage.deliverer.control.fresh().suppressed == {}


def test_person_mutes_a_rule(stage: Stage, links: MailLinks, page: Page) -> None:
    page.goto(links.mute)
    page.get_by_role("button", name="Mute for 2 hours").click()
    expect(page.get_by_role("heading")).to_have_text("Muted")
    assert list(stage.deliverer.control.fresh().silences) == ["uploads"]
    page.get_by_role("button", name="Notify again").click()
    expect(page.get_by_role("heading")).to_have_text("No longer muted")
    assert stage.deliverer.control.fresh().silences == {}


def test_button_works_without_fetch_metadata(stage: Stage, links: MailLinks, browser: Browser) -> None:
    """On plain HTTP of a host that is not this machine, a browser sends Origin, and no Sec-Fetch-Site: like an old one."""
    rules = "--host-resolver-rules=MAP drops.test 127.0.0.1"
    old = browser.browser_type.launch(executable_path=CHROMIUM, args=[*QUIET, rules])
    page = old.new_page()
    page.set_default_timeout(10_000)
    page.goto(links.mute.replace("127.0.0.1", "drops.test"))
    with page.expect_request(lambda request: request.method == "POST") as sent:
        page.get_by_role("button").click()
    headers = sent.value.all_headers()
    assert ("sec-fetch-site" in headers, headers["origin"].partition("//")[2].partition(":")[0]) == (False, "drops.test")
    expect(page.get_by_role("heading")).to_have_text("Muted")
    old.close()
