"""The crash test: runs the deployed app locally, kills its processes at random moments, and counts every message.

    make chaos                                            2,000 uploads, 200 kills, three seeds
    .venv/bin/python -m bench.chaos --uploads 100 --kills 20
    .venv/bin/python -m bench.chaos --uploads 500 --kills 50 --bundled    the defaults for bundling too: summaries

S3 and EventBridge both report each upload, so each event is delivered twice. Lambda's retries, the dead-letter queue and the
sweep have to recover from the kills. Messages are counted at the providers, in the Twilio double's and SES's own records.
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

from bench.harness import (
    Count,
    count_bundled_messages,
    count_messages,
    is_idle,
    make_environment,
    sweeping,
    upload,
    wait_for_capacity,
)
from workbench.local.environment import LocalEnvironment
from workbench.output import err, print_json, print_table
from workbench.waiting import wait_until

# Leases and retries in seconds: everything that waits for an expired lease becomes faster with them.
VARIABLES = {"DROPNOTE_LEASE_SECONDS": "8"}
MINISTACK = {"LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1", "LAMBDA_ASYNC_RETRY_MAX_SECONDS": "2"}
BUNDLED = {"DROPNOTE_LEASE_SECONDS": "30"}  # half of it is the longest write that a summary still counts
PAUSE_S = 0.1
IDLE_S = 900.0
COLUMNS = ("seed", "uploads", "kills", "lost", "SMS twice", "mail twice", "unknown resolved", "unsettled", "seconds")


def run(uploads: int, kills: int, seed: int, bundled: bool, on_progress: Callable[[int], object]) -> Count:
    """Run once, in a new environment."""
    dice, killed, variables = random.Random(seed), 0, BUNDLED if bundled else VARIABLES
    with (
        TemporaryDirectory(prefix="dropnote-chaos-") as folder,
        make_environment(Path(folder), variables, MINISTACK, bundled=bundled) as environment,
    ):
        with sweeping(environment, every_s=0.5):
            for number in range(uploads):
                if bundled:  # no message is sent for a while, so there is nothing to wait for
                    sleep(PAUSE_S)
                else:
                    wait_for_capacity(environment, number)
                upload(environment, number)
                while killed < kills * (number + 1) // uploads:
                    sleep(dice.uniform(0, 0.1))
                    killed += _kill_one(environment, dice)
                on_progress(number + 1)
            wait_until(lambda: is_idle(environment), IDLE_S, pause_s=1.0)
        return count_bundled_messages(environment, uploads) if bundled else count_messages(environment, uploads)


def _kill_one(environment: LocalEnvironment, dice: random.Random) -> bool:
    """SIGKILL a random process that runs functions. False if it had just ended."""
    workers = psutil.Process(environment.ministack.pid).children()
    try:
        dice.choice(sorted(workers, key=lambda process: process.pid)).kill()
    except (psutil.NoSuchProcess, IndexError):
        return False
    return True


@click.command()
@click.option("--uploads", default=2_000, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--kills", default=200, show_default=True, type=click.IntRange(0, 1_000))
@click.option("--seed", "seeds", multiple=True, type=int, default=[1], show_default=True)
@click.option("--bundled", is_flag=True, help="Leave bundling and budgets as they are by default")
@click.option("--json", "json_", is_flag=True)
def main(uploads: int, kills: int, seeds: tuple[int, ...], bundled: bool, json_: bool) -> None:
    """Kill the bot at random moments, and count lost and duplicate messages"""
    results = []
    for seed in seeds:
        started = monotonic()
        with Progress(console=err, disable=not err.is_terminal) as progress:
            task = progress.add_task(f"seed {seed}", total=uploads)
            count = run(
                uploads,
                kills,
                seed,
                bundled,
                lambda completed, task=task: progress.update(task, completed=completed),  # type: ignore[misc]
            )
        results.append({"seed": seed, "uploads": uploads, "kills": kills, **vars(count), "seconds": round(monotonic() - started)})
        for example in results[-1]["examples"][:10]:
            err.print(f"seed {seed}: {example}")
    if json_:
        print_json(results)
    else:
        rows = [[str(value) for name, value in result.items() if name != "examples"] for result in results]
        print_table(COLUMNS, rows)
    if any(result["lost"] or result["texts_twice"] or result["unsettled"] for result in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
