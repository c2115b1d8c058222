"""DynamoDB refuses for some minutes while uploads arrive; Lambda's retries and the dead-event queue bring them back.

    .venv/bin/python -m bench.outage                a minute: Lambda's own retries are enough
    .venv/bin/python -m bench.outage --minutes 5    past the last retry: events come back from the dead-event queue

Retries come after one and two minutes, as on AWS.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import click

from bench.stand import dead_events, evaluate, make_world, quiet, sweeping, upload
from workbench.local.ministack import free_port
from workbench.local.proxy.proxy import Proxy
from workbench.output import err, table, working
from workbench.waiting import wait_until

QUIET_S = 900.0
COLUMNS = ("uploads", "minutes", "dead events", "lost", "SMS twice", "mail twice", "unsettled", "seconds until quiet")


@click.command()
@click.option("--uploads", default=200, show_default=True, type=click.IntRange(1, 1_000))
@click.option("--minutes", default=1.0, show_default=True, type=click.FloatRange(0.1, 10))
def main(uploads: int, minutes: float) -> None:
    """Count what an outage of the ledger costs."""
    port, proxy_port = free_port(), free_port()
    environment = {"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{proxy_port}"}
    with (
        TemporaryDirectory(prefix="dropnote-outage-") as folder,
        Proxy(f"http://127.0.0.1:{port}", proxy_port) as proxy,
        working("starting the local world") as step,
        make_world(Path(folder), environment, {}, port) as world,
    ):
        step(f"DynamoDB refuses for {minutes:g} min while {uploads} files are uploaded")
        proxy.down()
        back_at = monotonic() + 60 * minutes
        for number in range(uploads):
            upload(world, number)
            sleep(max(0.0, (back_at - monotonic()) / (uploads - number)))
        dead = dead_events(world)
        proxy.up()
        step("DynamoDB is back: waiting until all is quiet")
        started = monotonic()
        with sweeping(world, every_s=10):
            wait_until(lambda: len(world.twilio.messages()) >= uploads and quiet(world), QUIET_S, pause_s=2.0)
        took = monotonic() - started
        count = evaluate(world, uploads)
    row = (uploads, minutes, dead, count.lost, count.texts_twice, count.mails_twice, count.unsettled, round(took))
    table(COLUMNS, [[f"{value:g}" for value in row]])
    for example in count.examples[:10]:
        err.print(example)
    if not count.kept:
        sys.exit(1)


if __name__ == "__main__":
    main()
