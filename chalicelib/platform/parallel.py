"""Doing the same to many at once: bounded, and none of them able to stop another."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from . import log

MAX_CONCURRENCY = 8

Item = TypeVar("Item")
Done = TypeVar("Done")


def map_isolated(
    work: Callable[[Item], list[Done]], items: Iterable[Item], max_concurrency: int = MAX_CONCURRENCY
) -> tuple[list[Done], list[Exception]]:
    """Do `work` to every item, that many at once, in order of their coming. Gives what was done, and what went wrong."""
    todo = list(items)
    failures: list[Exception] = []

    def isolated(item: Item) -> list[Done]:
        try:
            return work(item)
        except Exception as error:  # noqa: BLE001  the others are innocent of it
            log.warning("failed", error=type(error).__name__, detail=str(error))
            failures.append(error)
            return []

    if len(todo) < 2 or max_concurrency < 2:  # no threads for one: it is the usual case
        return [done for item in todo for done in isolated(item)], failures
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(max_concurrency, len(todo))) as pool:
        found = pool.map(isolated, todo)
        return [done for some in found for done in some], failures
