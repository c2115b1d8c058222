"""A web server that can be broken and fixed, checked by a monitor in the demo and in tests.

curl -X POST 'http://127.0.0.1:PORT/mode?be=failing'     or open it in a browser; FaultyServer.MODES lists the modes
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

HEALTHY_BODY = b'{"status": "up", "checks": {"db": {"ms": 12}}}'
_MAX_WAIT_S = 60.0  # a client without a timeout of its own is released after this


class FaultyServer:
    """Listens on a port of 127.0.0.1 until closed. `mode` is how it behaves; `requests` has each request's path and headers."""

    MODES: ClassVar = ("well", "failing", "slow", "drip", "trickle", "reset", "half", "babble", "loop", "huge", "silent", "bomb")

    def __init__(self, tls: Any = None) -> None:
        """Start. `tls` is a server's ssl.SSLContext; without it the server speaks plain HTTP."""
        self.mode = "well"
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.methods: list[str] = []
        self.bodies: list[str] = []  # of POST requests
        self.redirect_target = ""  # of /away, with status 302 or its own: /away/307
        self.delay_s = 3.0  # of mode "slow"; longer than `within` of the shipped settings
        self.content = ("application/json", HEALTHY_BODY)  # of mode "well": type and body
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"faulty": self}))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients may disconnect
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )  # the handshake happens in the connection's own thread
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop, and release waiting clients."""
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    faulty: FaultyServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Respond according to the path, or else the mode."""
        self.faulty.methods.append(self.command)
        self.faulty.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if self.path.startswith("/away"):
            return self._redirect(self.faulty.redirect_target, int(self.path.partition("/away/")[2] or 302))
        if urlsplit(self.path).path == "/mode":
            return self._set_mode()
        if self.path == "/form" and self.command == "POST":
            return self._redirect("/form", 303)
        if self.path.startswith("/hop"):
            return self._redirect("/")
        respond = getattr(self, f"_{self.faulty.mode}")
        with suppress(OSError):
            respond()
        return None

    do_HEAD = do_GET  # noqa: N815  the name is http.server's

    def do_POST(self) -> None:
        """Store the body, then respond as to GET."""
        self.faulty.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        self.do_GET()

    def _set_mode(self) -> None:
        """Change the mode: /mode?be=failing."""
        mode = parse_qs(urlsplit(self.path).query).get("be", [self.faulty.mode])[0]
        if mode not in FaultyServer.MODES:
            return self._send(400, f"modes: {', '.join(FaultyServer.MODES)}\n".encode())
        self.faulty.mode = mode
        return self._send(200, f"{mode}\n".encode())

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _well(self) -> None:
        content_type, body = self.faulty.content
        self._send(200, body, {"Content-Type": content_type})

    def _failing(self) -> None:
        self._send(503, b'{"status": "down"}')

    def _slow(self) -> None:
        self.faulty.closing.wait(self.faulty.delay_s)
        self._well()

    def _drip(self) -> None:
        self._begin(200, 100_000)
        while not self.faulty.closing.wait(0.02):
            self.wfile.write(b".")

    def _trickle(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.faulty.closing.wait(0.02):
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
        while not self.faulty.closing.is_set():
            self.wfile.write(b"x" * 65_536)

    def _silent(self) -> None:
        self.faulty.closing.wait(_MAX_WAIT_S)

    def _bomb(self) -> None:
        compressed = gzip.compress(bytes(50 * 1024 * 1024))
        self._begin(200, len(compressed), {"Content-Encoding": "gzip"})
        self.wfile.write(compressed)

    def _redirect(self, target: str, status: int = 302) -> None:
        self._send(status, b"", {"Location": target})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._begin(status, len(body), headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _begin(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        """Send status and headers."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
