"""A proxy between a client and a local HTTP service: records requests and injects faults on demand.

    with Proxy(ministack.endpoint) as proxy:
        client = local_client(proxy.url, "dynamodb")
        proxy.fail_next(Fault.RESET_AFTER, operation="PutItem")

Point AWS_ENDPOINT_URL_<SERVICE> at it. server.py forwards the requests and responses.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .server import Answer, Fault, ProxyServer, RecordedRequest

__all__ = ["Answer", "Fault", "Proxy", "RecordedRequest"]


@dataclass(slots=True)
class _PlannedFault:
    fault: Fault | Answer
    applies: Callable[[RecordedRequest], bool]
    times: float


class Proxy:
    """A proxy that runs while the block does."""

    def __init__(self, target: str, port: int = 0) -> None:
        """`target` is the service's base URL. Port 0 is any free one."""
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._lock = threading.RLock()  # reentrant: a condition may read the recorded requests
        self._faults: list[_PlannedFault] = []
        self._requests: list[RecordedRequest] = []
        self._server: ProxyServer | None = None
        self._port = port

    @property
    def url(self) -> str:
        """The base URL. It stays the same after down() and up()."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start it."""
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it. Waiting clients get no response; no thread or socket remains."""
        self.down()

    def up(self) -> None:
        """Accept connections, also after down()."""
        self._server = ProxyServer(self._port, self._target, self._intercept)
        self._port = self._server.server_port

    def down(self) -> None:
        """Break all connections, and refuse new ones until up()."""
        server, self._server = self._server, None
        if server:
            server.end()

    def fail_next(self, fault: Fault | Answer, *, operation: str = "", times: int = 1) -> None:
        """Inject a fault into the next `times` requests, or only into those of an operation."""
        self._plan(_PlannedFault(fault, lambda request: operation in ("", request.operation), times))

    def fail_while(self, condition: Callable[[RecordedRequest], bool], fault: Fault | Answer) -> None:
        """Inject a fault into every request for which the condition is true; it is evaluated for each request."""
        self._plan(_PlannedFault(fault, condition, float("inf")))

    def requests(self) -> list[RecordedRequest]:
        """Every request received, oldest first."""
        with self._lock:
            return list(self._requests)

    def operations(self) -> list[str]:
        """The operation of every request, oldest first."""
        return [request.operation for request in self.requests()]

    def clear(self) -> None:
        """Forget the recorded requests."""
        with self._lock:
            self._requests.clear()

    def _plan(self, planned: _PlannedFault) -> None:
        with self._lock:
            self._faults.append(planned)

    def _intercept(self, request: RecordedRequest) -> Fault | Answer | None:
        """Record a request. Return the fault planned for it, if any."""
        with self._lock:
            self._requests.append(request)
            planned = next((planned for planned in self._faults if planned.times > 0 and planned.applies(request)), None)
            if planned:
                planned.times -= 1
            return planned.fault if planned else None
