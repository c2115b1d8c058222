"""`dropnote login`: a link for a person of the settings, printed or mailed, and never in the ledger."""

import json

import pytest

from chalicelib.rendering.letters import Letter, letter_mail
from chalicelib.store.rows import Parked
from tests.support.builders import NOON, some_settings
from tests.support.console import ConsoleApp, console_app
from tests.support.console_commands import PUBLIC_URL, Run, command, set_secrets
from tests.support.providers import Answer
from workbench.local.ministack import MiniStack


@pytest.fixture
def site(ministack: MiniStack) -> ConsoleApp:
    return console_app(ministack)


@pytest.fixture
def login(site: ConsoleApp, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a deployed stage."""
    return command(site, monkeypatch, "login")


def test_printed_link_signs_in(site: ConsoleApp, login: Run) -> None:
    result = login("asha")
    link, sentence = result.output.splitlines()
    assert link.startswith(f"{PUBLIC_URL}/sign-in?token=1")
    assert "asha, once, within 15 minutes" in sentence
    assert site.visitor().post("/sign-in", {"token": link.partition("token=")[2]}).status_code == 303


def test_mailed_link_is_in_the_mail_only(site: ConsoleApp, login: Run) -> None:
    result = login("asha", "--mail")
    assert (result.exit_code, result.output) == (0, "Mailed a link to asha: valid once, for 15 minutes.\n")
    ((channel, to, message),) = site.stage.sent
    assert (channel, to) == ("email", "asha@example.com")
    link = next(line for line in message.text.splitlines() if line.startswith("https://"))
    assert f'<a class="button" href="{link}"' in message.html
    assert message.subject == "Sign in to acme-drops"
    assert site.stage.all_rows() == []
    rows = str(site.ministack.client("dynamodb").scan(TableName="dropnote-prod-ledger")["Items"])
    token = link.partition("token=")[2]
    assert token not in rows
    assert token not in result.output
    assert site.visitor().post("/sign-in", {"token": token}).status_code == 303


def test_mail_looks_like_the_others_and_has_the_mark_of_the_stage() -> None:
    letter = Letter(
        "Sign in to <b>", "Sign in to <b>", "It works once.", "Ignore it.", button="Sign in", url="https://x.example/?a=1&b"
    )
    mail = letter_mail(letter, some_settings(), "local")
    assert mail.subject == "[local] Sign in to <b>"
    assert mail.text == "[local] It works once.\n\nhttps://x.example/?a=1&b\n\nIgnore it.\n"
    assert "[local] acme-drops</p>" in mail.html
    assert "Sign in to &lt;b&gt;</h1>" in mail.html
    assert 'href="https://x.example/?a=1&amp;b"' in mail.html
    assert "Sent by acme-drops, stage local, on request." in mail.html
    assert "[" not in letter_mail(letter, some_settings(), "prod").subject


def test_json_names_the_person(login: Run) -> None:
    printed = json.loads(login("ben", "--json").output)
    assert (printed["person"], printed["mailed"], printed["minutes"]) == ("ben", False, 15)
    assert json.loads(login("ben", "--json", "--mail").output)["link"] == ""


def test_owner_is_the_default(login: Run) -> None:
    assert "Signs in ben" in login().output


def test_misspelled_person_gets_a_suggestion(login: Run) -> None:
    result = login("ahsa")
    assert (result.exit_code, "did you mean 'asha'?" in result.output) == (1, True)


def test_mail_that_is_not_accepted_is_an_error(site: ConsoleApp, login: Run) -> None:
    site.stage.mail.answers.append(Answer.REJECT)
    result = login("asha", "--mail")
    assert (result.exit_code, "rejected" in result.output, "Traceback" in result.output) == (1, True, False)


def test_unknown_address_of_the_stage_names_the_next_step(site: ConsoleApp, login: Run) -> None:
    set_secrets(site, "unset")
    result = login("asha")
    assert (result.exit_code, "dropnote finish --stage prod" in result.output) == (1, True)
    assert [row for row in site.stage.ledger.newest(NOON, site.stage.now) if isinstance(row, Parked)] == []
