"""Measures the console's pages over 100,000 deliveries, as `chalice local` serves them.

    make bench-console                         two minutes
    make bench-console CONSOLE=--write         also updates bench/RESULTS.md

The deliveries of one day are written to MiniStack, with the counts that they would have caused. Then each page is requested over
HTTP and the requests to AWS that it takes are counted. indexed_table.py answers the queries of the log's index.
"""

import gc
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from statistics import median
from typing import Any

import click
import requests
from msgspec.structs import replace

from bench.indexed_table import IndexedProxy
from bench.report import TARGET_COLUMNS, Target, target_rows
from bench.results_file import CONSOLE_BEGIN, CONSOLE_END, RESULTS, machine, markdown, put_between
from chalicelib.domain.delivery import Delivery, Reason, State, Step, delivery_id
from chalicelib.domain.event import identity_of
from chalicelib.domain.people import Channel
from chalicelib.store.rows import delivery_to_item
from tests.support.builders import an_upload
from tests.support.console import ConsoleApp, console_app
from tests.support.console_samples import sample_counts, sample_incident
from tests.support.stages import TABLE
from workbench.local.ministack import MiniStack, local_client
from workbench.output import fail, print_json, print_table, progress_bar, say

DELIVERIES, ROUNDS = 100_000, 20
MAX_MS, MAX_CALLS = 300, 20
COLUMNS = ("page", "median ms", "slowest ms", "AWS requests", "KB")
PAGES = {
    "dashboard": "console",
    "dashboard, 30 days": "console?period=30d",
    "log": "console/log",
    "log, one failed in 1,000": "console/log?state=failed",
    "delivery": "console/deliveries/{id}",
}


def deliveries(now: datetime, count: int) -> Iterator[Delivery]:
    """Deliveries of the last day, the newest first."""
    for number in range(count):
        at = now - timedelta(days=1) * number / count
        upload = an_upload(f"in/{number % 50}/{number}.pdf", sequencer=f"{number:08}")
        event = replace(upload, at=at, identity=identity_of(str(number)))
        failed = number % 1000 == 999
        state, reason = (State.FAILED, Reason.REFUSED) if failed else (State.SENT, Reason.ACCEPTED)
        yield Delivery(
            delivery_id(event, "uploads", "asha@example.com", Channel.EMAIL),
            event,
            "uploads",
            "asha",
            Channel.EMAIL,
            created_at=at,
            expires_at=at + timedelta(days=1),
            state=state,
            reason=reason,
            claim="bench",
            receipt=f"r{number}",
            steps=(Step(at + timedelta(seconds=1), state, reason),),
        )


def seed(site: ConsoleApp, proxy: IndexedProxy, count: int, on_batch: Callable[[str], object]) -> None:
    """Write the deliveries, 25 per request, and the counts of 30 days."""
    client = site.ministack.client("dynamodb")
    for batch in batched_rows(deliveries(site.stage.now, count)):
        items = [delivery_to_item(row) for row in batch]
        client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item}} for item in items]})
        proxy.add(items)
        on_batch("")
    proxy.sort()
    sample_counts(site, "30d")
    sample_incident(site)


def batched_rows(rows: Iterator[Delivery]) -> Iterator[tuple[Delivery, ...]]:
    """Batches of 25, the most that BatchWriteItem takes."""
    while batch := tuple(islice(rows, 25)):
        yield batch


def measure(site: ConsoleApp, proxy: IndexedProxy) -> list[dict[str, Any]]:
    """Request each page; the first request of each is not measured."""
    newest = next(deliveries(site.stage.now, 1)).id
    results = []
    gc.collect()
    gc.freeze()  # as a container does after its start: else collecting what the bench itself holds adds 50 to 90 ms to some pages
    with site.serve() as base, requests.Session() as session:
        link = site.link(base=base)
        session.post(f"{base}/sign-in", data={"token": link.partition("token=")[2]}, timeout=30)
        for name, path in PAGES.items():
            url, times, size = f"{base}/{path.format(id=newest)}", list[float](), 0
            session.get(url, timeout=30)
            before = len(proxy.requests())
            for _ in range(ROUNDS):
                start = time.perf_counter()
                response = session.get(url, timeout=30)
                times.append((time.perf_counter() - start) * 1000)
                size = len(response.content)
                if response.status_code != 200:
                    fail(f"{path} returned {response.status_code}")
            calls = (len(proxy.requests()) - before) / ROUNDS
            results.append({"page": name, "median": median(times), "slowest": max(times), "calls": calls, "kb": size / 1000})
    return results


def rows(results: list[dict[str, Any]]) -> list[list[str]]:
    """The table, one row per page."""
    return [
        [result["page"], f"{result['median']:.0f}", f"{result['slowest']:.0f}", f"{result['calls']:.1f}", f"{result['kb']:.0f}"]
        for result in results
    ]


def targets(results: list[dict[str, Any]]) -> list[Target]:
    """The dashboard's targets."""
    dashboards = [result for result in results if result["page"].startswith("dashboard")]
    return [
        Target("dashboard, ms", max(result["median"] for result in dashboards), MAX_MS),
        Target("dashboard, requests to AWS", max(result["calls"] for result in dashboards), MAX_CALLS),
    ]


@click.command()
@click.option("--deliveries", "count", default=DELIVERIES, show_default=True, help="How many deliveries the ledger has")
@click.option("--write", is_flag=True, help="Update the section in bench/RESULTS.md")
@click.option("--json", "json_", is_flag=True, help="Print one JSON document")
def main(count: int, write: bool, json_: bool) -> None:
    """Measure the console's pages over many deliveries"""
    with MiniStack() as ministack, IndexedProxy(ministack.endpoint) as proxy:
        site = console_app(ministack, clients=lambda service, **_: local_client(proxy.url, service))
        with progress_bar("Writing deliveries", (count + 24) // 25) as on_batch:
            seed(site, proxy, count, on_batch)
        results = measure(site, proxy)
    checked = targets(results)
    if json_:
        print_json(results)
    else:
        print_table(COLUMNS, rows(results))
        print_table(TARGET_COLUMNS, target_rows(checked))
    if write:
        text = f"## The console over {count:,} deliveries\n\nWritten by `make bench-console CONSOLE=--write`. {machine()}."
        text += f"\n\n{markdown(COLUMNS, rows(results))}\n\n{markdown(TARGET_COLUMNS, target_rows(checked))}"
        RESULTS.write_text(put_between(RESULTS.read_text(), text, CONSOLE_BEGIN, CONSOLE_END))
    if missed := [target for target in checked if not target.met]:
        fail(f"missed: {', '.join(target.title for target in missed)}")
    say("All targets met.")


if __name__ == "__main__":
    main()
