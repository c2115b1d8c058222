"""Draws the pictures of the console for the README and docs/console.md, from invented data: `make screenshots`."""

from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

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
from workbench.output import say
from workbench.paths import PROJECT

CHROMIUM, DOCS = Path("/usr/bin/chromium"), PROJECT / "docs"


def shoot(site: ConsoleApp, browser: Browser, base: str) -> None:
    """Draw the dashboard on a desktop, and on a phone with dark colors; and a delivery."""
    failed = next(row for row in site.stage.all_rows() if str(getattr(row, "state", "")) == "failed")
    for name, width, height, scheme, path in (
        ("console", 1280, 1000, "light", "console"),
        ("console-phone", 390, 844, "dark", "console"),
        ("console-delivery", 1280, 900, "light", f"console/deliveries/{failed.id}"),
    ):
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=1.5 if width > 1000 else 2,
        )
        page = context.new_page()
        page.goto(site.link(base=base))
        page.get_by_role("button", name="Sign in").click()
        page.goto(f"{base}/{path}")
        page.wait_for_load_state("networkidle")
        page.screenshot(path=DOCS / f"{name}.png")
        context.close()
        say(f"docs/{name}.png")


def shoot_files(site: ConsoleApp, browser: Browser, base: str) -> None:
    """Draw the page of a link to an object, and that of an upload link with a few files, on a phone."""
    allow(site, base)
    site.stage.deliverer.control.record_links(LinkSettings(base, derived(KEY, KEY_PURPOSE)))
    put(site, "contracts/2026/Acme supply agreement (signed).pdf", b"x" * 812_345)
    page = browser.new_page(viewport={"width": 390, "height": 620}, device_scale_factor=2)
    page.set_content(site.stage.mail.accepted[-1].message.html)
    page.goto(str(page.get_by_role("link", name="Download").get_attribute("href")))
    page.screenshot(path=DOCS / "console-object.png")
    page.goto(make(site, 5 * 1024**3, base, "Invoices of Partner A"))
    page.evaluate(DROP, [["invoices-2026-02.csv", "x"], ["invoices-2026-03.csv", "x" * 9_000], ["empty.csv", ""]])
    expect(page.locator("#uploads .note").last).to_contain_text("empty")
    page.screenshot(path=DOCS / "console-upload.png")
    page.close()
    say("docs/console-object.png\ndocs/console-upload.png")


def main() -> None:
    """Draw all pictures."""
    with MiniStack() as ministack, sync_playwright() as playwright:
        site = console_app(ministack)
        fill(site)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with site.serve() as base:
            shoot(site, browser, base)
        ministack.reset()
        site = files_app(ministack)
        with site.serve() as base:
            shoot_files(site, browser, base)
        browser.close()


if __name__ == "__main__":
    main()
