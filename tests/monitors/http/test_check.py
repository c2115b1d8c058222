"""Monitors of kind "http": the results of responses, and their settings."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.payloads import Level
from chalicelib.domain.settings import SettingsError
from chalicelib.monitors.http import status as http_status
from chalicelib.monitors.http.check import Failure, HttpCheck, Response, ResponseTimeLimits, redact_url
from chalicelib.monitors.http.conditions import Content, PatternTimeoutError, parse_body_condition, parse_header_condition
from tests.support.builders import NOON, some_settings

SHORT, LONG = timedelta(seconds=0.3), timedelta(seconds=10)
OK = Response(200, {"content-type": "application/json"}, '{"status": "up", "n": 5, "list": [{"a": true}]}', 0.12)


# evaluation


@pytest.mark.parametrize(
    ("status", "expected", "matches"),
    [
        (200, ("2xx",), True),
        (204, ("200", "204"), True),
        (301, ("2xx",), False),
        (404, ("!5xx",), True),
        (503, ("!5xx",), False),
        (404, ("4xx", "!404"), False),
    ],
)
def test_status(status: int, expected: tuple[str, ...], matches: bool) -> None:
    assert http_status.matches(status, expected) is matches
    assert bool(http_status.mismatch(status, expected)) is not matches


@pytest.mark.parametrize(
    ("condition", "violation"),
    [
        ('contains "up"', ""),
        ('contains "down"', 'the body has no "down"; it starts with "{"status": "up", "n": 5, "list": [{"a": …"'),
        ('lacks "error"', ""),
        ('lacks "up"', 'the body contains "up"'),
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
        ('json status is not "up"', 'json status is "up", which is not allowed'),
        ('json list contains "b"', 'json list is [{"a": true}], without "b"'),
        ("json list.0.a is 1", "json list.0.a is true, not 1"),  # in Python they are the same
        ("json n is true", "json n is 5, not true"),
        ("json list.0.a >= 1", "json list.0.a is true, not >= 1"),
        ('is "pong"', 'the body is "{"status": "up", "n": 5, "list": [{"a": …", not "pong"'),
    ],
)
def test_body_conditions(condition: str, violation: str) -> None:
    assert parse_body_condition(condition).violation(Content(OK.body)) == violation


def test_truncated_json_is_reported_as_such() -> None:
    violation = parse_body_condition("json a exists").violation(Content('{"a": ', truncated=True))
    assert violation == "the body is longer than 256 KB: its JSON cannot be parsed"
    assert "in its first 256 KB" in parse_body_condition('contains "z"').violation(Content("y", truncated=True))


@pytest.mark.parametrize(
    ("expected", "status", "mismatch"),
    [
        (("2xx",), 503, "returned 503, not 2xx"),
        (("200", "201", "204"), 202, "returned 202, not 200, 201 or 204"),
        (("!5xx",), 503, "returned 503; expected anything but 5xx"),
        (("4xx", "!404"), 404, "returned 404; expected 4xx but not 404"),
    ],
)
def test_mismatch_names_the_expected_status(expected: tuple[str, ...], status: int, mismatch: str) -> None:
    assert http_status.mismatch(status, expected) == mismatch


def test_response_that_repeats_secrets_does_not_expose_them() -> None:
    check = HttpCheck(
        "https://a/health?key=urlsecret",
        headers={"Authorization": "Bearer topsecret", "Accept": "application/json"},
        conditions=(
            parse_body_condition('contains "ok"'),
            parse_body_condition('json a is "b"'),
            parse_header_condition('x-echo is "b"'),
        ),
    )
    echo = json.dumps({"a": "Bearer topsecret?key=urlsecret"})
    result = check.evaluate(
        replace(OK, status=500, body=echo, headers={"x-echo": "topsecret"}, url="https://b/topsecret"), NOON, {}
    )
    assert "secret" not in result.message.replace("…", "")
    assert result.message.endswith("and 1 more")
    assert "secret" not in check.evaluate(Failure("redirects in a loop after 1 hop: /topsecret"), NOON, {}).message
    assert "secret" not in repr(check)


def test_most_severe_problem_comes_first() -> None:
    check = HttpCheck("https://a", within=ResponseTimeLimits(warn=SHORT), conditions=(parse_body_condition('contains "z"'),))
    soon = NOON + timedelta(days=9)
    message = check.evaluate(replace(OK, seconds=1, certificate_expires_at=soon), NOON, {}).message
    assert [part.split(" ")[0] for part in message.split("; ")] == ["the", "it", "took", "its"]


def test_body_that_is_not_json() -> None:
    assert parse_body_condition("json a exists").violation(Content("<html>")) == "the body is not JSON"


@pytest.mark.parametrize(
    ("condition", "violation"),
    [
        ('Content-Type contains "json"', ""),
        ('content-type is "text/html"', 'content-type is "application/json", not "text/html"'),
        ("x-version exists", "the header x-version is missing"),
        ("x-version missing", ""),
        ('x-version contains "1"', "the header x-version is missing"),
    ],
)
def test_header_conditions(condition: str, violation: str) -> None:
    assert parse_header_condition(condition).violation(Content("", OK.headers)) == violation


def test_text_from_a_response_is_sanitized() -> None:
    violation = parse_body_condition('contains "ok"').violation(Content("\u202e\r\nBcc: eve <script>" + "x" * 500))
    assert "\u202e" not in violation
    assert "\n" not in violation
    assert len(violation) < 120


@given(st.text(max_size=200))
def test_conditions_never_raise_on_a_body(body: str) -> None:
    for condition in ('contains "a"', 'matches "(a+)+$"', 'json a.b is "c"', "json a < 3", "json a missing"):
        parse_body_condition(condition).violation(Content(body))


def test_pattern_that_takes_too_long_is_abandoned_and_unknown() -> None:
    slow, content = parse_body_condition('matches "^(a|aa)+$"'), Content("a" * 5_000 + "!")
    with pytest.raises(PatternTimeoutError):
        slow.violation(content)
    result = HttpCheck("http://a", conditions=(slow,)).evaluate(replace(OK, body=content.body), NOON, {})
    assert (result.level, result.message) == (Level.UNKNOWN, "matching the pattern ^(a|aa)+$ takes more than 0.5 s")


@pytest.mark.parametrize(
    ("check", "observation", "level", "message"),
    [
        (HttpCheck("http://a"), OK, Level.OK, "returned 200 in 0.12 s"),
        (HttpCheck("http://a"), replace(OK, status=503), Level.ERROR, "returned 503, not 2xx"),
        (HttpCheck("http://a"), Failure("refused the connection"), Level.ERROR, "refused the connection"),
        (
            HttpCheck("http://a", within=ResponseTimeLimits(warn=SHORT)),
            replace(OK, seconds=1.5),
            Level.WARNING,
            "took 1.50 s, more than 0.3 s",
        ),
        (
            HttpCheck("http://a", within=ResponseTimeLimits(SHORT, LONG)),
            replace(OK, seconds=11),
            Level.ERROR,
            "took 11.00 s, more than 10 s",
        ),
        (
            HttpCheck("http://a", conditions=(parse_body_condition('contains "yes"'),), within=ResponseTimeLimits(warn=SHORT)),
            replace(OK, status=500, seconds=1, body=""),
            Level.ERROR,
            'returned 500, not 2xx; the body is empty; expected "yes"; took 1.00 s, more than 0.3 s',
        ),
    ],
)
def test_evaluation(check: HttpCheck, observation: Response | Failure, level: Level, message: str) -> None:
    result = check.evaluate(observation, NOON, {})
    assert (result.level, result.message) == (level, message)


# settings


def monitor_with(fields: str) -> Any:
    monitor = f'\n[[monitors]]\nname = "shop"\nkind = "http"\nnotify = "email:asha"\n{fields}\n'
    (parsed,) = some_settings(monitor).monitors
    return parsed


def test_every_field_is_read() -> None:
    monitor = monitor_with(
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
    assert (monitor.alert_policy.failures, monitor.alert_policy.recoveries, monitor.alert_policy.every) == (
        5,
        2,
        timedelta(minutes=1),
    )
    assert monitor.check.description == "https://shop.example.com/health?… returns 200 or 204"
    assert monitor.check.headers == {"Authorization": "Bearer AC" + "0" * 32}
    assert len(monitor.check.conditions) == 3


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ("", "url: missing; set it, for example url = "),
        ('url = "shop.example.com"', "url: invalid URL; use for example"),
        ('url = "https://u:p@shop.example.com"', "url: contains a user or a password"),
        ('url = "https://shop.example.com:99999"', "url: invalid host or port"),
        ('url = "https://a"\nstatus = "fine"', "status: invalid status 'fine'; use for example"),
        ('url = "https://a"\nbody = "has ok"', "body: invalid body condition 'has ok'"),
        ('url = "https://a"\nbody = \'matches "("\'', "body: invalid regular expression '('"),
        ('url = "https://a"\nheader = "x"', "header: invalid header condition 'x'"),
        ('url = "https://a"\nheaders = { "a b" = "c" }', "headers: invalid header name 'a b'"),
        ('url = "https://a"\nheaders = { a = "b\\r\\nc" }', "contains a character that headers do not allow"),
        ('url = "https://a"\ntimeout = "5m"', "timeout: '5m' is too long: the watch runs once a minute; use"),
        ('url = "https://a"\nmethod = "HEAD"\nbody = \'contains "a"\'', "body: a response to HEAD has no body"),
        ('url = "https://a"\nsend = "x"', "send: GET requests have no body; set method"),
        ('url = "http://a"\ncertificate = "9d"', "certificate: the URL is not https"),
        ('url = "https://a"\nwithin = { warn = "5s", error = "1s" }', "never come before the error"),
        ('url = "https://a"\nurll = "b"', "did you mean 'url'?"),
        ('url = "https://[::1"', "url: invalid URL; use for example"),
        ('url = "https://a/b c"', "use %20 for a space"),
        ('url = "https://a"\nstatus = []', "status: empty; use for example"),
        ('url = "https://a"\nstatus = [200, 999]', "status: invalid status '999'"),
        ('url = "https://a"\nbody = "json n is 007"', "body: invalid body condition 'json n is 007'"),
        ('url = "https://a"\nheaders = "Accept: x"', "headers: must be a table; use for example headers = {"),
        ('url = "https://a"\nheaders = { Content-Length = "5" }', "headers: Content-Length is set automatically"),
        ('url = "https://a"\nwithin = {}', "within: empty; use for example"),
        ('url = "https://a"\nwithin = 2', 'within: must be text or a table; use for example "2s"'),
        ('url = "https://a"\nwithin = "15s"', "within: not less than the timeout"),
        ('url = "https://a"\nwithin = "0s"', "within: must be more than zero"),
        ('url = "https://a"\ncertificate = "soon"', 'use for example "14d", or "off"'),
        ('url = "https://a"\nredirects = 99', "redirects: 99 is out of range; use 0 to 20"),
        ('url = "https://a"\nmethod = "PUT"', "unknown value 'PUT'"),
    ],
)
def test_error_names_the_field_and_the_fix(fields: str, error: str) -> None:
    with pytest.raises(SettingsError) as raised:
        monitor_with(fields)
    assert error in str(raised.value)
    assert "u:p" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ("status = 200", "status", ("200",)),
        ("status = [200, 204]", "status", ("200", "204")),
        ('within = "500ms"', "within", ResponseTimeLimits(timedelta(milliseconds=500))),
        ('within = { error = "1.5s" }', "within", ResponseTimeLimits(error=timedelta(seconds=1.5))),
        ('certificate = "off"', "certificate", None),
        ('timeout = "2s"', "timeout", timedelta(seconds=2)),
    ],
)
def test_short_forms_are_read(fields: str, name: str, value: object) -> None:
    assert getattr(monitor_with(f'url = "https://a"\n{fields}').check, name) == value


def test_redacted_url_has_no_secret() -> None:
    assert redact_url("https://user:word@[::1]:8443/a?token=b#c") == "https://[::1]:8443/a?…"
