"""A proxy between a client and an HTTP service on this machine: records what passes, and makes trouble where it is told to.

    with Proxy(ministack.endpoint) as proxy:
        client = local_client(proxy.url, "dynamodb")
        proxy.fail_next(Fault.RESET_AFTER, operation="PutItem")

It goes where AWS_ENDPOINT_URL_<SERVICE> points. How requests and answers pass is in proxy_server.py.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .server import Answer, Fault, ProxyServer, Seen

__all__ = ["Answer", "Fault", "Proxy", "Seen"]


@dataclass(slots=True)
class _Plan:
    trouble: Fault | Answer
    when: Callable[[Seen], bool]
    times: float


class Proxy:
    """One proxy, running while the block does."""

    def __init__(self, target: str, port: int = 0) -> None:
        """`target` is the service's base URL; port 0 is any free one."""
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._lock = threading.RLock()  # a condition may look at what came
        self._plans: list[_Plan] = []
        self._seen: list[Seen] = []
        self._server: ProxyServer | None = None
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
        """Stop it; who waits for an answer gets none, and no thread or socket is left."""
        self.down()

    def up(self) -> None:
        """Take connections (again)."""
        self._server = ProxyServer(self._port, self._target, self._meet)
        self._port = self._server.server_port

    def down(self) -> None:
        """Break the connections there are, and refuse new ones until it is up again."""
        server, self._server = self._server, None
        if server:
            server.end()

    def fail_next(self, trouble: Fault | Answer, *, operation: str = "", times: int = 1) -> None:
        """Make trouble for the next `times` requests; only for those of that operation, where one is named."""
        self._plan(_Plan(trouble, lambda seen: operation in ("", seen.operation), times))

    def fail_while(self, when: Callable[[Seen], bool], trouble: Fault | Answer) -> None:
        """Make trouble for every request for which `when` is true, asked anew each time."""
        self._plan(_Plan(trouble, when, float("inf")))

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

    def _plan(self, plan: _Plan) -> None:
        with self._lock:
            self._plans.append(plan)

    def _meet(self, seen: Seen) -> Fault | Answer | None:
        """Note a request, and take the trouble that waits for it."""
        with self._lock:
            self._seen.append(seen)
            plan = next((plan for plan in self._plans if plan.times > 0 and plan.when(seen)), None)
            if plan:
                plan.times -= 1
            return plan.trouble if plan else None
