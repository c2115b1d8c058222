"""The pages in a real browser: sign-in, filter, resend, acknowledge, silence; live updates; phone and desktop; accessibility."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.accessibility import SCREENS, check
from tests.support.builders import an_upload
from tests.support.console import ConsoleApp
from tests.support.console_samples import fill, sample_incident, sample_ok
from tests.support.providers import Answer

pytestmark = pytest.mark.browser


@pytest.fixture
def base(site: ConsoleApp) -> Iterator[str]:
    with site.serve() as url:
        yield url


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, site: ConsoleApp, base: str, person: str = "asha") -> None:
    page.goto(site.link(person, base))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Pause updates")).to_be_visible()  # the script has run


def test_link_signs_in_and_out(site: ConsoleApp, page: Page, base: str) -> None:
    page.goto(f"{base}/console/log?state=failed")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto(site.link("ben", base))
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{base}/console/log?state=failed")  # the page that was asked for
    (cookie,) = page.context.cookies()
    assert (cookie.get("path"), cookie.get("httpOnly"), cookie.get("sameSite")) == ("/", True, "Lax")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{base}/console/log")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_log_is_filtered_and_a_failed_delivery_sent_again(site: ConsoleApp, page: Page, base: str) -> None:
    page.clock.install()
    site.stage.text.answers.append(Answer.REJECT)
    site.stage.take(an_upload("in/report.pdf", sequencer="1"), an_upload("in/photo.jpg", sequencer="2"))
    sign_in(page, site, base)
    page.get_by_role("link", name="Log", exact=True).click()
    page.get_by_label("State").select_option("failed")
    page.get_by_role("button", name="Filter").click()
    (link,) = page.locator(".log a").all()
    link.click()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".steps li")).to_have_count(3)
    site.stage.later(minutes=1)
    site.stage.sweep()
    page.wait_for_load_state()
    page.clock.run_for(6_000)
    expect(page.locator(".steps li").last).to_contain_text("accepted")  # without a reload


def test_incident_is_acknowledged_with_the_keyboard(site: ConsoleApp, page: Page, base: str) -> None:
    sample_incident(site)
    sign_in(page, site, base)
    page.get_by_role("button", name="Acknowledge shop").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".incident")).to_contain_text("acknowledged by asha")


def test_rule_is_silenced_and_the_silence_ended(site: ConsoleApp, page: Page, base: str) -> None:
    sign_in(page, site, base)
    page.get_by_role("combobox", name="Rule or monitor").select_option("uploads")
    page.get_by_role("textbox", name="Reason").fill("migration")
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_role("status")).to_be_focused()  # so that it is read aloud
    expect(page.get_by_role("status")).to_contain_text("uploads is silenced until")
    expect(page).to_have_url(f"{base}/console")
    page.get_by_role("link", name="Silences").click()
    expect(page.locator("#silences")).to_be_in_viewport()
    expect(page.locator("#silences")).to_contain_text("by asha: migration")
    page.get_by_role("button", name="End the silence of uploads").click()
    expect(page.locator("#silences")).to_contain_text("Nothing is silenced.")
    page.get_by_role("link", name="Audit").click()
    expect(page.locator(".log tbody tr", has_text="ended the silence of")).to_contain_text("asha")


def test_reader_has_no_buttons(site: ConsoleApp, page: Page, base: str) -> None:
    fill(site)
    sign_in(page, site, base, "ben")
    assert [button.inner_text() for button in page.get_by_role("button").all()] == ["Sign out", "Pause updates"]


def test_dashboard_updates_itself_until_paused(site: ConsoleApp, page: Page, base: str) -> None:
    page.clock.install()
    sample_ok(site, "shop")
    sign_in(page, site, base)
    site.stage.take(an_upload("in/new.pdf"))
    page.clock.run_for(6_000)
    expect(page.locator("#recent a", has_text="in/new.pdf").first).to_be_visible()
    page.get_by_role("button", name="Pause updates").click()
    site.stage.take(an_upload("in/later.pdf", sequencer="2"))
    page.clock.run_for(60_000)
    expect(page.get_by_role("button", name="Resume updates")).to_be_visible()
    expect(page.locator("#recent a", has_text="in/later.pdf")).to_have_count(0)
    page.get_by_role("button", name="Resume updates").click()
    page.clock.run_for(6_000)
    expect(page.locator("#recent a", has_text="in/later.pdf").first).to_be_visible()


def test_ended_session_shows_the_sign_in_page(site: ConsoleApp, page: Page, base: str) -> None:
    page.clock.install()
    sign_in(page, site, base)
    site.stage.later(hours=12)
    page.clock.run_for(6_000)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_mail_in_its_sandbox_runs_nothing(site: ConsoleApp, page: Page, base: str) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    site.stage.take(an_upload("in/<img src=x onerror=alert(1)>.pdf"))
    sign_in(page, site, base)
    page.locator("#recent tbody tr", has_text="mail").get_by_role("link").click()
    expect(page.frame_locator("iframe.mail").locator("body")).to_contain_text("onerror=alert(1)")
    assert problems == []


@pytest.mark.parametrize(("screen", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_every_page_is_accessible_and_fits(site: ConsoleApp, browser: Browser, base: str, screen: str, scheme: Any) -> None:
    fill(site)
    failed = next(row for row in site.stage.all_rows() if str(getattr(row, "state", "")) == "failed")
    mail = site.stage.rows()["email"]
    context = browser.new_context(viewport=SCREENS[screen], color_scheme=scheme)  # type: ignore[arg-type]
    page, errors = context.new_page(), list[str]()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(site.link(base=base))
    check(page, screen)
    page.get_by_role("button", name="Sign in").click()
    legend = page.locator(".legend li").first
    assert legend.evaluate("entry => getComputedStyle(entry).display") == "list-item"  # not the grid of the upload page's list
    page.get_by_text("Show as a table").click()
    check(page, screen)
    paths = (
        "console?period=30d",
        "console/log",
        f"console/deliveries/{failed.id}",
        f"console/deliveries/{mail.id}",
        "console/audit",
    )
    for path in paths:
        page.goto(f"{base}/{path}")
        check(page, screen)
    assert errors == []
    context.close()
