"""A proxy between a client and an HTTP service on this machine: records what passes, and makes trouble where it is told to.

    with Proxy(ministack.endpoint) as proxy:
        client = local_client(proxy.url, "dynamodb")
        proxy.fail_next(Fault.RESET_AFTER, operation="PutItem")

It goes where AWS_ENDPOINT_URL_<SERVICE> points. The Host header passes as it came: AWS signs it.
"""

import contextlib
import http.client
import socket
import struct
import threading
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

_OF_THE_CONNECTION = ("connection", "content-length", "transfer-encoding")
_PATHS = {"/v2/email/outbound-emails": "SendEmail"}  # an API that names its operation by the path


class Fault(Enum):
    """What goes wrong with one request."""

    RESET_BEFORE = auto()  # the connection breaks before the service hears of it
    RESET_AFTER = auto()  # the service does it, and the connection breaks before the answer
    HALF = auto()  # the service does it, and half of the answer comes
    SILENT = auto()  # the service does it, and no answer ever comes


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that the service never gave."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came: what it asked for, whether the service heard of it, and its body."""

    operation: str  # PutItem, SendEmail; else "GET /path"
    forwarded: bool
    body: bytes


@dataclass(slots=True)
class _Plan:
    trouble: Fault | Answer
    operation: str
    times: int


class Proxy:
    """One proxy, running while the block does."""

    def __init__(self, target: str, port: int = 0) -> None:
        """`target` is the service's base URL; port 0 is any free one."""
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._lock = threading.Lock()
        self._plans: list[_Plan] = []
        self._seen: list[Seen] = []
        self._over = threading.Event()
        self.connections: set[socket.socket] = set()  # the handlers', open ones
        self._server: ThreadingHTTPServer | None = None
        self._port = port

    @property
    def url(self) -> str:
        """Its base URL; the same one after down and up."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start it."""
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it; who waits for an answer gets none."""
        self._over.set()
        self.down()

    def up(self) -> None:
        """Take connections (again)."""
        proxy = self

        class Handler(_Handler):
            """Knows its proxy."""

            at = proxy

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Break the connections there are and refuse new ones until it is up again."""
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def fail_next(self, trouble: Fault | Answer, *, operation: str = "", times: int = 1) -> None:
        """Make trouble for the next `times` requests; only for those of that operation, where one is named."""
        with self._lock:
            self._plans.append(_Plan(trouble, operation, times))

    def requests(self) -> list[Seen]:
        """Every request that came, oldest first."""
        with self._lock:
            return list(self._seen)

    def operations(self) -> list[str]:
        """What was asked for, oldest first."""
        return [seen.operation for seen in self.requests()]

    def forget(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._seen.clear()

    def meet(self, operation: str, body: bytes) -> Fault | Answer | None:
        """Note a request and take the trouble that waits for it; for the handler."""
        with self._lock:
            plan = next((plan for plan in self._plans if plan.operation in ("", operation)), None)
            trouble = plan.trouble if plan else None
            if plan:
                plan.times -= 1
                self._plans = [each for each in self._plans if each.times > 0]
            heard = trouble is None or trouble in (Fault.RESET_AFTER, Fault.HALF, Fault.SILENT)
            self._seen.append(Seen(operation, heard, body))
            return trouble

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Forward a request; for the handler."""
        connection = http.client.HTTPConnection(*self._target, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            kept = [
                each
                for each in answer.getheaders()
                if each[0].lower() not in ("transfer-encoding", "connection", "content-length")
            ]
            return Answer(answer.status, answer.read(), tuple(kept))

    def wait_for_the_end(self) -> None:
        """Say nothing for as long as the proxy runs; for the handler."""
        self._over.wait(60)


class _Handler(BaseHTTPRequestHandler):
    at: Proxy
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.at.connections.add(self.connection)

    def finish(self) -> None:
        self.at.connections.discard(self.connection)
        with contextlib.suppress(OSError):  # the other end may be gone
            super().finish()

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target", "")
        operation = target.rpartition(".")[2] or _PATHS.get(self.path, f"{self.command} {self.path}")
        trouble = self.at.meet(operation, body)
        if trouble is Fault.RESET_BEFORE:
            return self._reset()
        if isinstance(trouble, Answer):
            return self._answer(trouble)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        answer = self.at.ask(self.command, self.path, headers, body)
        if trouble is Fault.SILENT:
            self.at.wait_for_the_end()
        if trouble in (Fault.SILENT, Fault.RESET_AFTER):
            return self._reset()
        return self._answer(answer, half=trouble is Fault.HALF)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815  http.server's names

    def _answer(self, answer: Answer, *, half: bool = False) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if half:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.wfile.flush()
            return self._reset()
        self.wfile.write(answer.body)
        return None

    def _reset(self) -> None:
        """Break the connection as a crashed machine would: no goodbye."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  http.server names it so
        """Write no access log."""
