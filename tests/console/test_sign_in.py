"""Signing in: a link is used once, by POST, in time, and by somebody whom the settings let in."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.console.sign_in import MAX_ATTEMPTS, sign_in_link
from chalicelib.domain.settings import ConsoleSettings
from chalicelib.platform.signing.tokens import Purpose, Signer
from chalicelib.store.console.sign_ins import LINK_LIFE, WINDOW
from tests.console.files.conftest import files_app
from tests.console.files.test_object_links import link_of, put
from tests.support.console import ConsoleApp, Visitor
from workbench.local.ministack import MiniStack


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


def asked_for(site: ConsoleApp, path: str, **headers: str) -> str:
    """Where a stranger gets who opens a page, and then signs in in the same browser."""
    visitor = site.visitor()
    assert visitor.get(path, **headers).status_code == 401
    return str(visitor.post("/sign-in", {"token": token_of(site.link())}).headers["Location"])


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/console/log?text=a%26b&state=failed", "./console/log?text=a%26b&state=failed"),
        ("/console/deliveries/" + "0a" * 16, "./console/deliveries/" + "0a" * 16),
        ("/console/deliveries/%2F%2Fevil.example%3F", "./console"),
        ("/console?period=7d&part=live", "./console?period=7d"),  # what the script asks for
        ("/console/log?text=" + "x" * 5000, "./console/log?text=" + "x" * 483),
    ],
)
def test_sign_in_leads_to_the_page_that_asked_for_it(site: ConsoleApp, path: str, leads_to: str) -> None:
    assert asked_for(site, path) == leads_to


def test_sign_in_page_says_where_it_leads(site: ConsoleApp) -> None:
    visitor = site.visitor()
    assert "you get to the page you asked for" in visitor.get("/console/log").body.decode()
    assert "Then you get to the page you asked for." in visitor.text(f"/sign-in?token={token_of(site.link())}")
    assert "asked for" not in site.visitor().text("/sign-in")


def test_page_is_asked_for_once_and_not_for_long(site: ConsoleApp) -> None:
    visitor = site.visitor()
    visitor.get("/console/audit")
    for leads_to in ("./console/audit", "./console"):
        assert visitor.post("/sign-in", {"token": token_of(site.link())}).headers["Location"] == leads_to
    visitor.get("/sign-in")
    other = site.visitor()
    other.get("/console/audit")
    site.stage.later(seconds=LINK_LIFE.total_seconds())
    assert other.post("/sign-in", {"token": token_of(site.link())}).headers["Location"] == "./console"


def test_link_to_an_object_leads_back_to_it(ministack: MiniStack) -> None:
    site = files_app(ministack, 'link = { lasts = "7d", sign_in = true }')
    put(site)
    path = link_of(site.stage)
    assert asked_for(site, path) == f".{path}"


def test_frame_and_script_are_no_pages_to_return_to(site: ConsoleApp) -> None:
    for destination in ("iframe", "empty"):
        assert asked_for(site, "/console/audit", Sec_Fetch_Dest=destination) == "./console"


@pytest.mark.parametrize("address", ["https://evil.example", "//evil.example", "/\\evil.example", "console/log"])
def test_nobody_else_can_say_where_a_sign_in_leads(site: ConsoleApp, address: str) -> None:
    """A sibling host may set a cookie for ours, and a link may have any field."""
    forged = Signer(lambda: [b"x" * 64], site.stage.clock).issue(Purpose.RETURN, address, lasts=LINK_LIFE)
    other_purpose = site.console.signer.issue(Purpose.SESSION, address, lasts=LINK_LIFE)
    for value in (address, forged, other_purpose):
        visitor = Visitor(site, f"dropnote-return={value}")
        form = {"token": token_of(site.link()), "next": address, "return": address}
        assert visitor.post(f"/sign-in?next={address}", form).headers["Location"] == "./console"
