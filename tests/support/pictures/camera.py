"""Takes a picture of a page: twice the pixels, and cut only where a part of the page ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Locator, Page

from workbench.output import say
from workbench.paths import PROJECT

DOCS = PROJECT / "docs"
MARGIN = 16  # pixels below the last part that is shown
ZONE = "Asia/Kolkata"  # of the person in the pictures, and of the messages


@contextmanager
def window(browser: Browser, width: int, height: int, scheme: Literal["light", "dark"] = "light") -> Iterator[Page]:
    """A page of its own, in the time zone of the messages."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        device_scale_factor=2,
        locale="en-GB",
        timezone_id=ZONE,
        reduced_motion="reduce",
    )
    try:
        yield context.new_page()
    finally:
        context.close()


def draw(page: Page, name: str, last: Locator | None = None, margin: int = MARGIN) -> None:
    """Draw docs/NAME.png from the top of the page to the end of its part `last`; None: the whole page."""
    page.wait_for_load_state()
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({"width": size["width"], "height": _height(page, last, margin)})  # frames below it are not drawn
    page.wait_for_function("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
    clip = {"x": 0, "y": 0, "width": size["width"], "height": _height(page, last, margin)}
    page.screenshot(path=DOCS / f"{name}.png", clip=clip, animations="disabled")  # type: ignore[arg-type]
    say(f"docs/{name}.png")


def _height(page: Page, last: Locator | None, margin: int) -> int:
    if last is None:
        return int(page.evaluate("document.documentElement.scrollHeight"))
    box = last.bounding_box()
    assert box is not None
    return round(box["y"] + box["height"]) + margin
