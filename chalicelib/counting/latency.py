"""Latencies as a histogram with fixed logarithmic bounds, so that hours can be added up, and its percentiles. Pure.

Each class is 19 % wide (four per doubling), from a quarter of a second to 30 hours. A percentile is interpolated within its
class, so it is at most 19 % off, whatever the distribution.
"""

from collections.abc import Mapping
from datetime import timedelta
from math import floor, log2

FIRST_BOUND_S = 0.25
CLASSES_PER_DOUBLING = 4
LAST_CLASS = 76  # 30 hours and more


def latency_class(seconds: float) -> int:
    """The class of a latency: 0 is below a quarter of a second."""
    if seconds < FIRST_BOUND_S:
        return 0
    return min(floor(CLASSES_PER_DOUBLING * log2(seconds / FIRST_BOUND_S)) + 1, LAST_CLASS)


def lower_bound_s(number: int) -> float:
    """Where a class begins, in seconds."""
    return float(FIRST_BOUND_S * 2 ** ((number - 1) / CLASSES_PER_DOUBLING)) if number else 0.0


def percentile(classes: Mapping[int, int], share: float) -> timedelta | None:
    """The latency that a share of the messages did not exceed (0.95: the 95th percentile); None without messages.

    `classes` has the number of messages by class. Within a class, latencies are assumed to grow evenly, from its first message at
    the lower bound to its last one at the upper bound.
    """
    total = sum(classes.values())
    rank, below = share * total, 0
    for number in sorted(classes):
        messages = classes[number]
        if messages and below + messages >= rank:
            lower = lower_bound_s(number)
            upper = lower if number >= LAST_CLASS else lower_bound_s(number + 1)
            within = max(0.0, rank - below) / messages
            return timedelta(seconds=lower + (upper - lower) * within)
        below += messages
    return None
