"""Monitors of kind "http" against a real server: well, broken in every way, and under certificates of every kind."""

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
from hypothesis import strategies as some
from msgspec.structs import replace

from chalicelib.domain.monitor import AlertPolicy, MonitorState, ProbeContext, ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.monitors.http import certificate
from chalicelib.monitors.http.check import Answer, Failed, Http
from chalicelib.monitors.http.conditions import Page, of_body, of_header
from chalicelib.monitors.http.connection import Deadline, Stop, connect, is_inner
from chalicelib.monitors.http.probe import MOST_BYTES, ask
from chalicelib.policy.incident import delivered, step
from tests.support.builders import NOON
from workbench.local.demo.faulty_server import FaultyServer

SHORT = timedelta(seconds=0.3)
LONG = timedelta(seconds=10)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def failed(check: Http, within: timedelta = LONG, ca: str = "") -> str:
    found = ask(check, within, ca)
    assert isinstance(found, Failed), found
    return found.says


def answered(check: Http, within: timedelta = LONG, ca: str = "") -> Answer:
    found = ask(check, within, ca)
    assert isinstance(found, Answer), found
    return found


def test_server_that_is_well(server: FaultyServer) -> None:
    found = answered(Http(server.url))
    assert (found.status, found.headers["content-type"], found.redirects) == (200, "application/json", 0)
    assert Http(server.url, conditions=(of_body('json status is "up"'),)).evaluate(found, NOON, {}).level is Level.OK


@pytest.mark.parametrize("mode", ["silent", "drip", "trickle", "slow"])
def test_whatever_takes_too_long_is_given_up_in_time(server: FaultyServer, mode: str) -> None:
    server.mode = mode
    assert failed(Http(server.url), SHORT) == "did not answer within 0.3 s"


@pytest.mark.parametrize("mode", ["reset", "half"])
def test_connection_that_ends_too_soon(server: FaultyServer, mode: str) -> None:
    server.mode = mode
    assert failed(Http(server.url)) == "closed the connection before it had answered"


def test_nobody_listens() -> None:
    with FaultyServer() as gone:
        url = gone.url
    assert failed(Http(url)) == "refused the connection"


def test_name_that_is_not_known() -> None:
    assert failed(Http("http://nobody.invalid/")) == "the name nobody.invalid is not known"


def test_redirects_in_a_loop(server: FaultyServer) -> None:
    server.mode = "loop"
    assert failed(Http(server.url + "/")) == "redirects in a loop after 2 hops: / → /b → /"


def test_redirects_are_followed_and_counted_or_an_answer_of_their_own(server: FaultyServer) -> None:
    assert answered(Http(server.url + "/hop")).redirects == 1
    assert answered(Http(server.url + "/hop", redirects=0)).status == 302


def test_headers_go_to_no_other_server(server: FaultyServer) -> None:
    with FaultyServer() as other:
        server.elsewhere = other.url
        answered(Http(server.url + "/away", headers={"Authorization": "Bearer secret"}))
        assert server.asked[0][1]["authorization"] == "Bearer secret"
        assert "authorization" not in other.asked[0][1]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)"])
def test_redirect_to_what_is_no_web(server: FaultyServer, target: str) -> None:
    server.elsewhere = target
    assert failed(Http(server.url + "/away")) == "redirects to what is no URL of the web"


@pytest.mark.parametrize("mode", ["huge", "bomb"])
def test_body_is_read_up_to_a_bound(server: FaultyServer, mode: str) -> None:
    server.mode = mode
    assert len(answered(Http(server.url)).body) == MOST_BYTES


def test_what_is_sent(server: FaultyServer) -> None:
    answered(Http(server.url + "/health?deep=1", method="POST", send='{"a": 1}', headers={"X-Key": "k"}))
    path, headers = server.asked[0]
    assert (path, headers["x-key"], headers["content-length"]) == ("/health?deep=1", "k", "8")


def test_head_has_no_body_and_stays_head(server: FaultyServer) -> None:
    server.elsewhere = "/"
    assert answered(Http(server.url + "/away/303", method="HEAD")).body == ""
    assert server.methods == ["HEAD", "HEAD"]


def test_form_that_redirects_to_itself_is_no_loop(server: FaultyServer) -> None:
    answered(Http(server.url + "/form", method="POST", send="a", headers={"Content-Type": "text/plain", "X-Key": "k"}))
    assert server.methods == ["POST", "GET"]
    assert "content-type" not in server.asked[-1][1]  # there is nothing that it tells of any more
    assert server.asked[-1][1]["x-key"] == "k"


def test_redirect_that_keeps_the_method_keeps_what_is_sent_and_only_to_the_same_server(server: FaultyServer) -> None:
    server.elsewhere = "/other"
    answered(Http(server.url + "/away/307", method="POST", send="token=abcdef"))
    assert server.sent == ["token=abcdef", "token=abcdef"]
    with FaultyServer() as other:
        server.elsewhere = other.url + "/x"
        said = failed(Http(server.url + "/away/308", method="POST", send="token=abcdef"))
        assert said == f"redirects what it is sent to another server: {other.url}/x"
        assert other.asked == []


def test_own_headers_take_the_place_of_ours(server: FaultyServer) -> None:
    server.content = ("text/plain", b"x")
    answered(Http(server.url, headers={"user-agent": "shop-check", "ACCEPT-ENCODING": "gzip"}))
    assert (server.asked[0][1]["user-agent"], server.asked[0][1]["accept-encoding"]) == ("shop-check", "gzip")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain; charset=ISO-8859-1", "Grüße".encode("latin-1")),
        ("text/plain", "Grüße".encode()),
        ("text/plain", "\ufeffGrüße".encode()),
        ("text/plain; charset=punycode", "Grüße".encode()),  # slow to read, and nobody writes so: taken for UTF-8
    ],
)
def test_body_is_read_as_it_is_written(server: FaultyServer, kind: str, body: bytes) -> None:
    server.content = (kind, body)
    assert answered(Http(server.url)).body == "Grüße"


def test_failure_behind_a_redirect_names_the_server(server: FaultyServer) -> None:
    with FaultyServer() as gone:
        server.elsewhere = gone.url + "/login?next=secret"
    assert failed(Http(server.url + "/away")) == f"refused the connection, after a redirect to {gone.url}/login?…"


def test_answer_of_another_server_is_told_as_such(server: FaultyServer) -> None:
    with FaultyServer() as other:
        other.mode, server.elsewhere = "failing", other.url + "/login?next=secret"
        check = Http(server.url + "/away")
        assert check.evaluate(answered(check), NOON, {}).says == f"answered 503, not 2xx ({other.url}/login?…)"


# servers that do not keep to the protocol


Speak = Callable[[bytes], str]


@pytest.fixture
def speak() -> Iterator[Speak]:
    """Starts servers that say the same bytes to everybody."""
    listening: list[socket.socket] = []

    def serve(server: socket.socket, answer: bytes) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.recv(65_536)
                    client.sendall(answer)

    def start(answer: bytes) -> str:
        listening.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(listening[-1], answer), daemon=True).start()
        return f"http://127.0.0.1:{listening[-1].getsockname()[1]}"

    yield start
    for server in listening:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        server.close()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "answered what is no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "answered what is no HTTP"),
        (b"", "closed the connection before it had answered"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "closed the connection before it had answered"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello", "answered with a body that cannot be unpacked"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://[bad\r\n\r\n", "redirects to what is no URL of the web"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://a:99999/\r\n\r\n", "redirects to what is no URL of the web"),
        (b"HTTP/1.1 302 Found\r\nLocation: http:///x\r\n\r\n", "redirects in a loop after 2 hops: / → /x → /x"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /gr\xc3\xbcn x\x1b\r\n\r\n",
            "redirects in a loop after 2 hops: / → /gr%C3%BCn%20x%1B → ",
        ),
    ],
)
def test_server_that_talks_nonsense(speak: Speak, answer: bytes, says: str) -> None:
    assert failed(Http(speak(answer))).startswith(says)


def test_paths_that_a_server_chose_are_told_in_short(speak: Speak) -> None:
    said = failed(Http(speak(b"HTTP/1.1 302 Found\r\nLocation: x" + b"x" * 9_000 + b"\r\n\r\n"), redirects=20))
    assert len(said) < 300


def test_header_that_comes_twice_is_one(speak: Speak) -> None:
    found = answered(Http(speak(b"HTTP/1.1 200 OK\r\nX-A: one\r\nX-A: two\r\n\r\n")))
    assert of_header('x-a contains "one"').wrong(Page("", found.headers)) == ""


def test_broken_headers_are_not_logged_with_the_url(speak: Speak, caplog: pytest.LogCaptureFixture) -> None:
    answered(Http(speak(b"HTTP/1.1 200 OK\r\nno header\r\nX-A: b\r\n\r\nhello") + "/?key=secret"))
    assert "secret" not in caplog.text


def test_bomb_takes_little_memory(speak: Speak) -> None:
    url = speak(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(50 * 1024 * 1024)))
    answered(Http(url))  # what is loaded at first does not count
    tracemalloc.start()
    try:
        found = answered(Http(url))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(found.body), found.cut) == (MOST_BYTES, True)
    assert peak < 4 * 1024 * 1024


@given(some.binary(max_size=200) | some.lists(some.sampled_from([b"\x30", b"\x02", b"\x82\x00", b"\x17", b"\x06"])).map(b"".join))
def test_certificate_that_cannot_be_read_ends_at_no_time(der: bytes) -> None:
    assert certificate.ends(der) is None


def test_redirect_does_not_reach_what_listens_beside_the_bot(server: FaultyServer) -> None:
    host, port = "127.0.0.1", int(server.url.rpartition(":")[2])
    with pytest.raises(Stop, match="leads to the bot's own machine"):
        connect(host, port, Deadline(LONG), tls=False, ca="", inner=False)


@pytest.mark.parametrize(
    ("address", "inner"),
    [
        ("127.0.0.1", True),
        ("169.254.100.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("fe80::1%eth0", True),
        ("0.0.0.0", True),  # noqa: S104  an address to ask, not to listen on
        ("10.0.0.7", False),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
    ],
)
def test_addresses_of_the_bots_own_machine(address: str, inner: bool) -> None:
    assert is_inner(address) is inner


def test_name_server_that_hangs_is_given_up_in_time() -> None:
    hangs = threading.Event()
    try:
        with pytest.raises(Stop, match="did not answer"):
            Deadline(timedelta(seconds=0.05)).bound(lambda: hangs.wait(60))
    finally:
        hangs.set()


def test_watch_that_has_no_time_left_blames_nobody(server: FaultyServer) -> None:
    server.mode = "silent"
    for left in (timedelta(0), SHORT):
        with pytest.raises(ProbeError, match="too little time left"):
            Http(server.url).probe(ProbeContext(lambda *_: None, lambda left=left: left), NOON, {})  # type: ignore[misc]


def test_nothing_of_tls_is_loaded_before_somebody_asks() -> None:
    script = "import sys, chalicelib.monitors.http.settings as _; print(sorted({'ssl', 'urllib3', 'regex'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_server_is_broken_and_mended_by_hand(server: FaultyServer) -> None:
    with urlopen(f"{server.url}/mode?be=failing") as answer:  # noqa: S310
        assert answer.read() == b"failing\n"
    assert answered(Http(server.url)).status == 503
    assert "well, failing" in answered(Http(f"{server.url}/mode?be=gone", method="POST")).body
    answered(Http(f"{server.url}/mode?be=well", method="POST"))
    assert answered(Http(server.url)).status == 200


# certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    """Who signs, and the file that says so."""
    authority, file = trustme.CA(), tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return authority, str(file)


Serve = Callable[..., FaultyServer]


@pytest.fixture
def serve(authority: tuple[trustme.CA, str]) -> Iterator[Serve]:
    """Starts servers with a certificate for a name that ends some time from now."""
    running: list[FaultyServer] = []

    def start(name: str = "127.0.0.1", lasts: timedelta = timedelta(days=90), by: trustme.CA | None = None) -> FaultyServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ends = datetime.now(UTC) + lasts
        (by or authority[0]).issue_cert(name, not_after=ends).configure_cert(context)
        running.append(FaultyServer(context))
        return running[-1]

    yield start
    for server in running:
        server.close()


def test_certificate_that_is_near_its_end(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    check = Http(serve(lasts=timedelta(days=9, hours=2)).url)
    result = check.evaluate(answered(check, ca=authority[1]), datetime.now(UTC), {})
    assert result.level is Level.WARNING
    assert result.says.startswith("its certificate ends in 9 days, on ")
    assert (
        replace(check, certificate=timedelta(days=2)).evaluate(answered(check, ca=authority[1]), datetime.now(UTC), {}).level
        is Level.OK
    )


def test_certificate_of_each_server_on_the_way_counts(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    first, last = serve(lasts=timedelta(days=5, hours=1)), serve(lasts=timedelta(days=90))
    first.elsewhere = last.url
    check = Http(first.url + "/away")
    assert "ends in 5 days" in check.evaluate(answered(check, ca=authority[1]), datetime.now(UTC), {}).says


def test_certificate_that_has_ended(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    check, ends = Http(serve(lasts=-timedelta(days=3, hours=1)).url), datetime.now(UTC) - timedelta(days=3, hours=1)
    seen = ask(check, LONG, authority[1])
    assert isinstance(seen, Failed)
    assert seen.says == "its certificate has ended, or one that it is signed with"
    result = check.evaluate(seen, datetime.now(UTC), {})
    assert (result.level, result.says) == (Level.ERROR, f"its certificate ended 3 days ago, on {ends.day} {ends:%b %Y}")


def test_end_of_a_certificate_is_read_as_python_reads_it(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    for days in (20, 365 * 40):  # before and after 2050 the date is written in two ways
        server = serve(lasts=timedelta(days=days))
        context = ssl.create_default_context(cafile=authority[1])
        with (
            socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
        ):
            told, der = secure.getpeercert() or {}, secure.getpeercert(binary_form=True) or b""
        ends = certificate.ends(der)
        assert ends is not None
        assert ends.timestamp() == ssl.cert_time_to_seconds(str(told["notAfter"]))


def test_trust_in_the_authority_that_the_environment_names(
    serve: Serve, authority: tuple[trustme.CA, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    assert "not signed by anybody known" in failed(Http(server.url))
    monkeypatch.setenv("AWS_CA_BUNDLE", authority[1])
    assert answered(Http(server.url)).status == 200
    monkeypatch.setenv("AWS_CA_BUNDLE", "/there/is/none")
    with pytest.raises(ProbeError, match="AWS_CA_BUNDLE"):
        ask(Http(server.url), LONG)


def test_handshake_that_never_comes_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert failed(Http(f"https://127.0.0.1:{silent.getsockname()[1]}"), SHORT) == "did not answer within 0.3 s"


def test_certificates_that_are_not_accepted(serve: Serve, authority: tuple[trustme.CA, str]) -> None:
    other, unknown = serve("shop.example.com"), serve(by=trustme.CA())
    assert failed(Http(other.url), ca=authority[1]) == "its certificate is for another name"
    assert failed(Http(unknown.url), ca=authority[1]) == "its certificate is not signed by anybody known"


def test_tls_is_asked_of_one_that_has_none(server: FaultyServer) -> None:
    assert failed(Http(server.url.replace("http", "https"))) in (
        "does not speak TLS as we do",
        "closed the connection before it had answered",
    )


def test_redirect_from_https_to_http_is_not_followed(
    serve: Serve, authority: tuple[trustme.CA, str], server: FaultyServer
) -> None:
    secure = serve()
    secure.elsewhere = server.url + "/?token=secret"
    said = failed(Http(secure.url + "/away"), ca=authority[1])
    assert said == f"redirects from https to http: {server.url}/?…"
    assert server.asked == []


def test_story_of_a_shop_that_breaks_and_is_mended(server: FaultyServer) -> None:
    check, standing, now, told = Http(server.url), MonitorState("shop"), NOON, list[str]()
    alert_policy = AlertPolicy(every=timedelta(minutes=1), failures=check.failures, recoveries=check.recoveries)
    for mode in ["well", "failing", "failing", "failing", "failing", "well", "well"]:
        server.mode, now = mode, now + timedelta(minutes=1)
        seen = check.probe(ProbeContext(lambda *_: None, lambda: LONG), now, standing.memory)
        standing = step(standing, check.evaluate(seen, now, standing.memory), alert_policy, now, check.what)
        if standing.untold and standing.untold.news:
            news = standing.untold.news
            lasted = news.until - news.opened_at if news.until else timedelta(0)
            told.append(f"{news.change} {news.says.split(' in')[0]} {lasted.total_seconds():.0f}")
            standing = delivered(standing)
    assert told == ["opened answered 503, not 2xx 0", "resolved answered 200 240"]
