"""Files by link, as deployed: a file dropped in the inbox, the link in its mail, and a partner's upload that is announced."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.harness import copy_project
from chalicelib.bot.assembly import SETTINGS_FILE, load_settings, make_bot, make_console
from chalicelib.console.files.upload_links import make_upload_link, new_link
from chalicelib.domain.files.links import UploadFolder
from chalicelib.platform.clock import utc_now
from tests.console.files.test_pages import DROP
from tests.support.accessibility import check
from workbench.local.environment import LocalEnvironment
from workbench.local.ministack import REGION

pytestmark = [pytest.mark.environment, pytest.mark.browser]
UPLOAD_LINKS = '\n[[upload_links]]\nbucket = "${UPLOAD_BUCKET}"\nfolder = "partner-a/"\n'


@dataclass
class Inbox:
    """The inbox page of a running environment."""

    local: LocalEnvironment
    page: Page

    def wait_for(self, name: str) -> None:
        """Wait until the text and the mail about a file are there, without a reload."""
        expect(self.page.locator(".bubble", has_text=name)).to_be_visible()
        expect(self.page.locator(".mail .subject", has_text=name)).to_be_visible()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    settings = SETTINGS_FILE.read_text().replace('name = "uploads"', 'name = "uploads"\nlink = "7d"') + UPLOAD_LINKS
    project = copy_project(tmp_path_factory.mktemp("copy"), settings)
    with LocalEnvironment(port=0, server_port=0, project=project, state=tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture
def inbox(local: LocalEnvironment, browser: Browser) -> Iterator[Inbox]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(local.running.server)
    expect(page.locator(".drop")).to_be_visible()
    yield Inbox(local, page)
    context.close()


def test_dropped_file_appears_as_text_and_mail_and_downloads(inbox: Inbox, tmp_path: Path) -> None:
    inbox.page.evaluate(DROP, [["dropped.txt", "the content"]])
    expect(inbox.page.locator("#uploads .note")).to_have_text("uploaded")
    inbox.wait_for("dropped.txt")
    mail = inbox.page.frame_locator(".mail iframe").first
    inbox.page.goto(str(mail.get_by_role("link", name="Download").get_attribute("href")))
    expect(inbox.page.get_by_role("heading")).to_have_text("dropped.txt")
    with inbox.page.expect_download() as download:
        inbox.page.get_by_role("button", name="Download").click()
    download.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_text() == "the content"


def test_sign_in_page_mails_a_link_that_leads_to_the_page_asked_for(inbox: Inbox) -> None:
    page, log = inbox.page, f"{inbox.local.running.api}/console/log?state=failed"
    page.goto(log)
    page.get_by_label("Your name or mail address").fill("asha")
    page.get_by_role("button", name="Mail me a link").click()
    expect(page.get_by_role("heading")).to_have_text("Look into your mail")
    page.goto(inbox.local.running.server)
    mail = page.locator(".mail", has_text="Sign in to").frame_locator("iframe").first
    page.goto(str(mail.get_by_role("link", name="Sign in").get_attribute("href")))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(log)


def test_file_is_chosen_by_keyboard_on_a_phone(inbox: Inbox, tmp_path: Path) -> None:
    inbox.page.set_viewport_size({"width": 390, "height": 844})
    (tmp_path / "chosen.txt").write_text("hello")
    inbox.page.on("filechooser", lambda _: None)  # the browser asks Playwright from now on, not only once the key is pressed
    inbox.page.locator("#files").focus()
    with inbox.page.expect_file_chooser() as chooser:
        inbox.page.keyboard.press("Space")
    chooser.value.set_files(tmp_path / "chosen.txt")
    inbox.wait_for("chosen.txt")
    assert inbox.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_upload_of_a_partner_is_announced(inbox: Inbox, browser: Browser) -> None:
    local = inbox.local
    settings = load_settings(local.variables, local.project / "chalicelib" / "dropnote.toml")

    def clients(service: str, **_: object) -> object:
        return local.ministack.client(service)

    console = make_console(make_bot(settings, local.variables, clients), local.variables, clients)
    folder = UploadFolder(local.running.bucket, "partner-a/")
    wish = new_link(folder, REGION, 1000, timedelta(days=7), "Partner A", "asha", utc_now())
    link, url = make_upload_link(console, wish, str(local.running.api))
    partner = browser.new_page()
    partner.goto(url)
    check(partner, "desktop")
    partner.evaluate(DROP, [["invoice.txt", "hello"]])
    expect(partner.locator("#uploads .note")).to_have_text("uploaded")
    inbox.wait_for("invoice-")
    assert console.upload_links.revoke(link.id, "asha", utc_now())
    partner.reload()
    expect(partner.get_by_role("heading")).to_have_text("This link was withdrawn")
    partner.close()
