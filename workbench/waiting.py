"""Waits for another process by polling."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], within_s: float, pause_s: float = 0.02) -> bool:
    """Poll until the condition is true; return whether it was in time. It is checked at least once."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
