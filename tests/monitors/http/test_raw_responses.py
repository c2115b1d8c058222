"""Probes of a server that sends exactly these bytes."""

import gzip
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from chalicelib.monitors.http.check import HttpCheck
from chalicelib.monitors.http.conditions import Content, parse_header_condition
from chalicelib.monitors.http.probe import MAX_BYTES
from tests.monitors.http.probing import failure_of, response_to
from tests.support.log_scan import LogLines

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


def test_url_is_not_logged_with_invalid_headers(speak: Speak, caplog: pytest.LogCaptureFixture, logged: LogLines) -> None:
    response_to(HttpCheck(speak(b"HTTP/1.1 200 OK\r\nno header\r\nX-A: b\r\n\r\nhello") + "/?key=secret"))
    assert "secret" not in caplog.text + logged.text


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
