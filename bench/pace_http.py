"""Uploads to the deployed bot over HTTP, while SES accepts 14 mails per second: MiniStack's SES behind a proxy that throttles.

    make bench-pace PACE=--http
    .venv/bin/python -m bench.pace_http --uploads 1000

The local environment runs the sweep's schedule. All mails must be sent, once, within 1.2 times the provider's floor.
"""

import logging
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, time

import click

from bench.harness import make_environment, upload
from bench.report import TARGET_COLUMNS, Target, target_rows
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.policy.controls import ChannelPace
from chalicelib.policy.pacing.pacer import HEADROOM
from chalicelib.store.control import Control, TableStore
from workbench.local.environment import LocalEnvironment
from workbench.local.mailbox import Mailbox
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, RecordedRequest
from workbench.output import print_table, progress, say
from workbench.ports import free_port
from workbench.waiting import wait_until

RATE = 14
COLUMNS = ("uploads", "mails", "duplicates", "seconds", "floor", "ratio", "throttled", "% of sends")
THROTTLED = Answer(429, b'{"message": "Maximum sending rate exceeded."}', (("x-amzn-ErrorType", "TooManyRequestsException"),))
BOTH, MAIL = 'notify = ["email:asha", "sms:asha"]', 'notify = ["email:asha"]'


class Limit:
    """Counts the mails of each second, as SES does."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.throttled = 0
        self.last_accepted = 0.0
        self._second, self._count = 0, 0
        self._lock = threading.Lock()

    def is_exceeded(self, request: RecordedRequest) -> bool:
        """Whether a request is throttled."""
        if "outbound-emails" not in request.path:
            return False
        with self._lock:
            now = time()
            if int(now) != self._second:
                self._second, self._count = int(now), 0
            self._count += 1
            if self._count > self.rate:
                self.throttled += 1
                return True
            self.last_accepted = now
            return False


def mails_only(environment: LocalEnvironment, folder: str) -> LocalEnvironment:
    """Send no texts."""
    settings = Path(folder) / "project" / "chalicelib" / "dropnote.toml"
    settings.write_text(settings.read_text().replace(BOTH, MAIL))
    return environment


@click.command()
@click.option("--uploads", default=1_000, show_default=True, type=click.IntRange(10, 10_000))
@click.option("--minutes", default=8.0, show_default=True, help="Stop after this time")
def main(uploads: int, minutes: float) -> None:
    """Measure how fast the deployed bot sends a backlog to an SES that throttles"""
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)
    port, limit = free_port(), Limit(RATE)
    with (
        TemporaryDirectory(prefix="dropnote-pace-") as folder,
        Proxy(f"http://127.0.0.1:{port}") as proxy,
        progress("Starting the local environment") as step,
        mails_only(make_environment(Path(folder), {"AWS_ENDPOINT_URL_SESV2": proxy.url}, {}, port), folder) as environment,
    ):
        proxy.fail_while(limit.is_exceeded, THROTTLED)
        table = TableStore(environment.ministack.client("dynamodb"), environment.running.ledger)
        Control(table, utc_now).record_pace(Channel.EMAIL, ChannelPace(RATE, RATE * HEADROOM, utc_now()))
        step(f"{uploads:,} files are uploaded; SES accepts {RATE} mails per second")
        started, started_at = monotonic(), time()
        for number in range(uploads):
            upload(environment, number)
        step(f"waiting until all mails are sent; the uploads took {time() - started_at:.0f} s")
        wait_until(lambda: len(_subjects(environment)) >= uploads, 60 * minutes - (monotonic() - started), pause_s=2.0)
        subjects = _subjects(environment)
    sent, seconds, floor = len(set(subjects)), limit.last_accepted - started_at, uploads / RATE
    wasted = 100 * limit.throttled / max(1, len(subjects))
    row = (uploads, sent, len(subjects) - sent, round(seconds), round(floor), seconds / floor, limit.throttled, wasted)
    print_table(COLUMNS, [[f"{value:,.4g}" for value in row]])
    targets = [
        Target("unsent mails", uploads - sent, 0),
        Target("seconds / floor", seconds / floor, 1.2),
        Target("throttled requests, % of sends", wasted, 5),
    ]
    say("")
    print_table(TARGET_COLUMNS, target_rows(targets))
    if not all(target.met for target in targets):
        sys.exit(1)


def _subjects(environment: LocalEnvironment) -> list[str]:
    """The subjects of all mails to the person."""
    return [mail.subject for mail in Mailbox(environment.ministack.endpoint).read().mails if "asha@example.com" in mail.to]


if __name__ == "__main__":
    main()
