"""Monitors of kind "http" against a real server: healthy, failing in every way, and with all kinds of certificates."""

import subprocess
import sys
import threading
from datetime import timedelta
from urllib.request import urlopen

import pytest

from chalicelib.domain.monitor import AlertPolicy, MonitorState, ProbeContext, ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.monitors.http.check import HttpCheck
from chalicelib.monitors.http.conditions import parse_body_condition
from chalicelib.monitors.http.connection import Deadline, RequestError, connect, is_local_address
from chalicelib.monitors.http.probe import MAX_BYTES
from chalicelib.policy.incident import mark_delivered, step
from tests.monitors.http.probing import LONG, SHORT, failure_of, response_to
from tests.support.builders import NOON
from workbench.local.demo.faulty_server import FaultyServer


def test_healthy_server(server: FaultyServer) -> None:
    response = response_to(HttpCheck(server.url))
    assert (response.status, response.headers["content-type"], response.redirects) == (200, "application/json", 0)
    assert (
        HttpCheck(server.url, conditions=(parse_body_condition('json status is "up"'),)).evaluate(response, NOON, {}).level
        is Level.OK
    )


@pytest.mark.parametrize("mode", ["silent", "drip", "trickle", "slow"])
def test_slow_response_is_abandoned_at_the_timeout(server: FaultyServer, mode: str) -> None:
    server.mode = mode
    assert failure_of(HttpCheck(server.url), SHORT) == "did not respond within 0.3 s"


@pytest.mark.parametrize("mode", ["reset", "half"])
def test_connection_closed_too_early(server: FaultyServer, mode: str) -> None:
    server.mode = mode
    assert failure_of(HttpCheck(server.url)) == "closed the connection before responding"


def test_nothing_listens_on_the_port() -> None:
    with FaultyServer() as closed:
        url = closed.url
    assert failure_of(HttpCheck(url)) == "refused the connection"


def test_unknown_host_name() -> None:
    assert failure_of(HttpCheck("http://nobody.invalid/")) == "the host name nobody.invalid cannot be resolved"


def test_redirects_in_a_loop(server: FaultyServer) -> None:
    server.mode = "loop"
    assert failure_of(HttpCheck(server.url + "/")) == "redirects in a loop after 2 hops: / → /b → /"


def test_redirects_are_followed_and_counted_or_returned_as_the_response(server: FaultyServer) -> None:
    assert response_to(HttpCheck(server.url + "/hop")).redirects == 1
    assert response_to(HttpCheck(server.url + "/hop", redirects=0)).status == 302


def test_headers_are_not_sent_to_another_server(server: FaultyServer) -> None:
    with FaultyServer() as other:
        server.redirect_target = other.url
        response_to(HttpCheck(server.url + "/away", headers={"Authorization": "Bearer secret"}))
        assert server.requests[0][1]["authorization"] == "Bearer secret"
        assert "authorization" not in other.requests[0][1]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)"])
def test_redirect_to_an_invalid_url(server: FaultyServer, target: str) -> None:
    server.redirect_target = target
    assert failure_of(HttpCheck(server.url + "/away")) == "redirects to an invalid URL"


@pytest.mark.parametrize("mode", ["huge", "bomb"])
def test_body_is_read_up_to_a_limit(server: FaultyServer, mode: str) -> None:
    server.mode = mode
    assert len(response_to(HttpCheck(server.url)).body) == MAX_BYTES


def test_request_has_query_body_and_headers(server: FaultyServer) -> None:
    response_to(HttpCheck(server.url + "/health?deep=1", method="POST", send='{"a": 1}', headers={"X-Key": "k"}))
    path, headers = server.requests[0]
    assert (path, headers["x-key"], headers["content-length"]) == ("/health?deep=1", "k", "8")


def test_head_has_no_body_and_stays_head_after_a_redirect(server: FaultyServer) -> None:
    server.redirect_target = "/"
    assert response_to(HttpCheck(server.url + "/away/303", method="HEAD")).body == ""
    assert server.methods == ["HEAD", "HEAD"]


def test_form_that_redirects_to_itself_is_not_a_loop(server: FaultyServer) -> None:
    response_to(HttpCheck(server.url + "/form", method="POST", send="a", headers={"Content-Type": "text/plain", "X-Key": "k"}))
    assert server.methods == ["POST", "GET"]
    assert "content-type" not in server.requests[-1][1]  # the request has no content any longer
    assert server.requests[-1][1]["x-key"] == "k"


def test_redirect_that_keeps_the_method_sends_the_body_again_but_not_to_another_server(server: FaultyServer) -> None:
    server.redirect_target = "/other"
    response_to(HttpCheck(server.url + "/away/307", method="POST", send="token=abcdef"))
    assert server.bodies == ["token=abcdef", "token=abcdef"]
    with FaultyServer() as other:
        server.redirect_target = other.url + "/x"
        message = failure_of(HttpCheck(server.url + "/away/308", method="POST", send="token=abcdef"))
        assert message == f"redirects the data it was sent to another server: {other.url}/x"
        assert other.requests == []


def test_configured_headers_replace_the_defaults(server: FaultyServer) -> None:
    server.content = ("text/plain", b"x")
    response_to(HttpCheck(server.url, headers={"user-agent": "shop-check", "ACCEPT-ENCODING": "gzip"}))
    assert (server.requests[0][1]["user-agent"], server.requests[0][1]["accept-encoding"]) == ("shop-check", "gzip")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain; charset=ISO-8859-1", "Grüße".encode("latin-1")),
        ("text/plain", "Grüße".encode()),
        ("text/plain", "\ufeffGrüße".encode()),
        ("text/plain; charset=punycode", "Grüße".encode()),  # slow to decode and unused: decoded as UTF-8
    ],
)
def test_body_is_decoded_in_its_charset(server: FaultyServer, kind: str, body: bytes) -> None:
    server.content = (kind, body)
    assert response_to(HttpCheck(server.url)).body == "Grüße"


def test_failure_behind_a_redirect_names_the_server(server: FaultyServer) -> None:
    with FaultyServer() as closed:
        server.redirect_target = closed.url + "/login?next=secret"
    assert failure_of(HttpCheck(server.url + "/away")) == f"refused the connection, after a redirect to {closed.url}/login?…"


def test_response_of_another_server_names_it(server: FaultyServer) -> None:
    with FaultyServer() as other:
        other.mode, server.redirect_target = "failing", other.url + "/login?next=secret"
        check = HttpCheck(server.url + "/away")
        assert check.evaluate(response_to(check), NOON, {}).message == f"returned 503, not 2xx ({other.url}/login?…)"


def test_redirect_does_not_reach_the_bots_own_machine(server: FaultyServer) -> None:
    host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
    with pytest.raises(RequestError, match="points to the bot's own machine"):
        connect(host, port, Deadline(LONG), tls=False, ca="", allow_local=False)


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("127.0.0.1", True),
        ("169.254.100.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("fe80::1%eth0", True),
        ("0.0.0.0", True),  # noqa: S104  not an address to listen on
        ("10.0.0.7", False),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
    ],
)
def test_addresses_of_the_bots_own_machine(address: str, is_local: bool) -> None:
    assert is_local_address(address) is is_local


def test_name_resolution_that_hangs_is_abandoned_at_the_deadline() -> None:
    released = threading.Event()
    try:
        with pytest.raises(RequestError, match="did not respond"):
            Deadline(timedelta(seconds=0.05)).run(lambda: released.wait(60))
    finally:
        released.set()


def test_lack_of_time_is_not_a_failure_of_the_server(server: FaultyServer) -> None:
    server.mode = "silent"
    for left in (timedelta(0), SHORT):
        with pytest.raises(ProbeError, match="too little time left"):
            HttpCheck(server.url).probe(ProbeContext(lambda *_: None, lambda left=left: left), NOON, {})  # type: ignore[misc]


def test_tls_is_not_imported_before_a_request() -> None:
    script = "import sys, chalicelib.monitors.http.settings as _; print(sorted({'ssl', 'urllib3', 'regex'} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"


def test_demo_server_is_broken_and_fixed_by_url(server: FaultyServer) -> None:
    with urlopen(f"{server.url}/mode?be=failing") as response:  # noqa: S310
        assert response.read() == b"failing\n"
    assert response_to(HttpCheck(server.url)).status == 503
    assert "well, failing" in response_to(HttpCheck(f"{server.url}/mode?be=gone", method="POST")).body
    response_to(HttpCheck(f"{server.url}/mode?be=well", method="POST"))
    assert response_to(HttpCheck(server.url)).status == 200


def test_server_that_fails_and_recovers_opens_and_resolves_an_incident(server: FaultyServer) -> None:
    check, state, now, sent = HttpCheck(server.url), MonitorState("shop"), NOON, list[str]()
    alert_policy = AlertPolicy(every=timedelta(minutes=1), failures=check.failures, recoveries=check.recoveries)
    for mode in ["well", "failing", "failing", "failing", "failing", "well", "well"]:
        server.mode, now = mode, now + timedelta(minutes=1)
        observation = check.probe(ProbeContext(lambda *_: None, lambda: LONG), now, state.memory)
        state = step(state, check.evaluate(observation, now, state.memory), alert_policy, now, check.description)
        if state.pending and state.pending.news:
            news = state.pending.news
            lasted = news.until - news.opened_at if news.until else timedelta(0)
            sent.append(f"{news.change} {news.says.split(' in')[0]} {lasted.total_seconds():.0f}")
            state = mark_delivered(state)
    assert sent == ["opened returned 503, not 2xx 0", "resolved returned 200 240"]
