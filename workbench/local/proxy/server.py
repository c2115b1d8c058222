"""The proxy's server: forwards requests and responses, and executes the faults.

A request is forwarded byte for byte except for its Connection header, because each uses its own connection to the service. The
Host header is unchanged, because AWS signs it. A response is read completely before it is forwarded.
"""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

_CONNECTION_HEADERS = ("connection", "content-length", "transfer-encoding")
_PATHS = {"/v2/email/outbound-emails": "SendEmail"}  # an API that identifies its operation by the path
_WITHOUT_BODY = (204, 304)


class Fault(Enum):
    """A fault in one request."""

    RESET_BEFORE = auto()  # the connection breaks before the request reaches the service
    RESET_AFTER = auto()  # the service executes it, then the connection breaks before the response
    HALF = auto()  # the service executes it, then the connection ends in the middle of the response body
    MALFORMED = auto()  # the service executes it; the response is valid HTTP with half the JSON
    SILENT = auto()  # the service executes it; no response until the client gives up or the proxy ends


@dataclass(frozen=True, slots=True)
class Answer:
    """A response from the proxy itself; the request does not reach the service."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class RecordedRequest:
    """A received request and its result."""

    method: str
    path: str  # with its query
    operation: str  # PutItem, SendEmail; else "GET /path"
    body: bytes
    reused: bool  # not the first request of its connection
    agent: str = ""  # its User-Agent
    headers: Mapping[str, str] = field(default_factory=dict)  # names as transmitted
    forwarded: bool = False  # it reached the service
    status: int = 0  # of the service's response or the proxy's, even if it did not reach the client; 0: none


class ProxyServer(ThreadingHTTPServer):
    """Listens until end(). `intercept` returns the fault for a request, if any."""

    daemon_threads = False  # closing waits for them
    request_queue_size = 128

    def __init__(self, port: int, target: tuple[str, int], intercept: Callable[[RecordedRequest], Fault | Answer | None]) -> None:
        self.target, self.intercept = target, intercept
        self.open: set[socket.socket] = set()  # to clients and to the service
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)  # the poll interval for shutdown
        self._thread.start()

    def end(self) -> None:
        """Accept no more connections, break all open ones, and wait until every thread has ended."""
        self.shutdown()
        self._thread.join()
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Register the connection here, not in its thread, so that end() does not miss it."""
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close immediately. The base class shuts the connection down cleanly first; a broken one must not."""
        self.open.discard(request)
        self.close_request(request)


class _Handler(BaseHTTPRequestHandler):
    server: ProxyServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    handled = 0

    def handle(self) -> None:
        with suppress(OSError):  # the client may disconnect at any time
            super().handle()

    def handle_any(self) -> None:
        raw, body = self._body()
        path = self.requestline.split()[1]  # http.server's own path drops a second slash
        reused, agent = self.handled > 0, self.headers.get("User-Agent", "")
        recorded = RecordedRequest(self.command, path, self._operation(path, body), body, reused, agent, dict(self.headers))
        self.handled += 1
        fault = self.server.intercept(recorded)
        if isinstance(fault, Answer):
            return self._respond(fault, recorded)
        if fault is Fault.RESET_BEFORE:
            return self._reset()
        recorded.forwarded = True
        try:
            answer = self._forward(path, raw)
        except (OSError, http.client.HTTPException):  # the service is unreachable or broke the connection: so does the proxy
            return self._reset()
        recorded.status = answer.status
        if fault is Fault.SILENT:
            self.connection.recv(1)  # returns when the client gives up or the proxy ends
        if fault in (Fault.SILENT, Fault.RESET_AFTER):
            return self._reset()
        if fault is Fault.MALFORMED:
            answer = Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)
        return self._respond(answer, recorded, half=fault is Fault.HALF)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_any  # noqa: N815  http.server's names

    def _body(self) -> tuple[bytes, bytes]:
        """The body as transmitted, and decoded."""
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
        """The AWS operation from X-Amz-Target (JSON), Action (query protocol) or the path; otherwise method and path."""
        operation: str = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if not operation and "form-urlencoded" in self.headers.get("Content-Type", ""):
            operation = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
        path = path.partition("?")[0]
        return operation or _PATHS.get(path, f"{self.command} {path}")

    def _forward(self, path: str, raw: bytes) -> Answer:
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
                response = connection.getresponse()
                return Answer(response.status, response.read(), tuple(response.getheaders()))
            finally:
                self.server.open.discard(upstream)

    def _respond(self, answer: Answer, recorded: RecordedRequest, *, half: bool = False) -> None:
        recorded.status = answer.status
        no_body = self.command == "HEAD" or answer.status in _WITHOUT_BODY  # the original length header stays
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() != "connection" and (no_body or name.lower() not in _CONNECTION_HEADERS):
                self.send_header(name, value)
        if not no_body:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if half else answer.body)
        self.close_connection = self.close_connection or half

    def _reset(self) -> None:
        """Break the connection without closing it cleanly, as a crashed machine would."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server names it so
        """Write no access log."""
