"""Probes over TLS: certificates that expire, are untrusted or invalid, and redirects from HTTPS."""

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.domain.monitor import ProbeError
from chalicelib.domain.payloads import Level
from chalicelib.monitors.http import certificate
from chalicelib.monitors.http.check import Failure, HttpCheck
from chalicelib.monitors.http.probe import fetch
from tests.monitors.http.probing import LONG, SHORT, failure_of, response_to
from workbench.local.demo.faulty_server import FaultyServer


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b"\x30", b"\x02", b"\x82\x00", b"\x17", b"\x06"])).map(b"".join))
def test_invalid_certificate_has_no_expiry(der: bytes) -> None:
    assert certificate.not_after(der) is None


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
