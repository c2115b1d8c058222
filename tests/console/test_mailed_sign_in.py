"""The sign-in page mails a link: to people of the settings, once, a few times; nobody learns who they are."""

from datetime import timedelta
from typing import Any

import pytest
from chalice.test import HTTPResponse
from playwright.sync_api import Browser, expect

from chalicelib.console.sign_in import ANSWER_AFTER, MAX_ATTEMPTS, MAX_MAILS, MAX_MAILS_A_DAY
from chalicelib.delivery.feedback.mail_links import KEY_PURPOSE
from chalicelib.domain.delivery import Delivery
from chalicelib.platform.signing.keys import derived
from chalicelib.policy.controls import LinkSettings
from chalicelib.store.console.sign_ins import DAY, LINK_LIFE, WINDOW
from tests.support.accessibility import SCREENS, check
from tests.support.console import KEY, ConsoleApp, console_app
from tests.support.log_scan import LogLines
from tests.support.providers import Answer
from workbench.local.ministack import MiniStack

PUBLIC = "https://drops.example.com"


@pytest.fixture
def site(ministack: MiniStack) -> ConsoleApp:
    site = console_app(ministack, more='[people.carl]\nemail = "carl@example.com"\n')  # who may not sign in
    site.stage.deliverer.control.record_links(LinkSettings(PUBLIC, derived(KEY, KEY_PURPOSE)))
    return site


def ask(site: ConsoleApp, who: str, **headers: str) -> HTTPResponse:
    return site.visitor().post("/sign-in/mail", {"who": who}, **headers)


def mailed(site: ConsoleApp) -> list[str]:
    """The links in the mails that were sent."""
    lines = (line for _, _, message in site.stage.sent for line in message.text.splitlines())
    return [line.removeprefix("Sign in: ") for line in lines if line.startswith("Sign in: ")]


def rows(site: ConsoleApp) -> str:
    return str(site.ministack.client("dynamodb").scan(TableName="dropnote-prod-ledger")["Items"])


@pytest.mark.parametrize("who", ["asha", " Asha ", "asha@example.com", "ASHA@example.com"])
def test_link_in_the_mail_signs_in_once(site: ConsoleApp, who: str) -> None:
    ask(site, who)
    ((_, to, message),) = site.stage.sent
    (link,) = mailed(site)
    assert (to, message.subject) == ("asha@example.com", "Sign in to acme-drops")
    assert f'<a class="button" href="{link}"' in message.html
    assert link.startswith(f"{PUBLIC}/sign-in?token=")
    token = link.partition("token=")[2]
    assert [site.visitor().post("/sign-in", {"token": token}).status_code for _ in range(2)] == [303, 403]


def test_everybody_gets_the_same_answer_after_the_same_time(site: ConsoleApp) -> None:
    answers = [ask(site, who) for who in ("asha", "ben@example.com", "carl", "nobody", "", "x" * 5000)]
    assert {(answer.status_code, answer.body, str(sorted(answer.headers.items()))) for answer in answers} == {
        (200, answers[0].body, str(sorted(answers[0].headers.items())))
    }
    assert site.slept == [ANSWER_AFTER.total_seconds()] * 6  # less what the request took; the test's clock stands still
    assert [to for _, to, _ in site.stage.sent] == ["asha@example.com", "ben@example.com"]


def test_link_is_in_the_mail_only(site: ConsoleApp, logged: LogLines) -> None:
    """Readers see the log's rows, and must not become operators."""
    ask(site, "asha")
    (row,) = [row for row in site.stage.all_rows() if isinstance(row, Delivery)]
    token = mailed(site)[0].partition("token=")[2]
    page = site.visitor("ben").text(f"/console/deliveries/{row.id}")
    mail = site.visitor("ben").text(f"/console/deliveries/{row.id}/mail")
    for text in (rows(site), page, mail, logged.text):
        assert token not in text
        assert "sign-in?token" not in text
    entries = site.console.audit.newest(site.stage.now + timedelta(minutes=1), 10)
    assert ("the sign-in page", "made a sign-in link", "asha") in [(entry.who, entry.did.value, entry.what) for entry in entries]


def test_mail_that_is_sent_later_has_no_link(site: ConsoleApp) -> None:
    site.stage.mail.answers.append(Answer.THROTTLE)
    ask(site, "asha")
    (row,) = [row for row in site.stage.all_rows() if isinstance(row, Delivery)]
    assert row.state == "retry"
    site.stage.sweep_for(minutes=5)
    message = site.stage.sent[-1][2]
    assert "too late to have a link" in message.text
    assert "token=" not in message.text + message.html


def test_mails_to_a_person_are_limited_whoever_asks(site: ConsoleApp) -> None:
    bodies = {ask(site, "asha").body for _ in range(MAX_MAILS + 2)}
    assert (len(bodies), len(mailed(site))) == (1, MAX_MAILS)
    site.stage.later(seconds=WINDOW.total_seconds())
    ask(site, "asha")
    assert len(mailed(site)) == MAX_MAILS + 1


def test_mails_to_a_person_are_limited_for_the_day(site: ConsoleApp) -> None:
    for _ in range(MAX_MAILS_A_DAY):
        for _ in range(MAX_MAILS):
            ask(site, "asha")
        site.stage.later(seconds=WINDOW.total_seconds())
    assert len(mailed(site)) == MAX_MAILS_A_DAY
    site.stage.later(seconds=DAY.total_seconds())
    ask(site, "asha")
    assert len(mailed(site)) == MAX_MAILS_A_DAY + 1


def test_requests_of_a_client_are_limited(site: ConsoleApp) -> None:
    assert [ask(site, f"guess-{number}").status_code for number in range(MAX_ATTEMPTS)] == [200] * MAX_ATTEMPTS
    assert ask(site, "asha").status_code == 429
    assert site.stage.sent == []


def test_other_sites_cannot_ask(site: ConsoleApp) -> None:
    assert ask(site, "asha", Sec_Fetch_Site="cross-site").status_code == 403
    assert site.visitor().get("/sign-in/mail?who=asha").status_code == 405
    assert site.stage.sent == []


def test_link_leads_to_the_page_that_was_asked_for_and_expires(site: ConsoleApp) -> None:
    visitor = site.visitor()
    assert 'action="../sign-in/mail"' in visitor.get("/console/audit").body.decode()
    visitor.post("/sign-in/mail", {"who": "ben"})
    (link,) = mailed(site)
    assert visitor.post("/sign-in", {"token": link.partition("token=")[2]}).headers["Location"] == "./console/audit"
    ask(site, "asha")
    site.stage.later(seconds=LINK_LIFE.total_seconds())
    assert site.visitor().post("/sign-in", {"token": mailed(site)[1].partition("token=")[2]}).status_code == 403


@pytest.mark.browser
@pytest.mark.parametrize(("screen", "scheme"), [("desktop", "light"), ("phone", "dark")])
def test_page_is_accessible_and_its_button_sends(site: ConsoleApp, browser: Browser, screen: str, scheme: Any) -> None:
    context = browser.new_context(viewport=SCREENS[screen], color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    with site.serve() as base:
        page.goto(f"{base}/console/log")
        check(page, screen)
        page.get_by_label("Your name or mail address").fill("asha")
        page.get_by_role("button", name="Mail me a link").click()
        expect(page.get_by_role("heading")).to_have_text("Look into your mail")
        check(page, screen)
        page.goto(mailed(site)[0].replace(PUBLIC, base))
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{base}/console/log")
    context.close()


def test_stage_without_a_public_url_offers_no_mail(ministack: MiniStack) -> None:
    site = console_app(ministack)
    assert "Mail me a link" not in site.visitor().text("/sign-in")
    assert ask(site, "asha").status_code == 200
    assert site.stage.sent == []
