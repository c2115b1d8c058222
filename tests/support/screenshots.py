"""Draws the pictures of the console for the README and docs/console.md, from invented data: `make screenshots`."""

from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.console import ConsoleApp, console_app
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


def main() -> None:
    """Draw all pictures."""
    with MiniStack() as ministack, sync_playwright() as playwright:
        site = console_app(ministack)
        fill(site)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with site.serve() as base:
            shoot(site, browser, base)
        browser.close()


if __name__ == "__main__":
    main()
