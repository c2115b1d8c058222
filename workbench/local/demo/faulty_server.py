"""A web server that can be broken and mended: what a monitor looks at in the demo and in tests.

curl -X POST 'http://127.0.0.1:PORT/mode?be=failing'     or GET, in a browser; the modes are those of WeakServer.MODES
"""

import gzip
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

WELL = b'{"status": "up", "checks": {"db": {"ms": 12}}}'
_LONGEST_S = 60.0  # a connection that is kept waiting ends by itself


class FaultyServer:
    """Serves on a port of 127.0.0.1 until it is closed. `mode` says how well it is; `asked` has paths and headers of requests."""

    MODES: ClassVar = ("well", "failing", "slow", "drip", "trickle", "reset", "half", "babble", "loop", "huge", "silent", "bomb")

    def __init__(self, tls: Any = None) -> None:
        """`tls` is an ssl.SSLContext of a server; without one it speaks plain HTTP."""
        self.mode = "well"
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.methods: list[str] = []
        self.sent: list[str] = []  # by POST
        self.elsewhere = ""  # where /away redirects to, by a status of its own: /away/307
        self.slow_s = 3.0  # what "slow" waits; longer than the shipped settings like
        self.content = ("application/json", WELL)  # of a server that is well
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"weak": self}))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who asks may go away
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )  # the handshake is each connection's own business
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop, and let go whoever is kept waiting."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    weak: FaultyServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer as well as the mode is."""
        self.weak.methods.append(self.command)
        self.weak.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path.startswith("/away"):
            return self._redirect(self.weak.elsewhere, int(self.path.partition("/away/")[2] or 302))
        if urlsplit(self.path).path == "/mode":
            return self._mode()
        if self.path == "/form" and self.command == "POST":
            return self._redirect("/form", 303)
        if self.path.startswith("/hop"):
            return self._redirect("/")
        answer = getattr(self, f"_{self.weak.mode}")
        with suppress(OSError):
            answer()
        return None

    do_HEAD = do_GET  # noqa: N815  the names that http.server asks for

    def do_POST(self) -> None:
        """Answer like GET, to what was sent."""
        self.weak.sent.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        self.do_GET()

    def _mode(self) -> None:
        """Take another mode: /mode?be=failing."""
        mode = parse_qs(urlsplit(self.path).query).get("be", [self.weak.mode])[0]
        if mode not in FaultyServer.MODES:
            return self._send(400, f"modes: {', '.join(FaultyServer.MODES)}\n".encode())
        self.weak.mode = mode
        return self._send(200, f"{mode}\n".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _well(self) -> None:
        kind, body = self.weak.content
        self._send(200, body, {"Content-Type": kind})

    def _failing(self) -> None:
        self._send(503, b'{"status": "down"}')

    def _slow(self) -> None:
        self.weak.closing.wait(self.weak.slow_s)
        self._well()

    def _drip(self) -> None:
        self._begin(200, 100_000)
        while not self.weak.closing.wait(0.02):
            self.wfile.write(b".")

    def _trickle(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.weak.closing.wait(0.02):
            self.wfile.write(b"X")

    def _babble(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
        self.close_connection = True

    def _half(self) -> None:
        self._begin(200, 1_000)
        self.wfile.write(b"half")
        self.close_connection = True

    def _loop(self) -> None:
        self._redirect("/b" if self.path == "/" else "/")

    def _huge(self) -> None:
        self._begin(200, 10**9)
        while not self.weak.closing.is_set():
            self.wfile.write(b"x" * 65_536)

    def _silent(self) -> None:
        self.weak.closing.wait(_LONGEST_S)

    def _bomb(self) -> None:
        packed = gzip.compress(bytes(50 * 1024 * 1024))
        self._begin(200, len(packed), {"Content-Encoding": "gzip"})
        self.wfile.write(packed)

    def _redirect(self, target: str, status: int = 302) -> None:
        self._send(status, b"", {"Location": target})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(status, len(body), headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
