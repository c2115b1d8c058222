"""The console: its dashboard, a delivery, and the pages of links to objects and for uploads."""

from datetime import timedelta

from playwright.sync_api import Browser, Page, expect

from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE
from chalicelib.platform.signing.keys import derived
from chalicelib.policy.controls import LinkSettings
from tests.console.files.conftest import files_app
from tests.console.files.test_object_links import put
from tests.console.files.test_pages import DROP, allow
from tests.console.files.test_upload_links import make
from tests.support.console import KEY, ConsoleApp, console_app
from tests.support.console_samples import fill
from workbench.local.ministack import MiniStack

from .camera import draw, window


def draw_console(ministack: MiniStack, browser: Browser) -> None:
    """Draw the dashboard on a desktop, and on a phone with dark colors; and a delivery."""
    site = console_app(ministack)
    site.stage.now += timedelta(days=16)  # within a month, whose money differs from the day's
    fill(site, "30d")
    failed = next(row for row in site.stage.all_rows() if str(getattr(row, "state", "")) == "failed")
    with site.serve() as base:
        for name, width, height, scheme, path, last in (
            ("console", 1280, 1000, "light", "console", "#deliveries"),
            ("console-phone", 390, 844, "dark", "console", "#monitors"),
            ("console-delivery", 1280, 700, "light", f"console/deliveries/{failed.id}", "footer"),
        ):
            with window(browser, width, height, "dark" if scheme == "dark" else "light") as page:
                page.goto(site.link(base=base))
                page.get_by_role("button", name="Sign in").click()
                page.goto(f"{base}/{path}")
                page.wait_for_load_state("networkidle")
                draw(page, name, page.locator(last))


def draw_files(ministack: MiniStack, browser: Browser) -> None:
    """Draw the page of a link to an object, and that of an upload link with a few files, on a phone."""
    site = files_app(ministack)
    with site.serve() as base, window(browser, 390, 400) as page:
        allow(site, base)
        site.stage.deliverer.control.record_links(LinkSettings(base, derived(KEY, KEY_PURPOSE)))
        _draw_object(site, page)
        page.goto(make(site, 5 * 1024**3, base, "Invoices of Partner A"))
        page.evaluate(DROP, [["invoices-2026-02.csv", "x"], ["invoices-2026-03.csv", "x" * 9_000], ["empty.csv", ""]])
        expect(page.locator("#uploads .note").last).to_contain_text("empty")
        draw(page, "console-upload", page.locator("main"))


def _draw_object(site: ConsoleApp, page: Page) -> None:
    put(site, "contracts/2026/Acme supply agreement (signed).pdf", b"x" * 812_345)
    page.set_content(site.stage.mail.accepted[-1].message.html)
    page.goto(str(page.get_by_role("link", name="Download").get_attribute("href")))
    draw(page, "console-object", page.locator("main"))
