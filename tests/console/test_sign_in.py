"""Signing in: a link is used once, by POST, in time, and by somebody whom the settings let in."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.console.sign_in import MAX_ATTEMPTS, sign_in_link
from chalicelib.domain.settings import ConsoleSettings
from chalicelib.store.console.sign_ins import LINK_LIFE, WINDOW
from tests.support.console import ConsoleApp


def token_of(link: str) -> str:
    return link.partition("token=")[2]


def test_link_signs_in_once(site: ConsoleApp) -> None:
    token, visitor = token_of(site.link()), site.visitor()
    response = visitor.post("/sign-in", {"token": token})
    assert (response.status_code, response.headers["Location"]) == (303, "./console")
    assert visitor.get("/console").status_code == 200
    again = site.visitor().post("/sign-in", {"token": token})
    assert (again.status_code, "already used" in again.body.decode()) == (403, True)


def test_opening_the_link_uses_nothing(site: ConsoleApp) -> None:
    """Mail scanners open every link."""
    link = site.link()
    for _ in range(20):
        page = site.visitor().get(f"/sign-in?token={token_of(link)}")
        assert (page.status_code, "You sign in as asha." in page.body.decode()) == (200, True)
    assert site.visitor().post("/sign-in", {"token": token_of(link)}).status_code == 303


def test_link_expires(site: ConsoleApp) -> None:
    token = token_of(site.link())
    site.stage.later(seconds=LINK_LIFE.total_seconds())
    for response in (site.visitor().get(f"/sign-in?token={token}"), site.visitor().post("/sign-in", {"token": token})):
        assert (response.status_code, "expired" in response.body.decode()) == (403, True)


def test_attempts_are_limited(site: ConsoleApp) -> None:
    visitor, token = site.visitor(), token_of(site.link())
    assert [visitor.post("/sign-in", {"token": "1" * 60}).status_code for _ in range(MAX_ATTEMPTS)] == [403] * MAX_ATTEMPTS
    assert visitor.post("/sign-in", {"token": token}).status_code == 429
    site.stage.later(seconds=WINDOW.total_seconds())
    assert visitor.post("/sign-in", {"token": token_of(site.link())}).status_code == 303


def test_cookie_is_kept_from_scripts_and_other_sites(site: ConsoleApp) -> None:
    local = site.visitor().post("/sign-in", {"token": token_of(site.link())}).headers["Set-Cookie"]
    assert local.partition("=")[0] == "dropnote"
    assert local.endswith("; Max-Age=43200; HttpOnly; SameSite=Lax")
    deployed = site.visitor().post("/sign-in", {"token": token_of(site.link())}, Host="abc.execute-api.eu-west-1.amazonaws.com")
    assert deployed.headers["Set-Cookie"].startswith("__Secure-dropnote=")
    assert deployed.headers["Set-Cookie"].endswith("; HttpOnly; SameSite=Lax; Secure")
    assert "Strict-Transport-Security" in deployed.headers


def test_session_ends(site: ConsoleApp) -> None:
    visitor = site.visitor("asha")
    site.stage.later(hours=12, seconds=-1)
    assert visitor.get("/console").status_code == 200
    site.stage.later(seconds=1)
    assert visitor.get("/console").status_code == 401


def test_person_who_is_removed_from_the_settings_is_signed_out(site: ConsoleApp) -> None:
    visitor = site.visitor("asha")
    deliverer = site.stage.deliverer
    deliverer.settings = replace(site.stage.settings, console=ConsoleSettings(readers=("ben",)))
    assert visitor.get("/console").status_code == 401


def test_sign_out_removes_the_cookie(site: ConsoleApp) -> None:
    visitor = site.visitor("ben")
    assert visitor.press("/sign-out").status_code == 303
    assert visitor.get("/console").status_code == 401


def test_only_people_with_a_role_get_a_link(site: ConsoleApp) -> None:
    with pytest.raises(LookupError, match="operators or readers"):
        sign_in_link(site.console, "carl", "https://example.com", "tester")


def test_sign_in_is_recorded_without_the_link(site: ConsoleApp) -> None:
    site.visitor("asha")
    entries = site.console.audit.newest(site.stage.now + timedelta(minutes=1), 10)
    assert sorted((entry.who, entry.did.value, entry.what) for entry in entries) == [
        ("asha", "signed in", ""),
        ("tester", "made a sign-in link", "asha"),
    ]


def test_missing_key_is_a_page_not_a_traceback(site: ConsoleApp) -> None:
    token = token_of(site.link())
    site.stage.bot.secrets._environ = {"DROPNOTE_SECRET_CONSOLE_KEY": "short"}  # type: ignore[union-attr]
    response = site.visitor().post("/sign-in", {"token": token})
    assert (response.status_code, "dropnote doctor" in response.body.decode()) == (503, True)
