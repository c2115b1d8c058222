"""Monitors of kind "http" against a real server: healthy, failing in every way, and with all kinds of certificates."""

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.request import urlopen

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.monitor import AlertPolicy, MonitorState, ProbeContext, ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.monitors.http import certificate
from chalicelib.monitors.http.check import Failure, HttpCheck, Response
from chalicelib.monitors.http.conditions import Content, parse_body_condition, parse_header_condition
from chalicelib.monitors.http.connection import Deadline, RequestError, connect, is_local_address
from chalicelib.monitors.http.probe import MAX_BYTES, fetch
from chalicelib.policy.incident import mark_delivered, step
from tests.support.builders import NOON
from workbench.local.demo.faulty_server import FaultyServer

SHORT = timedelta(seconds=0.3)
LONG = timedelta(seconds=10)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def failure_of(check: HttpCheck, timeout: timedelta = LONG, ca: str = "") -> str:
    failure = fetch(check, timeout, ca)
    assert isinstance(failure, Failure), failure
    return failure.message


def response_to(check: HttpCheck, timeout: timedelta = LONG, ca: str = "") -> Response:
    response = fetch(check, timeout, ca)
    assert isinstance(response, Response), response
    return response


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


# servers that violate the protocol


Speak = Callable[[bytes], str]


@pytest.fixture
def speak() -> Iterator[Speak]:
    """Starts servers that respond to everything with the same bytes."""
    listening: list[socket.socket] = []

    def serve(server: socket.socket, data: bytes) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.recv(65_536)
                    client.sendall(data)

    def start(data: bytes) -> str:
        listening.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(listening[-1], data), daemon=True).start()
        return f"http://127.0.0.1:{listening[-1].getsockname()[1]}"

    yield start
    for server in listening:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
        server.close()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "returned an invalid HTTP response"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "returned an invalid HTTP response"),
        (b"", "closed the connection before responding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "closed the connection before responding"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello", "returned a body that cannot be decompressed"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[bad\r\n\r\n", "redirects to an invalid URL"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://a:99999/\r\n\r\n", "redirects to an invalid URL"),
        (b"HTTP/1.1 302 Found\r\nLocation: http:///x\r\n\r\n", "redirects in a loop after 2 hops: / → /x → /x"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /gr\xc3\xbcn x\x1b\r\n\r\n",
            "redirects in a loop after 2 hops: / → /gr%C3%BCn%20x%1B → ",
        ),
    ],
)
def test_invalid_response(speak: Speak, data: bytes, message: str) -> None:
    assert failure_of(HttpCheck(speak(data))).startswith(message)


def test_long_redirect_targets_are_shortened(speak: Speak) -> None:
    message = failure_of(HttpCheck(speak(b"HTTP/1.1 302 Found\r\nLocation: x" + b"x" * 9_000 + b"\r\n\r\n"), redirects=20))
    assert len(message) < 300


def test_repeated_header_is_joined(speak: Speak) -> None:
    response = response_to(HttpCheck(speak(b"HTTP/1.1 200 OK\r\nX-A: one\r\nX-A: two\r\n\r\n")))
    assert parse_header_condition('x-a contains "one"').violation(Content("", response.headers)) == ""


def test_url_is_not_logged_with_invalid_headers(speak: Speak, caplog: pytest.LogCaptureFixture) -> None:
    response_to(HttpCheck(speak(b"HTTP/1.1 200 OK\r\nno header\r\nX-A: b\r\n\r\nhello") + "/?key=secret"))
    assert "secret" not in caplog.text


def test_decompression_bomb_takes_little_memory(speak: Speak) -> None:
    url = speak(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(50 * 1024 * 1024)))
    response_to(HttpCheck(url))  # imports of the first request do not count
    tracemalloc.start()
    try:
        response = response_to(HttpCheck(url))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(response.body), response.truncated) == (MAX_BYTES, True)
    assert peak < 4 * 1024 * 1024


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"\x30", b"\x02", b"\x82\x00", b"\x17", b"\x06"])).map(b"".join))
def test_invalid_certificate_has_no_expiry(der: bytes) -> None:
    assert certificate.not_after(der) is None


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


# certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    """A certificate authority, and the file with its certificate."""
    authority, file = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return authority, str(file)


Serve = Callable[..., FaultyServer]


@pytest.fixture
def serve(authority: tuple[trustme.CA, str]) -> Iterator[Serve]:
    """Starts servers whose certificate is for a name and expires some time from now."""
    running: list[FaultyServer] = []

    def start(name: str = "127.0.0.1", lasts: timedelta = timedelta(days=90), by: trustme.CA | None = None) -> FaultyServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        expires_at = datetime.now(UTC) + lasts
        (by or authority[0]).issue_cert(name, not_after=expires_at).configure_cert(context)
        running.append(FaultyServer(context))
        return running[-1]

    yield start
    for server in running:
        server.close()


def test_certificate_that_expires_soon(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    check = HttpCheck(serve(lasts=timedelta(days=9, hours=2)).url)
    result = check.evaluate(response_to(check, ca=authority[1]), datetime.now(UTC), {})
    assert result.level is Level.WARNING
    assert result.message.startswith("its certificate expires in 9 days, on ")
    assert (
        replace(check, certificate=timedelta(days=2)).evaluate(response_to(check, ca=authority[1]), datetime.now(UTC), {}).level
        is Level.OK
    )


def test_certificate_of_every_redirecting_server_counts(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    first, last = serve(lasts=timedelta(days=5, hours=1)), serve(lasts=timedelta(days=90))
    first.redirect_target = last.url
    check = HttpCheck(first.url + "/away")
    assert "expires in 5 days" in check.evaluate(response_to(check, ca=authority[1]), datetime.now(UTC), {}).message


def test_expired_certificate(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    ago = timedelta(days=3, hours=1)
    check, expired_at = HttpCheck(serve(lasts=-ago).url), datetime.now(UTC) - ago
    failure = fetch(check, LONG, authority[1])
    assert isinstance(failure, Failure)
    assert failure.message == "its certificate, or one that signs it, has expired"
    result = check.evaluate(failure, datetime.now(UTC), {})
    assert (result.level, result.message) == (
        Level.ERROR,
        f"its certificate expired 3 days ago, on {expired_at.day} {expired_at:%b %Y}",
    )


def test_expiry_is_read_as_python_reads_it(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    for days in (20, 365 * 40):  # from 2050 on, dates have another format
        server = serve(lasts=timedelta(days=days))
        context = ssl.create_default_context(cafile=authority[1])
        with (
            socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            parsed, der = secure.getpeercert() or {}, secure.getpeercert(binary_form=True) or b""
        expires_at = certificate.not_after(der)
        assert expires_at is not None
        assert expires_at.timestamp() == ssl.cert_time_to_seconds(str(parsed["notAfter"]))


def test_authority_in_aws_ca_bundle_is_trusted(
    serve: Serve, authority: tuple[trustme.CA, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    assert "not signed by a trusted authority" in failure_of(HttpCheck(server.url))
    monkeypatch.setenv("AWS_CA_BUNDLE", authority[1])
    assert response_to(HttpCheck(server.url)).status == 200
    monkeypatch.setenv("AWS_CA_BUNDLE", "/missing/file")
    with pytest.raises(ProbeError, match="AWS_CA_BUNDLE"):
        fetch(HttpCheck(server.url), LONG)


def test_handshake_that_hangs_is_abandoned_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert failure_of(HttpCheck(f"https://127.0.0.1:{silent.getsockname()[1]}"), SHORT) == "did not respond within 0.3 s"


def test_untrusted_certificates(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    other, unknown = serve("shop.example.com"), serve(by=trustme.CA())
    assert failure_of(HttpCheck(other.url), ca=authority[1]) == "its certificate is for another name"
    assert failure_of(HttpCheck(unknown.url), ca=authority[1]) == "its certificate is not signed by a trusted authority"


def test_https_url_of_a_plain_http_server(server: FaultyServer) -> None:
    assert failure_of(HttpCheck(server.url.replace("http", "https"))) in (
        "failed the TLS handshake",
        "closed the connection before responding",
    )


def test_redirect_from_https_to_http_is_not_followed(
    serve: Serve, authority: tuple[trustme.CA, str], server: FaultyServer
) -> None:
    secure = serve()
    secure.redirect_target = server.url + "/?token=secret"
    message = failure_of(HttpCheck(secure.url + "/away"), ca=authority[1])
    assert message == f"redirects from https to http: {server.url}/?…"
    assert server.requests == []


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
