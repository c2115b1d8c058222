"""The pages of files in a real browser: download by a link, upload by another; phone width, keyboard, accessibility."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE
from chalicelib.platform.signing.keys import derived
from chalicelib.policy.controls import LinkSettings
from tests.console.files.conftest import BUCKET
from tests.console.files.test_object_links import put
from tests.console.files.test_upload_links import keys, make
from tests.support.accessibility import check
from tests.support.console import KEY, ConsoleApp
from workbench.deployment.files.cors import add_rule, read_rules, rule_for

pytestmark = pytest.mark.browser
DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name, { type: "text/plain" }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def base(site: ConsoleApp) -> Iterator[str]:
    with site.serve() as url:
        site.stage.deliverer.control.record_links(LinkSettings(url, derived(KEY, KEY_PURPOSE)))
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    context.set_default_timeout(10_000)
    page, errors = context.new_page(), list[str]()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert errors == []


def allow(site: ConsoleApp, origin: str) -> None:
    s3 = site.ministack.client("s3")
    add_rule(s3, BUCKET, read_rules(s3, BUCKET), rule_for(origin))


def test_link_in_a_mail_downloads_the_file(site: ConsoleApp, base: str, page: Page, tmp_path: Path) -> None:
    put(site, "in/<b>ré.html", b"<script>document.title = 'owned'</script>")
    page.set_content(site.stage.mail.accepted[-1].message.html)
    page.goto(str(page.get_by_role("link", name="Download").get_attribute("href")))
    expect(page.get_by_role("heading")).to_have_text("<b>ré.html")
    check(page, "phone")
    with page.expect_download() as download:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    assert download.value.suggested_filename in ("<b>ré.html", "_b_ré.html")  # saved, never shown
    download.value.save_as(tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == b"<script>document.title = 'owned'</script>"


def test_partner_drops_files(site: ConsoleApp, base: str, page: Page) -> None:
    allow(site, base)
    page.goto(make(site, 20, base))
    check(page, "phone")
    page.evaluate(DROP, [["one.txt", "first"], ["two.txt", "second"], ["big.txt", "x" * 21], ["<img src=x>", "third"]])
    items = page.locator("#uploads li")
    expect(items.locator(".note")).to_have_text(
        ["uploaded", "uploaded", "Not uploaded: a file may have at most 20 bytes.", "uploaded"]
    )
    names = sorted(key.removeprefix("partner-a/")[:4] for key in keys(site))
    assert names == ["img-", "one-", "two-"]
    expect(page.locator("#news")).to_contain_text("3 uploaded")
    check(page, "phone")


def test_partner_chooses_a_file_by_keyboard(site: ConsoleApp, base: str, page: Page, tmp_path: Path) -> None:
    allow(site, base)
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    page.on("filechooser", lambda _: None)  # the browser asks Playwright from now on, not only once the key is pressed
    page.goto(make(site, 20, base))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(tmp_path / "report.pdf")
    expect(page.locator("#uploads .note")).to_have_text("uploaded")
    (key,) = keys(site)
    assert site.ministack.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"%PDF"


def test_bucket_without_the_cors_rule_is_explained(site: ConsoleApp, base: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(make(site, 20, base))
    page.evaluate(DROP, [["one.txt", "first"]])
    expect(page.locator("#uploads .note")).to_contain_text("CORS rules do not allow this page")
    page.close()
