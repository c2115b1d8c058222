"""Checks that a page can be used by everybody: axe's rules, and no sideways scrolling."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SCREENS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


def check(page: Page, screen: str) -> None:
    """No violation that axe calls serious or critical, and no sideways scrolling."""
    results = Axe().run(
        page,
        options={
            "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
            "resultTypes": ["violations"],
        },
    )
    serious = [
        f"{item['id']}: {item['nodes'][0]['html']}" for item in results.response["violations"] if item["impact"] != "minor"
    ]
    assert serious == [], (page.url, screen, serious)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (page.url, screen)
