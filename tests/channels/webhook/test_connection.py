"""Connections to webhooks: which addresses are refused, what a stranger's server can do, and what a lost response means."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
import trustme

from chalicelib.channels.webhook.connection import Response, is_public, parse_retry_after, post
from chalicelib.channels.webhook.formats import Request
from chalicelib.domain.delivery import DeliveryError, OutcomeUnknown, Reason
from tests.channels.parts import listening, meaning_of
from workbench.ports import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def request(url: str) -> Request:
    return Request(url, b"{}", {"Content-Type": "application/json"})


def read_request(peer: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"{}"):
        received += peer.recv(4096)
    return received


def answering(answer: bytes, received: list[bytes]) -> Callable[[socket.socket], None]:
    def serve(peer: socket.socket) -> None:
        received.append(read_request(peer))
        peer.sendall(answer)

    return serve


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        *((address, False) for address in (
            "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.1.2.3", "224.0.0.1",
            "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fc00::1", "ff02::1",
            "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::",
        )),
    ],
)  # fmt: skip
def test_only_public_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "0x7f.1"])
def test_own_machine_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        post(request(f"https://{host}:{free_port()}/"), allow_private=False)
    assert meaning_of(caught.value)[0] in (Reason.REFUSED, Reason.UNREACHABLE)
    assert "allow_private" in str(caught.value) or caught.value.reason is Reason.UNREACHABLE


@contextmanager
def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Iterator[list[tuple[object, ...]]]:
    """Let each look-up of a name return the next of these lists of addresses; yields the addresses that are connected to."""
    connected: list[tuple[object, ...]] = []
    remaining = list(answers)

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in remaining.pop(0)]

    class Recording(socket.socket):
        def connect(self, address: tuple[object, ...]) -> None:  # type: ignore[override]
            connected.append(address)
            raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr("socket.getaddrinfo", resolve)
        patch.setattr("socket.socket", Recording)
        yield connected


def test_name_that_changes_after_the_check_is_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer would be the metadata service."""
    with resolving(monkeypatch, ["93.184.216.34"], ["169.254.169.254"]) as connected, pytest.raises(DeliveryError):
        post(request("https://evil.example/"), allow_private=False)
    assert connected == [("93.184.216.34", 443)]


def test_name_with_one_private_address_is_refused_before_any_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    with resolving(monkeypatch, ["93.184.216.34", "10.0.0.1"]) as connected, pytest.raises(DeliveryError) as caught:
        post(request("https://evil.example/"), allow_private=False)
    assert (meaning_of(caught.value), connected) == ((Reason.REFUSED, True, False), [])


def test_allowed_private_address_is_called_with_the_name_of_the_url() -> None:
    received: list[bytes] = []
    with listening(answering(OK, received)) as port:
        assert post(request(f"http://localhost:{port}/a/b?c=d%20e"), allow_private=True).body == b"ok"
    assert received[0].startswith(b"POST /a/b?c=d%20e HTTP/1.1\r\n")
    assert f"\r\nHost: localhost:{port}\r\n".encode() in received[0]


def test_name_of_the_url_is_that_of_tls_although_an_address_is_connected_to() -> None:
    authority, received = trustme.CA(), list[bytes]()
    names: list[object] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    server.sni_callback = lambda peer, name, context: names.append(name)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    def serve(peer: socket.socket) -> None:
        with server.wrap_socket(peer, server_side=True) as secure:
            answering(OK, received)(secure)

    with listening(serve) as port:
        assert post(request(f"https://localhost:{port}/"), allow_private=True, tls=trust).status == 200
    assert names == ["localhost"]


def test_certificate_for_another_name_is_refused() -> None:
    server, authority = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trustme.CA()
    authority.issue_cert("other.example").configure_cert(server)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    def serve(peer: socket.socket) -> None:
        with suppress(ssl.SSLError):
            server.wrap_socket(peer, server_side=True).close()

    with listening(serve) as port, pytest.raises(DeliveryError, match="certificate is not valid") as caught:
        post(request(f"https://localhost:{port}/"), allow_private=True, tls=trust)
    assert meaning_of(caught.value) == (Reason.UNREACHABLE, False, False)


def test_redirect_is_not_followed() -> None:
    received: list[bytes] = []
    with listening(answering(b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", received)) as port:
        assert post(request(f"http://127.0.0.1:{port}/"), allow_private=True) == Response(307, b"")


def test_unreachable_server_has_certainly_not_accepted() -> None:
    with pytest.raises(DeliveryError) as caught:
        post(request(f"http://127.0.0.1:{free_port()}/"), allow_private=True)
    assert meaning_of(caught.value) == (Reason.UNREACHABLE, False, False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200])
def test_lost_or_unreadable_response_leaves_the_outcome_unknown(answer: bytes) -> None:
    with listening(answering(answer, [])) as port, pytest.raises(OutcomeUnknown):
        post(request(f"http://127.0.0.1:{port}/"), allow_private=True)


def test_status_is_the_outcome_although_the_body_breaks_off() -> None:
    with listening(answering(b"HTTP/1.1 204 OK\r\nContent-Length: 100\r\n\r\nhalf", [])) as port:
        assert post(request(f"http://127.0.0.1:{port}/"), allow_private=True).status == 204


def test_server_that_responds_a_byte_at_a_time_cannot_hold_the_sender() -> None:
    stop = threading.Event()

    def drip(peer: socket.socket) -> None:
        read_request(peer)
        for byte in b"HTTP/1.1 200 OK\r\n" * 100:
            if stop.wait(0.05):
                return
            peer.sendall(bytes([byte]))

    started = time.monotonic()
    with listening(drip) as port:
        with pytest.raises(OutcomeUnknown):
            post(request(f"http://127.0.0.1:{port}/"), allow_private=True, timeout_s=0.4)
        stop.set()
    assert time.monotonic() - started < 2


def test_huge_response_is_read_in_part() -> None:
    with listening(answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 200_000, [])) as port:
        assert len(post(request(f"http://127.0.0.1:{port}/"), allow_private=True).body) == 65_536


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30), ("0.65", 0.65), ("Mon, 02 Mar 2026 12:00:30 GMT", 30), ("Mon, 02 Mar 2026 11:00:00 GMT", None)]
    + [(value, None) for value in ("", "soon", "-1", "nan", "inf", "999999999")],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    wait = parse_retry_after(value, datetime(2026, 3, 2, 12, 0, tzinfo=UTC))
    assert wait == (None if seconds is None else timedelta(seconds=seconds))
