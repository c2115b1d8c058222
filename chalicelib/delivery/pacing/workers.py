"""Runs work beside the thread that hands out slots: at most so many at a time, in place if it is one."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import NamedTuple, Self

from ...domain.delivery import Delivery, State
from ...domain.people import Channel
from ...platform import log

MAX_FAILURES = 100  # kept; all are logged

Work = Callable[[], list[Delivery]]


class Advanced(NamedTuple):
    """A transition that a sweep made. Not the delivery: a sweep makes thousands, and its memory must not grow with them."""

    channel: Channel
    state: State


class Workers:
    """A bounded pool. Collects the results and the errors; one failure does not affect the others."""

    def __init__(self, concurrency: int) -> None:
        self.results: list[Advanced] = []
        self.failures: list[Exception] = []
        self._concurrency = concurrency
        self._pool: ThreadPoolExecutor | None = None
        self._running: set[Future[None]] = set()

    def submit(self, work: Work, log_ids: Mapping[str, str]) -> None:
        """Run some work; with one worker, before this returns. `log_ids` are those of its row, for the log of a failure."""
        if self._concurrency < 2:
            self._run(work, log_ids)
            return
        self._pool = self._pool or ThreadPoolExecutor(max_workers=self._concurrency)
        self._running.add(self._pool.submit(self._run, work, log_ids))

    def wait_for_one(self) -> None:
        """Wait until a worker is free."""
        while len(self._running) >= self._concurrency:
            self._running = wait(self._running, return_when=FIRST_COMPLETED).not_done

    def finish(self) -> bool:
        """Wait until all work is done; returns whether there was any."""
        running, self._running = self._running, set()
        wait(running)
        return bool(running)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool:
            self._pool.shutdown()

    def _run(self, work: Work, log_ids: Mapping[str, str]) -> None:
        try:
            self.results += [Advanced(delivery.channel, delivery.state) for delivery in work()]
        except Exception as error:  # noqa: BLE001  the other rows must still be sent
            log.warning("failed", error=type(error).__name__, detail=str(error), **log_ids)
            if len(self.failures) < MAX_FAILURES:
                self.failures.append(error)
