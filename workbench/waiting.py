"""Waiting for another process: look, and look again."""

import time
from collections.abc import Callable


def wait_until(true: Callable[[], object], within_s: float, pause_s: float = 0.02) -> bool:
    """Does it become true in time? It is looked at once at least."""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(pause_s)
    return True
