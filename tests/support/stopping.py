"""Code that stops in the middle: invocations that a test continues step by step, and ends at any of them."""

from collections.abc import Callable
from datetime import datetime
from threading import Event as Signal
from threading import Thread
from typing import Any

from tests.support.providers import Died

TIMEOUT_S = 60  # Lambda ends an invocation after it; leases are twice as long


class Invocation:
    """One invocation in a thread of its own. It stops before and after each call, and goes on when it is its turn."""

    def __init__(self, run: Callable[["Invocation"], object], dies_at: int) -> None:
        self.completed = False
        self.ended = False
        self._dies_at = dies_at  # at which stop; 0: it does not die
        self._stops = 0
        self._turn, self._stopped = Signal(), Signal()
        self._problem: BaseException | None = None
        self._thread = Thread(target=self._main, args=(run,), daemon=True)
        self._thread.start()
        self._wait_until_stopped()

    def step(self) -> None:
        """Let it go on until it has made its next call."""
        self._stopped.clear()
        self._turn.set()
        self._wait_until_stopped()

    def die(self) -> None:
        """End it at its next stop, as Lambda ends an invocation that takes too long."""
        self._dies_at = self._stops
        while not self.ended:
            self.step()

    def call(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self._stop()
        result = call(*arguments, **named)
        self._stop()
        return result

    def _stop(self) -> None:
        self._stops += 1
        self._stopped.set()
        self._turn.wait()
        self._turn.clear()
        if 0 < self._dies_at <= self._stops:
            raise Died

    def _wait_until_stopped(self) -> None:
        assert self._stopped.wait(timeout=10), "an invocation hangs"
        if self.ended and self._problem:
            raise self._problem

    def _main(self, run: Callable[["Invocation"], object]) -> None:
        try:
            run(self)
            self.completed = True
        except Died:
            pass
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            self._problem = error
        finally:
            self.ended = True
            self._stopped.set()


class Stopping:
    """A ledger, a store or a provider: the invocation stops at each of `calls`."""

    def __init__(self, part: Any, calls: tuple[str, ...], invocation: Invocation) -> None:
        self._part, self._calls, self._invocation = part, calls, invocation

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._part, name)
        if name not in self._calls:
            return call
        return lambda *arguments, **named: self._invocation.call(call, *arguments, **named)


class StoppingTexts(Stopping):
    """Defines `find`, so that it counts as a transport whose provider has a list."""

    def find(self, *, to: str, since: datetime) -> Any:
        return self._invocation.call(self._part.find, to=to, since=since)

    def send(self, message: Any, *, to: str, delivery_id: str) -> Any:
        return self._invocation.call(self._part.send, message, to=to, delivery_id=delivery_id)
