"""What an answer amounts to for monitors of kind "http", in words; and the settings that say what is wanted."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.payloads import Level
from chalicelib.domain.settings import SettingsError
from chalicelib.monitors.http import status as http_status
from chalicelib.monitors.http.check import Answer, Failed, Http, Within, shown
from chalicelib.monitors.http.conditions import Page, Stalled, of_body, of_header
from tests.support.builders import NOON, some_settings

SHORT, LONG = timedelta(seconds=0.3), timedelta(seconds=10)
FINE = Answer(200, {"content-type": "application/json"}, '{"status": "up", "n": 5, "list": [{"a": true}]}', 0.12)


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
    assert http_status.fits(status, wanted) is fits
    assert bool(http_status.wrong(status, wanted)) is not fits


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
        ("json n < 5", "json n is 5, not < 5"),
        ("json list.0.a is true", ""),
        ("json list.1.a is true", "json list.1.a is missing"),
        ("json nothing exists", "json nothing is missing"),
        ("json nothing missing", ""),
        ("json status < 5", 'json status is "up", not < 5'),
        ('json status is not "down"', ""),
        ('json status is not "up"', 'json status is "up", and must not be'),
        ('json list contains "b"', 'json list is [{"a": true}], without "b"'),
        ("json list.0.a is 1", "json list.0.a is true, not 1"),  # in Python they are the same
        ("json n is true", "json n is 5, not true"),
        ("json list.0.a >= 1", "json list.0.a is true, not >= 1"),
        ('is "pong"', 'the body is "{"status": "up", "n": 5, "list": [{"a": …", not "pong"'),
    ],
)
def test_body_conditions(condition: str, wrong: str) -> None:
    assert of_body(condition).wrong(Page(FINE.body)) == wrong


def test_json_that_is_cut_is_told_as_such() -> None:
    said = of_body("json a exists").wrong(Page('{"a": ', cut=True))
    assert said == "the body is longer than 256 KB: its JSON cannot be read"
    assert "in its first 256 KB" in of_body('contains "z"').wrong(Page("y", cut=True))


@pytest.mark.parametrize(
    ("wanted", "status", "says"),
    [
        (("2xx",), 503, "answered 503, not 2xx"),
        (("200", "201", "204"), 202, "answered 202, not 200, 201 or 204"),
        (("!5xx",), 503, "answered 503; wanted is anything but 5xx"),
        (("4xx", "!404"), 404, "answered 404; wanted is 4xx but not 404"),
    ],
)
def test_words_for_a_status(wanted: tuple[str, ...], status: int, says: str) -> None:
    assert http_status.wrong(status, wanted) == says


def test_server_that_repeats_what_it_was_sent_gives_nothing_away() -> None:
    check = Http(
        "https://a/health?key=urlsecret",
        headers={"Authorization": "Bearer topsecret", "Accept": "application/json"},
        conditions=(of_body('contains "ok"'), of_body('json a is "b"'), of_header('x-echo is "b"')),
    )
    echo = json.dumps({"a": "Bearer topsecret?key=urlsecret"})
    result = check.evaluate(
        replace(FINE, status=500, body=echo, headers={"x-echo": "topsecret"}, url="https://b/topsecret"), NOON, {}
    )
    assert "secret" not in result.says.replace("…", "")
    assert result.says.endswith("and 1 more")
    assert "secret" not in check.evaluate(Failed("redirects in a loop after 1 hop: /topsecret"), NOON, {}).says
    assert "secret" not in repr(check)


def test_what_is_worst_comes_first() -> None:
    check = Http("https://a", within=Within(warn=SHORT), conditions=(of_body('contains "z"'),))
    soon = NOON + timedelta(days=9)
    says = check.evaluate(replace(FINE, seconds=1, certificate_ends=soon), NOON, {}).says
    assert [part.split(" ")[0] for part in says.split("; ")] == ["the", "it", "took", "its"]


def test_body_that_is_no_json() -> None:
    assert of_body("json a exists").wrong(Page("<html>")) == "the body is no JSON"


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
    assert of_header(condition).wrong(Page("", FINE.headers)) == wrong


def test_strangers_text_is_made_fit_to_show() -> None:
    said = of_body('contains "ok"').wrong(Page("\u202e\r\nBcc: eve <script>" + "x" * 500))
    assert "\u202e" not in said
    assert "\n" not in said
    assert len(said) < 120


@given(some.text(max_size=200))
def test_conditions_never_raise_on_a_body(body: str) -> None:
    for condition in ('contains "a"', 'matches "(a+)+$"', 'json a.b is "c"', "json a < 3", "json a missing"):
        of_body(condition).wrong(Page(body))


def test_pattern_that_would_take_for_ever_is_given_up_and_blames_nobody() -> None:
    stalls, page = of_body('matches "^(a|aa)+$"'), Page("a" * 5_000 + "!")
    with pytest.raises(Stalled):
        stalls.wrong(page)
    result = Http("http://a", conditions=(stalls,)).evaluate(replace(FINE, body=page.body), NOON, {})
    assert (result.level, result.says) == (Level.UNKNOWN, "the pattern ^(a|aa)+$ takes more than 0.5 s on what it answered")


@pytest.mark.parametrize(
    ("check", "seen", "level", "says"),
    [
        (Http("http://a"), FINE, Level.OK, "answered 200 in 0.12 s"),
        (Http("http://a"), replace(FINE, status=503), Level.ERROR, "answered 503, not 2xx"),
        (Http("http://a"), Failed("refused the connection"), Level.ERROR, "refused the connection"),
        (Http("http://a", within=Within(warn=SHORT)), replace(FINE, seconds=1.5), Level.WARNING, "took 1.50 s, more than 0.3 s"),
        (Http("http://a", within=Within(SHORT, LONG)), replace(FINE, seconds=11), Level.ERROR, "took 11.00 s, more than 10 s"),
        (
            Http("http://a", conditions=(of_body('contains "yes"'),), within=Within(warn=SHORT)),
            replace(FINE, status=500, seconds=1, body=""),
            Level.ERROR,
            'answered 500, not 2xx; the body is empty, without "yes"; took 1.00 s, more than 0.3 s',
        ),
    ],
)
def test_judgement(check: Http, seen: Answer | Failed, level: Level, says: str) -> None:
    result = check.evaluate(seen, NOON, {})
    assert (result.level, result.says) == (level, says)


# settings


def settings_with(more: str) -> Any:
    monitor = f'\n[[monitors]]\nname = "shop"\nkind = "http"\nnotify = "email:asha"\n{more}\n'
    (found,) = some_settings(monitor).monitors
    return found


def test_settings_of_a_shop() -> None:
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
    assert (found.alert_policy.failures, found.alert_policy.recoveries, found.alert_policy.every) == (5, 2, timedelta(minutes=1))
    assert found.check.what == "https://shop.example.com/health?… answers 200 or 204"
    assert found.check.headers == {"Authorization": "Bearer AC" + "0" * 32}
    assert len(found.check.conditions) == 3


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("", "url: it is missing"),
        ('url = "shop.example.com"', "it is not a URL of the web"),
        ('url = "https://u:p@shop.example.com"', "it has a user or a password in it"),
        ('url = "https://shop.example.com:99999"', "its host or its port cannot be read"),
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
        ('url = "https://[::1"', "it is not a URL of the web"),
        ('url = "https://a/b c"', "write %20 for a space"),
        ('url = "https://a"\nstatus = []', "status: it is empty"),
        ('url = "https://a"\nstatus = [200, 999]', "'999' is no status"),
        ('url = "https://a"\nbody = "json n is 007"', "is no condition on a body"),
        ('url = "https://a"\nheaders = "Accept: x"', "write headers = {"),
        ('url = "https://a"\nheaders = { Content-Length = "5" }', "follows from what is sent"),
        ('url = "https://a"\nwithin = {}', "within: it is empty"),
        ('url = "https://a"\nwithin = 2', 'write "2s"'),
        ('url = "https://a"\nwithin = "15s"', "no answer is waited for so long"),
        ('url = "https://a"\nwithin = "0s"', "no time at all"),
        ('url = "https://a"\ncertificate = "soon"', 'write "14d", or "off"'),
        ('url = "https://a"\nredirects = 99', "99 is not between 0 and 20"),
        ('url = "https://a"\nmethod = "PUT"', "'PUT' is none of GET, HEAD, POST"),
    ],
)
def test_settings_that_are_wrong(more: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_with(more)
    assert told in str(refused.value)
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ("status = 200", "status", ("200",)),
        ("status = [200, 204]", "status", ("200", "204")),
        ('within = "500ms"', "within", Within(timedelta(milliseconds=500))),
        ('within = { error = "1.5s" }', "within", Within(error=timedelta(seconds=1.5))),
        ('certificate = "off"', "certificate", None),
        ('timeout = "2s"', "timeout", timedelta(seconds=2)),
    ],
)
def test_what_people_write(more: str, field: str, value: object) -> None:
    assert getattr(settings_with(f'url = "https://a"\n{more}').check, field) == value


def test_shown_url_has_no_secret() -> None:
    assert shown("https://user:word@[::1]:8443/a?token=b#c") == "https://[::1]:8443/a?…"
