"""Every route, of all that app.py has: what a stranger, a reader and a forged request get. A new route cannot be forgotten."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from chalice.test import HTTPResponse

from chalicelib.platform.signing.tokens import Purpose, Signer
from tests.support.builders import ENVIRON
from tests.support.console import ConsoleApp, Visitor
from tests.support.log_scan import LogLines
from workbench.paths import PROJECT

TOKENS = ("acknowledge", "mute", "o", "unsubscribe", "upload")  # tests/console/test_mail_links.py, tests/console/files/

# Routes for everybody, each with what proves that a request may do something; the others need a session.
OPEN = {
    "GET /health": "shows nothing but the version",
    "GET /static/{name}": "the same files for everybody",
    "GET /sign-in": "the sign-in page, or the button of a link",
    "POST /receipts/ses": "SNS's signature, and our topic's name",
    "POST /sign-in/mail": "nothing: it mails to people of the settings only, a few times, and answers everybody the same",
    "POST /sign-in": "a token that is valid once",
    "POST /receipts/twilio/{delivery}": "Twilio's signature",
    "POST /replies/twilio": "Twilio's signature, and the number of a known person",
    **{f"{method} /{path}/{{token}}": "the token" for method in ("GET", "POST") for path in TOKENS},
}
CHANGES_ONLY_MINE = {"POST /sign-out"}  # readers may


WITH_TOPIC = """
from msgspec.structs import replace
from chalicelib.bot import assembly
from tests.support.log_scan import LogLines
load = assembly.load_settings_or_exit
def with_topic(*args, **options):
    settings = load(*args, **options)
    return replace(settings, email=replace(settings.email, events_topic="arn:aws:sns:us-west-2:123456789012:ses-events"))
assembly.load_settings_or_exit = with_topic
"""


@pytest.fixture(scope="module")
def routes() -> list[str]:
    """Every route of the local stage, where the console is on, with a topic for SES's reports."""
    return deployed_routes("local", WITH_TOPIC)


def deployed_routes(stage: str, first: str = "") -> list[str]:
    """Every method and path of app.py's API function, as Chalice deploys it. `first` is run before it is loaded."""
    listing = (
        first
        + "import app; print(*(f'{method} {path}' for path in app.app.routes for method in app.app.routes[path]), sep='\\n')"
    )
    environ = {"PATH": os.defpath, "AWS_DEFAULT_REGION": "eu-west-1", **ENVIRON, "DROPNOTE_STAGE": stage}
    result = subprocess.run([sys.executable, "-c", listing], cwd=PROJECT, env=environ, capture_output=True, text=True, check=True)
    return sorted(result.stdout.split("\n")[:-1])


@pytest.fixture
def protected(routes: list[str]) -> list[str]:
    return [route for route in routes if route not in OPEN]


def send(visitor: Visitor, route: str, **form: str) -> HTTPResponse:
    method, path = route.split(" ")
    path = re.sub(r"\{\w+\}", "0" * 32, path)
    return visitor.get(path) if method == "GET" else visitor.post(path, form)


def cookies(site: ConsoleApp) -> dict[str, str]:
    """Cookies that are worth nothing."""
    valid = site.visitor("asha").cookie
    forger = Signer(lambda: [b"x" * 64], site.stage.clock)
    signer = site.console.signer
    expired = signer.issue(Purpose.SESSION, "id", "asha", lasts=timedelta(seconds=-1))
    changed = valid[:-2] + ("AA" if not valid.endswith("AA") else "BB")
    return {
        "none": "",
        "empty": "dropnote=",
        "wrong": "dropnote=" + "1" + "A" * 60,
        "changed": changed,
        "expired": f"dropnote={expired}",
        "forged": "dropnote=" + forger.issue(Purpose.SESSION, "id", "asha", lasts=timedelta(hours=1)),
        "another purpose": "dropnote=" + signer.issue(Purpose.CSRF, "id", "asha", lasts=timedelta(hours=1)),
        "nobody": "dropnote=" + signer.issue(Purpose.SESSION, "id", "mallory", lasts=timedelta(hours=1)),
        "too many claims": "dropnote=" + signer.issue(Purpose.SESSION, "id", "asha", "x", lasts=timedelta(hours=1)),
        "not a cookie": "dropnote=\x00;;;=",
    }


def test_every_route_is_either_open_for_a_reason_or_protected(routes: list[str]) -> None:
    assert set(OPEN) <= set(routes)
    assert len(routes) > len(OPEN)


def test_stage_without_the_console_in_its_settings_has_none_of_its_pages() -> None:
    assert [route for route in deployed_routes("prod") if "console" in route or "sign" in route] == []


def test_route_for_reports_of_ses_exists_only_with_a_topic_in_the_settings() -> None:
    assert "POST /receipts/ses" not in deployed_routes("local")


def test_stranger_gets_nothing_but_the_sign_in_page(site: ConsoleApp, protected: list[str]) -> None:
    for name, cookie in cookies(site).items():
        for route in protected:
            response = send(Visitor(site, cookie), route, rule="uploads", duration="2h", reason="x")
            assert response.status_code == 401, (route, name)
            page = response.body.decode()
            assert "dropnote login" in page, (route, name)
            assert "acme-drops" not in page, (route, name)
    assert site.stage.deliverer.control.fresh().silences == {}


def test_changes_need_the_token_of_the_session(site: ConsoleApp, protected: list[str]) -> None:
    changing = [route for route in protected if route.startswith("POST ")]
    assert changing
    asha, other = site.visitor("asha"), site.visitor("asha")
    signer = site.console.signer
    others = re.search(r'name="csrf_token" value="([^"]+)"', other.text("/console"))
    assert others
    expired = signer.issue(Purpose.CSRF, "id", lasts=timedelta(seconds=-1))
    session = asha.cookie.partition("=")[2]
    for token in (None, "", "1" + "A" * 40, others[1], expired, session):
        for route in changing:
            form = {"rule": "uploads", "duration": "2h", "reason": "x"} | ({} if token is None else {"csrf_token": token})
            response = send(asha, route, **form)
            assert (response.status_code, "Reload the page" in response.body.decode()) == (403, True), (route, token)
    assert site.stage.deliverer.control.fresh().silences == {}


def test_reader_changes_nothing(site: ConsoleApp, protected: list[str]) -> None:
    ben = site.visitor("ben")
    token = re.search(r'name="csrf_token" value="([^"]+)"', ben.text("/console"))
    assert token
    for route in protected:
        if route.startswith("POST ") and route not in CHANGES_ONLY_MINE:
            form = {"csrf_token": token[1], "rule": "uploads", "duration": "2h", "reason": "x"}
            response = send(ben, route, **form)
            assert (response.status_code, "Only operators" in response.body.decode()) == (403, True), route
    assert site.stage.deliverer.control.fresh().silences == {}
    assert "<button>Silence" not in ben.text("/console")


OTHER_SITES = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("headers", OTHER_SITES)
def test_requests_of_other_sites_are_refused(site: ConsoleApp, headers: dict[str, str]) -> None:
    visitor = site.visitor("asha")
    token = re.search(r'name="csrf_token" value="([^"]+)"', visitor.text("/console"))
    assert token
    form = {"csrf_token": token[1], "rule": "uploads", "duration": "2h", "reason": "x"}
    response = visitor.post("/console/silence", form, **headers)
    assert (response.status_code, "another site" in response.body.decode()) == (403, True)


def test_every_response_has_security_headers(site: ConsoleApp, routes: list[str]) -> None:
    visitors = [site.visitor(), site.visitor("asha")]
    for route in routes:
        if not route.startswith(("GET /health", "POST /receipts")):
            for visitor in visitors:
                headers: Any = send(visitor, route).headers
                assert headers["X-Content-Type-Options"] == "nosniff", route
                policy = headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy, route
                assert "unsafe-inline" not in policy, route
                assert "frame-ancestors 'none'" in policy, route
                assert headers["Referrer-Policy"] == "same-origin", route
                assert headers["Cache-Control"] == "no-store" or "/static/" in route, route


def test_get_changes_no_row(site: ConsoleApp, routes: list[str]) -> None:
    visitor = site.visitor("asha")
    tables = site.ministack.client("dynamodb")
    before = tables.scan(TableName="dropnote-prod-ledger")["Items"]
    for route in routes:
        if route.startswith("GET ") and route != "GET /health":
            send(visitor, route)
    assert tables.scan(TableName="dropnote-prod-ledger")["Items"] == before


@pytest.mark.parametrize("body", [b"a=1&" * 100, b"csrf_token=\xff\xfe", b"\x00", b"{}", b"=" * 100_000])
def test_broken_form_is_a_page(site: ConsoleApp, body: bytes) -> None:
    visitor = site.visitor("asha")
    assert visitor.request("POST", "/console/silence", body, {}).status_code == 403


def test_error_is_a_page_and_its_text_is_not_logged(
    site: ConsoleApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, logged: LogLines
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("+919812345678")

    visitor = site.visitor("asha")
    monkeypatch.setattr("chalicelib.console.dashboard.views.read_figures", fail)
    response = visitor.get("/console")
    assert (response.status_code, "Traceback" in response.body.decode()) == (500, False)
    assert "ValueError" in logged.text
    assert "9812345678" not in caplog.text + logged.text + response.body.decode()
