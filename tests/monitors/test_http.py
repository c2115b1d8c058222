"""Monitors of kind "http" against a real server: well, broken in every way, and under certificates of every kind."""

import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.events import Level
from chalicelib.monitors import Reach
from chalicelib.monitors.http import Answer, Failed, Http, Within, shown, status_fits
from chalicelib.monitors.http_conditions import of_body, of_header
from chalicelib.monitors.http_probe import MOST_BYTES, ask
from chalicelib.policy.incident import Knobs, Standing, delivered, step
from chalicelib.settings import SettingsError
from tests.builders import NOON, some_settings
from workbench.weak_server import WeakServer

SHORT = timedelta(seconds=0.3)
LONG = timedelta(seconds=10)
FINE = Answer(200, {"content-type": "application/json"}, '{"status": "up", "n": 5, "list": [{"a": true}]}', 0.12)


@pytest.fixture
def server() -> Iterator[WeakServer]:
    with WeakServer() as server:
        yield server


def failed(check: Http, within: timedelta = LONG, ca: str | None = None) -> str:
    found = ask(check, within, ca)
    assert isinstance(found, Failed), found
    return found.says


def answered(check: Http, within: timedelta = LONG, ca: str | None = None) -> Answer:
    found = ask(check, within, ca)
    assert isinstance(found, Answer), found
    return found


def test_server_that_is_well(server: WeakServer) -> None:
    found = answered(Http(server.url))
    assert (found.status, found.headers["content-type"], found.redirects) == (200, "application/json", 0)
    assert Http(server.url, conditions=(of_body('json status is "up"'),)).judge(found, NOON, {}).level is Level.OK


@pytest.mark.parametrize("mode", ["silent", "drip", "slow"])
def test_whatever_takes_too_long_is_given_up_in_time(server: WeakServer, mode: str) -> None:
    server.mode = mode
    assert failed(Http(server.url), SHORT) == "did not answer within 0.3 s"


@pytest.mark.parametrize("mode", ["reset", "half"])
def test_connection_that_ends_too_soon(server: WeakServer, mode: str) -> None:
    server.mode = mode
    assert failed(Http(server.url)) == "closed the connection before it had answered"


def test_nobody_listens() -> None:
    with WeakServer() as gone:
        url = gone.url
    assert failed(Http(url)) == "refused the connection"


def test_name_that_is_not_known() -> None:
    assert failed(Http("http://nobody.invalid/")) == "the name nobody.invalid is not known"


def test_redirects_in_a_loop(server: WeakServer) -> None:
    server.mode = "loop"
    assert failed(Http(server.url + "/")) == "redirects in a loop after 2 hops: / → /b → /"


def test_redirects_are_followed_and_counted_or_an_answer_of_their_own(server: WeakServer) -> None:
    assert answered(Http(server.url + "/hop")).redirects == 1
    assert answered(Http(server.url + "/hop", redirects=0)).status == 302


def test_headers_go_to_no_other_server(server: WeakServer) -> None:
    with WeakServer() as other:
        server.elsewhere = other.url
        answered(Http(server.url + "/away", headers={"Authorization": "Bearer secret"}))
        assert server.asked[0][1]["authorization"] == "Bearer secret"
        assert "authorization" not in other.asked[0][1]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)"])
def test_redirect_to_what_is_no_web(server: WeakServer, target: str) -> None:
    server.elsewhere = target
    assert failed(Http(server.url + "/away")) == "redirects to what is no URL of the web"


@pytest.mark.parametrize("mode", ["huge", "bomb"])
def test_body_is_read_up_to_a_bound(server: WeakServer, mode: str) -> None:
    server.mode = mode
    assert len(answered(Http(server.url)).body) == MOST_BYTES


def test_what_is_sent(server: WeakServer) -> None:
    answered(Http(server.url + "/health?deep=1", method="POST", send='{"a": 1}', headers={"X-Key": "k"}))
    path, headers = server.asked[0]
    assert (path, headers["x-key"], headers["content-length"]) == ("/health?deep=1", "k", "8")


def test_head_has_no_body(server: WeakServer) -> None:
    assert answered(Http(server.url, method="HEAD")).body == ""


# certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    """Who signs, and the file that says so."""
    authority, file = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return authority, str(file)


Serve = Callable[..., WeakServer]


@pytest.fixture
def serve(authority: tuple[trustme.CA, str]) -> Iterator[Serve]:
    """Starts servers with a certificate for a name that ends some time from now."""
    running: list[WeakServer] = []

    def start(name: str = "127.0.0.1", lasts: timedelta = timedelta(days=90), by: trustme.CA | None = None) -> WeakServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ends = datetime.now(UTC) + lasts
        (by or authority[0]).issue_cert(name, not_after=ends).configure_cert(context)
        running.append(WeakServer(context))
        return running[-1]

    yield start
    for server in running:
        server.close()


def test_certificate_that_is_near_its_end(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    check = Http(serve(lasts=timedelta(days=9, hours=2)).url)
    result = check.judge(answered(check, ca=authority[1]), datetime.now(UTC), {})
    assert result.level is Level.WARNING
    assert result.says.startswith("its certificate ends in 9 days, on ")
    assert (
        replace(check, certificate=timedelta(days=2)).judge(answered(check, ca=authority[1]), datetime.now(UTC), {}).level
        is Level.OK
    )


def test_certificates_that_are_not_accepted(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    ended, other, unknown = serve(lasts=-timedelta(days=1)), serve("shop.example.com"), serve(by=trustme.CA())
    assert failed(Http(ended.url), ca=authority[1]) == "its certificate has ended"
    assert failed(Http(other.url), ca=authority[1]) == "its certificate is for another name"
    assert failed(Http(unknown.url), ca=authority[1]) == "its certificate is not signed by anybody known"


def test_tls_is_asked_of_one_that_has_none(server: WeakServer) -> None:
    assert failed(Http(server.url.replace("http", "https"))) in (
        "does not speak TLS as we do",
        "closed the connection before it had answered",
    )


def test_redirect_from_https_to_http_is_not_followed(serve: Serve, authority: tuple[trustme.CA, str], server: WeakServer) -> None:
    secure = serve()
    secure.elsewhere = server.url + "/?token=secret"
    said = failed(Http(secure.url + "/away"), ca=authority[1])
    assert said == f"redirects from https to http: {server.url}/?…"
    assert server.asked == []


# judgement


@pytest.mark.parametrize(
    ("status", "wanted", "fits"),
    [
        (200, ("2xx",), True),
        (204, ("200", "204"), True),
        (301, ("2xx",), False),
        (404, ("!5xx",), True),
        (503, ("!5xx",), False),
        (404, ("4xx", "!404"), False),
    ],
)
def test_status(status: int, wanted: tuple[str, ...], fits: bool) -> None:
    assert status_fits(status, wanted) is fits


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [
        ('contains "up"', ""),
        ('contains "down"', 'the body has no "down"; it begins "{"status": "up", "n": 5, "list": [{"a": …"'),
        ('lacks "error"', ""),
        ('lacks "up"', 'the body has "up"'),
        ('matches "^\\\\{.*\\\\}$"', ""),
        ('json status is "up"', ""),
        ('json status is "down"', 'json status is "up", not "down"'),
        ("json n < 10", ""),
        ("json n < 5", "json n is 5: not < 5"),
        ("json list.0.a is true", ""),
        ("json list.1.a is true", "json list.1.a is missing"),
        ("json nothing exists", "json nothing is missing"),
        ("json nothing missing", ""),
        ("json status < 5", 'json status is "up": not < 5'),
        ('json status is not "down"', ""),
    ],
)
def test_body_conditions(condition: str, wrong: str) -> None:
    assert of_body(condition).wrong(FINE.body, {}) == wrong


def test_body_that_is_no_json() -> None:
    assert of_body("json a exists").wrong("<html>", {}) == "the body is no JSON"


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [
        ('Content-Type contains "json"', ""),
        ('content-type is "text/html"', 'content-type is "application/json", not "text/html"'),
        ("x-version exists", "the header x-version is missing"),
        ("x-version missing", ""),
        ('x-version contains "1"', "the header x-version is missing"),
    ],
)
def test_header_conditions(condition: str, wrong: str) -> None:
    assert of_header(condition).wrong("", FINE.headers) == wrong


def test_strangers_text_is_made_fit_to_show() -> None:
    said = of_body('contains "ok"').wrong("\u202e\r\nBcc: eve <script>" + "x" * 500, {})
    assert "\u202e" not in said
    assert "\n" not in said
    assert len(said) < 120


@given(some.text(max_size=200))
def test_conditions_never_raise_on_a_body(body: str) -> None:
    for condition in ('contains "a"', 'matches "(a+)+$"', 'json a.b is "c"', "json a < 3", "json a missing"):
        of_body(condition).wrong(body, {})


def test_pattern_that_would_take_for_ever_matches_nothing() -> None:
    assert "does not match" in of_body('matches "^(a|aa)+$"').wrong("a" * 5_000 + "!", {})


@pytest.mark.parametrize(
    ("check", "seen", "level", "says"),
    [
        (Http("http://a"), FINE, Level.OK, "answered 200 in 0.12 s"),
        (Http("http://a"), replace(FINE, status=503), Level.ERROR, "answered 503, not 2xx"),
        (Http("http://a"), Failed("refused the connection"), Level.ERROR, "refused the connection"),
        (Http("http://a", within=Within(warn=SHORT)), replace(FINE, seconds=1.5), Level.WARNING, "took 1.5 s, more than 0.3 s"),
        (Http("http://a", within=Within(SHORT, LONG)), replace(FINE, seconds=11), Level.ERROR, "took 11.0 s, more than 10 s"),
        (
            Http("http://a", conditions=(of_body('contains "yes"'),), within=Within(warn=SHORT)),
            replace(FINE, status=500, seconds=1, body=""),
            Level.ERROR,
            'answered 500, not 2xx; the body is empty, without "yes"; took 1.0 s, more than 0.3 s',
        ),
    ],
)
def test_judgement(check: Http, seen: Answer | Failed, level: Level, says: str) -> None:
    result = check.judge(seen, NOON, {})
    assert (result.level, result.says) == (level, says)


def test_story_of_a_shop_that_breaks_and_is_mended(server: WeakServer) -> None:
    check, standing, now, told = Http(server.url), Standing("shop"), NOON, list[str]()
    knobs = Knobs(every=timedelta(minutes=1), failures=check.failures, recoveries=check.recoveries)
    for mode in ["well", "failing", "failing", "failing", "failing", "well", "well"]:
        server.mode, now = mode, now + timedelta(minutes=1)
        seen = check.look(Reach(lambda *_: None, lambda: LONG), now, standing.memory)
        standing = step(standing, check.judge(seen, now, standing.memory), knobs, now, check.what)
        if standing.untold and standing.untold.news:
            news = standing.untold.news
            lasted = news.until - news.opened_at if news.until else timedelta(0)
            told.append(f"{news.change} {news.says.split(' in')[0]} {lasted.total_seconds():.0f}")
            standing = delivered(standing)
    assert told == ["opened answered 503, not 2xx 0", "resolved answered 200 240"]


# settings


def settings_with(more: str) -> Any:
    monitor = f'\n[[monitors]]\nname = "shop"\nkind = "http"\nnotify = "email:asha"\n{more}\n'
    (found,) = some_settings(monitor).monitors
    return found


def test_settings_of_a_shop(tmp_path: Path) -> None:
    found = settings_with(
        """
        url = "https://shop.example.com/health?key=secret"
        status = ["200", "204"]
        body = ['contains "ok"', 'json checks.db.ms < 50']
        header = 'content-type contains "json"'
        within = { warn = "1s", error = "5s" }
        certificate = "30d"
        headers = { Authorization = "Bearer ${TWILIO_ACCOUNT_SID}" }
        failures = 5
        every = "1m"
        """
    )
    assert (found.knobs.failures, found.knobs.recoveries, found.knobs.every) == (5, 2, timedelta(minutes=1))
    assert found.check.what == "https://shop.example.com/health?… answers 200 or 204"
    assert found.check.headers == {"Authorization": "Bearer AC" + "0" * 32}
    assert len(found.check.conditions) == 3


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "url: it is missing"),
        ('url = "shop.example.com"', "it is not a URL of the web"),
        ('url = "https://u:p@shop.example.com"', "it has a user or a password in it"),
        ('url = "https://shop.example.com:99999"', "its port is no number"),
        ('url = "https://a"\nstatus = "fine"', "'fine' is no status"),
        ('url = "https://a"\nbody = "has ok"', "is no condition on a body"),
        ('url = "https://a"\nbody = \'matches "("\'', "is no regular expression"),
        ('url = "https://a"\nheader = "x"', "is no condition on a header"),
        ('url = "https://a"\nheaders = { "a b" = "c" }', "is no name of a header"),
        ('url = "https://a"\nheaders = { a = "b\\r\\nc" }', "a letter that no header may have"),
        ('url = "https://a"\ntimeout = "5m"', "longer than a watch may wait"),
        ('url = "https://a"\nmethod = "HEAD"\nbody = \'contains "a"\'', "an answer to HEAD has none"),
        ('url = "https://a"\nsend = "x"', "nothing is sent with GET"),
        ('url = "http://a"\ncertificate = "9d"', "there is none without https"),
        ('url = "https://a"\nwithin = { warn = "5s", error = "1s" }', "never come before the error"),
        ('url = "https://a"\nurll = "b"', "did you mean 'url'?"),
    ],
)
def test_settings_that_are_wrong(more: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_with(more)
    assert told in str(refused.value)
    assert "u:p" not in str(refused.value)


def test_shown_url_has_no_secret() -> None:
    assert shown("https://user:word@[::1]:8443/a?token=b#c") == "https://[::1]:8443/a?…"
