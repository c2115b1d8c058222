"""Draws all pictures: about half a minute."""

import logging

from playwright.sync_api import sync_playwright

from tests.support.browsers import CHROMIUM
from workbench.local.ministack import MiniStack

from .console import draw_console, draw_files
from .inbox import draw_digest, draw_inbox

SHARP = "--disable-features=IsolateSandboxedIframes"  # a frame in a process of its own is drawn with half the pixels


def main() -> None:
    """Draw all pictures."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with MiniStack() as ministack, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", SHARP])
        draw_inbox(browser)
        draw_digest(browser)
        draw_console(ministack, browser)
        ministack.reset()
        draw_files(ministack, browser)
        browser.close()


if __name__ == "__main__":
    main()
