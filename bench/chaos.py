"""The crash test: the deployed app in the local world, its processes killed at random moments, every message counted.

    make chaos                                            2,000 uploads, 200 kills, three seeds
    .venv/bin/python -m bench.chaos --uploads 100 --kills 20
    .venv/bin/python -m bench.chaos --uploads 500 --kills 50 --bundled

Uploads come directly and by EventBridge, so each is told twice. Lambda's retries, the dead-event queue and the sweep have to
bring back what the kills cost. It is counted at the providers: the Twilio double's and SES's own records.
"""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

import click
import psutil
from rich.progress import Progress

from bench.stand import Count, evaluate, judge_bundles, make_world, quiet, sweeping, upload, wait_for_room
from workbench.local.environment import LocalEnvironment
from workbench.output import as_json, err, table
from workbench.waiting import wait_until

# Leases and retries in seconds: everything that waits for a lapsed lease shrinks with it.
ENVIRONMENT = {"DROPNOTE_LEASE_SECONDS": "8"}
MINISTACK = {"LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1", "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "2"}
BUNDLED = {"DROPNOTE_LEASE_SECONDS": "30"}  # half of it is how long a write may take that a summary counts on
PAUSE_S = 0.1
QUIET_S = 900.0
COLUMNS = ("seed", "uploads", "kills", "lost", "SMS twice", "mail twice", "unknown resolved", "unsettled", "seconds")


def run(uploads: int, kills: int, seed: int, bundled: bool, on_progress: Callable[[int], object]) -> Count:
    """One run in a world of its own."""
    dice, killed, environment = random.Random(seed), 0, BUNDLED if bundled else ENVIRONMENT
    alert_policy = 'then = "2m"\n' if bundled else ""
    with (
        TemporaryDirectory(prefix="dropnote-chaos-") as folder,
        make_world(Path(folder), environment, MINISTACK, alert_policy=alert_policy) as world,
    ):
        with sweeping(world, every_s=0.5):
            for number in range(uploads):
                if bundled:  # nobody hears of it for a while: a pace of its own
                    sleep(PAUSE_S)
                else:
                    wait_for_room(world, number)
                upload(world, number)
                while killed < kills * (number + 1) // uploads:
                    sleep(dice.uniform(0, 0.1))
                    killed += _kill_one(world, dice)
                on_progress(number + 1)
            wait_until(lambda: quiet(world), QUIET_S, pause_s=1.0)
        return judge_bundles(world, uploads) if bundled else evaluate(world, uploads)


def _kill_one(world: LocalEnvironment, dice: random.Random) -> bool:
    """SIGKILL one of the processes that run functions, any of them; False when it ended by itself just before."""
    workers = psutil.Process(world.ministack.pid).children()
    try:
        dice.choice(sorted(workers, key=lambda process: process.pid)).kill()
    except (psutil.NoSuchProcess, IndexError):
        return False
    return True


@click.command()
@click.option("--uploads", default=2_000, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--kills", default=200, show_default=True, type=click.IntRange(0, 1_000))
@click.option("--seed", "seeds", multiple=True, type=int, default=[1], show_default=True)
@click.option("--bundled", is_flag=True, help='With then = "2m" in the rule: the uploads are told as a few summaries.')
@click.option("--json", "json_", is_flag=True)
def main(uploads: int, kills: int, seeds: tuple[int, ...], bundled: bool, json_: bool) -> None:
    """Kill the bot at random moments, and count what was lost or said twice."""
    results = []
    for seed in seeds:
        started = monotonic()
        with Progress(console=err, disable=not err.is_terminal) as progress:
            task = progress.add_task(f"seed {seed}", total=uploads)
            count = run(uploads, kills, seed, bundled, lambda done, task=task: progress.update(task, completed=done))  # type: ignore[misc]
        results.append({"seed": seed, "uploads": uploads, "kills": kills, **vars(count), "seconds": round(monotonic() - started)})
        for example in results[-1]["examples"][:10]:
            err.print(f"seed {seed}: {example}")
    if json_:
        as_json(results)
    else:
        rows = [[str(value) for name, value in result.items() if name != "examples"] for result in results]
        table(COLUMNS, rows)
    if any(result["lost"] or result["texts_twice"] or result["unsettled"] for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
