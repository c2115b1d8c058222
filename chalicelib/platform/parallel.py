"""Runs a function over many items in parallel, with bounded concurrency; one failure does not affect the others."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from . import log

MAX_CONCURRENCY = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


def _no_ids(_: object) -> Mapping[str, str]:
    return {}


def map_isolated(
    work: Callable[[Item], list[Result]],
    items: Iterable[Item],
    max_concurrency: int = MAX_CONCURRENCY,
    log_ids: Callable[[Item], Mapping[str, str]] = _no_ids,
) -> tuple[list[Result], list[Exception]]:
    """Call `work` for every item, at most `max_concurrency` at a time. Return the results, in item order, and the errors.

    Errors are logged, each with the ids of its item.
    """
    pending = list(items)
    failures: list[Exception] = []

    def isolated(item: Item) -> list[Result]:
        try:
            return work(item)
        except Exception as error:  # noqa: BLE001  the other items must still run
            log.warning("failed", error=type(error).__name__, detail=str(error), **log_ids(item))
            failures.append(error)
            return []

    if len(pending) < 2 or max_concurrency < 2:  # no threads for one item, the usual case
        return [result for item in pending for result in isolated(item)], failures
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(max_concurrency, len(pending))) as pool:
        return [result for results in pool.map(isolated, pending) for result in results], failures
