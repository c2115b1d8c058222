"""Virtual time: processes that wait run one at a time, in the order of their times. A run takes only as long as its work."""

from collections.abc import Callable
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from threading import Semaphore as Signal
from threading import Thread, local


class VirtualTime:
    """A clock, and the processes that wait for it."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self._waiting: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = count()
        self._current = local()  # the signal that resumes the process of this thread
        self._paused = Signal(0)

    def clock(self) -> datetime:
        """The virtual time."""
        return self.now

    def at(self, moment: datetime, work: Callable[[], object]) -> None:
        """Do some work at a time. It must not pause."""

        def run() -> None:
            work()

        heappush(self._waiting, (moment, next(self._order), run))

    def start(self, moment: datetime, process: Callable[[], object]) -> None:
        """Start a process at a time. It may pause."""

        def run() -> None:
            self._current.signal = Signal(0)
            try:
                process()
            finally:
                self._paused.release()

        def resume() -> None:
            Thread(target=run, daemon=True).start()
            self._paused.acquire()

        heappush(self._waiting, (moment, next(self._order), resume))

    def pause(self, seconds: float) -> None:
        """Let a process wait while others run."""
        signal: Signal = self._current.signal

        def resume() -> None:
            signal.release()
            self._paused.acquire()

        heappush(self._waiting, (self.now + timedelta(seconds=seconds), next(self._order), resume))
        self._paused.release()
        signal.acquire()

    def run(self, is_over: Callable[[], bool]) -> None:
        """Run until nothing waits, or a condition holds."""
        while self._waiting and not is_over():
            moment, _, resume = heappop(self._waiting)
            self.now = max(self.now, moment)
            resume()
