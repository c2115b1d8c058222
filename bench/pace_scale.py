"""Measures one sweep over 2,500 and 25,000 due rows in memory: CPU per row and peak memory must not grow.

Part of `make bench-pace`. Each size runs in a process of its own, several times: `.venv/bin/python -m bench.pace_scale 2000`.
"""

import json
import logging
import subprocess
import sys
import tracemalloc
from datetime import timedelta
from time import process_time

from bench.report import Target
from chalicelib.delivery.sweep import EVERYTHING
from chalicelib.domain.delivery import Reason
from chalicelib.domain.people import Channel
from chalicelib.policy.controls import ChannelPace
from tests.support.builders import an_upload, some_settings
from tests.support.stages import Stage, memory_stage
from workbench.paths import PROJECT

SMALL, LARGE = 2_500, 25_000  # both are more than one sweep sends
ROUNDS = 3
RATE = 39.0  # one sweep's: no further ones are started


def targets() -> list[Target]:
    """Measure both sizes in turn; the best round of each counts."""
    rounds = [(_run(SMALL), _run(LARGE)) for _ in range(ROUNDS)]
    small, large = zip(*rounds, strict=True)
    figures = {"CPU per row": "cpu_us", "peak memory": "mb"}
    best = {title: [min(result[key] for result in size) for size in (large, small)] for title, key in figures.items()}
    sizes = f"of a sweep, {LARGE:,} / {SMALL:,} due rows"
    return [Target(f"{title} {sizes}", above / below, 1.2) for title, (above, below) in best.items()]


def _run(rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.pace_scale", str(rows)]
    result: dict[str, float] = json.loads(subprocess.run(command, cwd=PROJECT, check=True, capture_output=True).stdout)  # noqa: S603
    return result


def backlog(rows: int) -> Stage:
    """A stage with so many mails due."""
    one_mail = {'notify = ["email:asha", "sms:asha"]': 'notify = ["email:asha"]', "[people.asha]": "[people.asha]\nbudget = []"}
    stage = memory_stage(some_settings(**one_mail))
    stage.deliverer.control.record_pace(Channel.EMAIL, ChannelPace(RATE, RATE, stage.now))
    for number in range(rows):
        stage.bot.intake.hold(an_upload(f"in/{number:06}.txt", sequencer=f"{number:06}"), Reason.WAITING)
    return stage


def main(rows: int) -> None:
    """Print the CPU per sent row of one sweep in microseconds, and the peak of what another one allocates in MB."""
    logging.getLogger("chalicelib").setLevel(logging.CRITICAL)
    stage, started = backlog(rows), process_time()
    sent = sweep(stage)
    cpu = process_time() - started
    stage = backlog(rows)
    tracemalloc.start()
    sweep(stage)
    _, peak = tracemalloc.get_traced_memory()
    print(json.dumps({"rows": rows, "sent": sent, "cpu_us": 1e6 * cpu / sent, "mb": peak / 2**20}))  # noqa: T201


def sweep(stage: Stage) -> int:
    """Sweep once; returns how many mails were sent."""
    return len(stage.bot._sweeper.sweep(lambda: timedelta(seconds=90), EVERYTHING))


if __name__ == "__main__":
    main(int(sys.argv[1]))
