"""Decides how many sweeps share the work."""

from collections.abc import Iterable
from datetime import datetime
from math import ceil

from .readers import Lane

SWEEP_RATE = 40.0  # messages per second that one sweep can send: eight at a time, 0.2 s each
WORTH = 2 * SWEEP_RATE  # rows due that are worth starting a further sweep


def parts_for(lanes: Iterable[Lane], shards: tuple[int, ...], sweepers: int, now: datetime) -> list[tuple[int, ...]]:
    """Return the shards of each sweep; this one's first. One sweep unless it is too slow for the allowed rate and the rows."""
    rates = [lane.pacer.rate(now) for lane in lanes if sum(len(reader.rows) for reader in lane.readers) >= WORTH]
    needed = max(1, ceil(sum(rates) / SWEEP_RATE))
    even = [count for count in range(needed, len(shards) + 1) if len(shards) % count == 0]  # equal parts finish together
    count = max(1, min(sweepers, len(shards), *even[:1]))
    return [shards[number::count] for number in range(count)]
