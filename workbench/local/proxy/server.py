"""How the proxy passes requests and answers on, and how it breaks them.

A request passes byte for byte but for its Connection header: each goes on by a connection of its own. AWS signs the Host
header, so that stays as it came. An answer is read whole and passed on in one piece.
"""

import http.client
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

_OF_THE_CONNECTION = ("connection", "content-length", "transfer-encoding")
_PATHS = {"/v2/email/outbound-emails": "SendEmail"}  # an API that names its operation by the path
_WITHOUT_BODY = (204, 304)


class Fault(Enum):
    """What goes wrong with one request."""

    RESET_BEFORE = auto()  # the connection breaks before the service hears of it
    RESET_AFTER = auto()  # the service does it, and the connection breaks before the answer
    HALF = auto()  # the service does it, and the connection ends in the middle of the answer's body
    MALFORMED = auto()  # the service does it, and its answer is whole by HTTP, but half the JSON
    SILENT = auto()  # the service does it, and no answer comes until the client gives up or the proxy ends


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that the service never gave: it does not hear of the request."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Seen:
    """A request that came, and what became of it."""

    method: str
    path: str  # with its query
    operation: str  # PutItem, SendEmail; else "GET /path"
    body: bytes
    reused: bool  # not the first request of its connection
    agent: str = ""  # its User-Agent
    forwarded: bool = False  # the service heard of it
    status: int = 0  # the service's answer or the one in its stead, also where it did not reach the client; 0: none


class ProxyServer(ThreadingHTTPServer):
    """Listens from the start until its end. `meet` is asked about each request that comes."""

    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(self, port: int, target: tuple[str, int], meet: Callable[[Seen], Fault | Answer | None]) -> None:
        self.target, self.meet = target, meet
        self.open: set[socket.socket] = set()  # to clients and to the service
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)  # how often it looks for the end
        self._thread.start()

    def end(self) -> None:
        """Take no more connections, break those there are, wait until all threads are gone."""
        self.shutdown()
        self._thread.join()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # wakes who waits for it
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Note the connection here, and not in its thread: end() must not miss one."""
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close at once: the base class says goodbye first, and a broken connection does not."""
        self.open.discard(request)
        self.close_request(request)


class _Handler(BaseHTTPRequestHandler):
    server: ProxyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    handled = 0

    def handle(self) -> None:
        with suppress(OSError):  # the client may go away at any time
            super().handle()

    def handle_any(self) -> None:
        raw, body = self._body()
        path = self.requestline.split()[1]  # http.server's own path has lost a second slash
        reused, agent = self.handled > 0, self.headers.get("User-Agent", "")
        seen = Seen(self.command, path, self._operation(path, body), body, reused, agent)
        self.handled += 1
        trouble = self.server.meet(seen)
        if isinstance(trouble, Answer):
            return self._answer(trouble, seen)
        if trouble is Fault.RESET_BEFORE:
            return self._reset()
        seen.forwarded = True
        try:
            answer = self._ask(path, raw)
        except (OSError, http.client.HTTPException):  # the service is not there, or breaks off: so do we
            return self._reset()
        seen.status = answer.status
        if trouble is Fault.SILENT:
            self.connection.recv(1)  # comes back when the client gives up, or at the end
        if trouble in (Fault.SILENT, Fault.RESET_AFTER):
            return self._reset()
        if trouble is Fault.MALFORMED:
            answer = Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
        return self._answer(answer, seen, half=trouble is Fault.HALF)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_any  # noqa: N815  http.server's names

    def _body(self) -> tuple[bytes, bytes]:
        """The body as it is on the wire, and what it says."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return body, body
        raw, body, size = b"", b"", -1
        while size:
            line = self.rfile.readline()
            size = int(line.partition(b";")[0], 16)
            chunk = self.rfile.read(size + 2)
            raw, body = raw + line + chunk, body + chunk[:size]
        return raw, body

    def _operation(self, path: str, body: bytes) -> str:
        """By X-Amz-Target (JSON), by Action (query protocol), by the path; else method and path."""
        named: str = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if not named and "form-urlencoded" in self.headers.get("Content-Type", ""):
            named = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
        path = path.partition("?")[0]
        return named or _PATHS.get(path, f"{self.command} {path}")

    def _ask(self, path: str, raw: bytes) -> Answer:
        with closing(http.client.HTTPConnection(*self.server.target, timeout=60)) as connection:
            connection.connect()
            upstream = connection.sock
            self.server.open.add(upstream)
            try:
                connection.putrequest(self.command, path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() != "connection":
                        connection.putheader(name, value)
                connection.putheader("Connection", "close")
                connection.endheaders(raw or None)
                answer = connection.getresponse()
                return Answer(answer.status, answer.read(), tuple(answer.getheaders()))
            finally:
                self.server.open.discard(upstream)

    def _answer(self, answer: Answer, seen: Seen, *, half: bool = False) -> None:
        seen.status = answer.status
        whole = self.command == "HEAD" or answer.status in _WITHOUT_BODY  # as it came: its length is of a body not sent
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() != "connection" and (whole or name.lower() not in _OF_THE_CONNECTION):
                self.send_header(name, value)
        if not whole:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if half else answer.body)
        self.close_connection = self.close_connection or half

    def _reset(self) -> None:
        """Break the connection as a crashed machine would: no goodbye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server names it so
        """Write no access log."""
