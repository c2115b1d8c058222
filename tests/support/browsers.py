"""A browser for tests of pages: one for the whole run, because Playwright starts once per process."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's headless Chromium. If it is missing, its tests are skipped, or fail where it is required."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not installed; run `sudo apt-get install chromium` to test the pages"
        if os.environ.get("DROPNOTE_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright  # imported late: few tests need it

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=QUIET)
        yield chromium
        chromium.close()
