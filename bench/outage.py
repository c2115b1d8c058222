"""The outage test: DynamoDB rejects connections for some minutes while uploads arrive; no message may be lost.

    .venv/bin/python -m bench.outage                one minute: Lambda's own retries are enough
    .venv/bin/python -m bench.outage --minutes 5    beyond the last retry: events come back from the dead-letter queue

Retries follow after one and two minutes, as on AWS.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import click

from bench.harness import count_messages, dead_letter_count, is_idle, make_environment, sweeping, upload
from workbench.local.proxy.proxy import Proxy
from workbench.output import err, print_table, progress
from workbench.ports import free_port
from workbench.waiting import wait_until

IDLE_S = 900.0
COLUMNS = ("uploads", "minutes", "dead-lettered", "lost", "SMS twice", "mail twice", "unsettled", "seconds until idle")


@click.command()
@click.option("--uploads", default=200, show_default=True, type=click.IntRange(1, 1_000))
@click.option("--minutes", default=1.0, show_default=True, type=click.FloatRange(0.1, 10))
def main(uploads: int, minutes: float) -> None:
    """Count the messages after an outage of the ledger"""
    port, proxy_port = free_port(), free_port()
    variables = {"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{proxy_port}"}
    with (
        TemporaryDirectory(prefix="dropnote-outage-") as folder,
        Proxy(f"http://127.0.0.1:{port}", proxy_port) as proxy,
        progress("Starting the local environment") as step,
        make_environment(Path(folder), variables, {}, port) as environment,
    ):
        step(f"DynamoDB is down for {minutes:g} min while {uploads} files are uploaded")
        proxy.down()
        ends_at = monotonic() + 60 * minutes
        for number in range(uploads):
            upload(environment, number)
            sleep(max(0.0, (ends_at - monotonic()) / (uploads - number)))
        dead_letters = dead_letter_count(environment)
        proxy.up()
        step("DynamoDB is up again: waiting until the bot is idle")
        started = monotonic()
        with sweeping(environment, every_s=10):
            wait_until(lambda: not count_messages(environment, uploads).lost and is_idle(environment), IDLE_S, pause_s=2.0)
        seconds = monotonic() - started
        count = count_messages(environment, uploads)
    row = (uploads, minutes, dead_letters, count.lost, count.texts_twice, count.mails_twice, count.unsettled, round(seconds))
    print_table(COLUMNS, [[f"{value:g}" for value in row]])
    for example in count.examples[:10]:
        err.print(example)
    if not count.ok:
        sys.exit(1)


if __name__ == "__main__":
    main()
