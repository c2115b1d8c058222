"""Measures one sweep over 2,000 and 20,000 due rows in memory: CPU per row and peak memory must not grow.

Part of `make bench-pace`. Each size runs in a process of its own, several times: `.venv/bin/python -m bench.pace_scale 2000`.
"""

import json
import logging
import subprocess
import sys
from datetime import timedelta
from resource import RUSAGE_SELF, getrusage
from time import process_time

from bench.report import Target
from chalicelib.delivery.sweep import EVERYTHING
from chalicelib.domain.delivery import Reason
from chalicelib.domain.people import Channel
from chalicelib.policy.controls import ChannelPace
from tests.support.builders import an_upload, some_settings
from tests.support.stages import Stage, memory_stage
from workbench.paths import PROJECT

SMALL, LARGE = 2_000, 20_000
ROUNDS = 3
RATE = 39.0  # one sweep's: no further ones are started


def targets() -> list[Target]:
    """Measure both sizes in turn; the best round of each counts."""
    rounds = [(_run(SMALL), _run(LARGE)) for _ in range(ROUNDS)]
    small, large = zip(*rounds, strict=True)
    return [
        Target(
            f"{title} of a sweep, {LARGE:,} / {SMALL:,} due rows", min(r[key] for r in large) / min(r[key] for r in small), 1.2
        )
        for title, key in (("CPU per row", "cpu_us"), ("memory", "mb"))
    ]


def _run(rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.pace_scale", str(rows)]
    result: dict[str, float] = json.loads(subprocess.run(command, cwd=PROJECT, check=True, capture_output=True).stdout)  # noqa: S603
    return result


def backlog(rows: int) -> Stage:
    """A stage with so many mails due."""
    stage = memory_stage(some_settings(**{'notify = ["email:asha", "sms:asha"]': 'notify = ["email:asha"]'}))
    stage.deliverer.control.record_pace(Channel.EMAIL, ChannelPace(RATE, RATE, stage.now))
    for number in range(rows):
        stage.bot.intake.hold(an_upload(f"in/{number:06}.txt", sequencer=f"{number:06}"), Reason.WAITING)
    return stage


def main(rows: int) -> None:
    """Print the CPU per sent row in microseconds and the growth of the peak memory in MB, of one sweep."""
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)
    stage = backlog(rows)
    before, started = getrusage(RUSAGE_SELF).ru_maxrss, process_time()
    sent = stage.bot._sweeper.sweep(lambda: timedelta(seconds=90), EVERYTHING)
    cpu = process_time() - started
    grown = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"rows": rows, "sent": len(sent), "cpu_us": 1e6 * cpu / len(sent), "mb": grown}))  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]))
