"""A storm of uploads: 1,000, 10,000 and 100,000 of them within a minute, told as one; what it costs must not grow with them.

    make bench-storm                                    ten minutes
    make bench-storm STORM="--uploads 1000 --uploads 10000"
    make bench-storm STORM=--write                      also into bench/RESULTS.md

One upload in five is told to us twice, and of those one in ten only when the summary is out; all of it in whatever order, taken
by eight containers at once, against MiniStack's DynamoDB. Each person must hear of the first upload and of all the others, once
by each channel. Each storm has a process and a MiniStack of its own, so that what they take can be compared.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.progress import Progress

from bench.report import TARGET_COLUMNS, Target, target_rows
from bench.storming import AGAIN, CONTAINERS, LATE, STAGES, Measured
from bench.written import RESULTS, STORM_BEGIN, STORM_END, machine, markdown, put_between
from chalicelib.platform.clock import utc_now
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.output import as_json, err, fail, say, table
from workbench.paths import PROJECT

SIZES = (1_000, 10_000, 100_000)
READERS = ("asha email", "asha sms", "ben email")
COLUMNS = (
    "uploads",
    "events",
    "messages a person",
    "summary tells",
    "write units an event",
    "read units an event",
    "CPU ms an event",
    "times a bare put's",
    "flush s",
    "its CPU µs an upload",
    "MB before",
    "peak MB",
    "seconds",
)
Figure = Callable[[Measured], float]


def run(uploads: int, seed: int, on_done: Callable[[int], object]) -> Measured:
    """One storm in a world of its own.

    Raises:
        RuntimeError: it ended before it was over.
    """
    with MiniStack() as ministack:
        for stage in STAGES:
            apply_stack(ministack, PROJECT / "resources.yaml", stage)
        command = [sys.executable, "-m", "bench.storming", ministack.endpoint, str(uploads), str(seed)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT, text=True) as process:  # noqa: S603
            last: dict[str, Any] = {}
            for line in process.stdout or ():
                last = json.loads(line)
                if "done" in last:
                    on_done(last["done"])
    if "uploads" not in last:
        raise RuntimeError(f"the storm of {uploads:,} uploads ended with exit code {process.returncode}")
    return Measured(**last)


def wrong(found: Measured) -> list[str]:
    """What people were told that is not so, in words; [] where each heard of every upload once by each channel."""
    expected = [1, found.uploads - 1]
    return [
        f"{found.uploads:,} uploads: {reader} heard of {found.told.get(reader, [])}, not {expected}"
        for reader in READERS
        if found.told.get(reader) != expected
    ]


def write_units(found: Measured) -> float:
    """Write units an event, with all that came of it and an hour of sweeps."""
    return sum(float(each["writes"]) for each in found.units.values()) / found.received


def read_units(found: Measured) -> float:
    """Read units an event. The hour of sweeps after it is not in it: it costs the same whatever came."""
    return sum(float(each["reads"]) for what, each in found.units.items() if what != "sweeps") / found.received


def cpu(found: Measured) -> float:
    """CPU an event, times that of a bare put made at the same time."""
    return found.cpu_ms / found.bare_ms


def flush_cpu(found: Measured) -> float:
    """Microseconds an upload."""
    return found.flush_cpu_ms * 1e3 / found.uploads


def targets(results: Sequence[Measured]) -> list[Target]:
    """What was promised: the figures of the largest storm are those of the smallest, or better."""
    first, *others = sorted(results, key=lambda each: each.uploads)
    promised = [Target("write units an event, the most", max(map(write_units, results)), 1.2)]
    if not others:
        return promised
    figures: dict[str, Figure] = {
        "write units an event": write_units,
        "read units an event": read_units,
        "CPU an event, in bare puts": cpu,
        "CPU of the flush, an upload": flush_cpu,
        "peak memory": lambda each: each.peak_mb,
    }
    many, few = f"{others[-1].uploads:,} uploads", f"{first.uploads:,}"
    compared = [
        Target(f"{name}, {many}, times {few}'s", figure(others[-1]) / figure(first), 1.10) for name, figure in figures.items()
    ]
    return promised + compared


def rows(results: Sequence[Measured]) -> list[list[str]]:
    """The large table, a storm a row, each figure with how many times the first storm's it is."""
    return [_row(each, results[0]) for each in results]


def _row(found: Measured, first: Measured) -> list[str]:
    def against(figure: Figure, digits: int) -> str:
        ratio = "" if found is first else f" ({figure(found) / figure(first):.2f})"
        return f"{figure(found):.{digits}f}{ratio}"

    messages = sorted({len(each) for each in found.told.values()})
    tells = sorted({each[-1] for each in found.told.values()})
    return [
        f"{found.uploads:,}",
        f"{found.received:,}",
        ", ".join(map(str, messages)),
        ", ".join(f"{each:,}" for each in tells),
        against(write_units, 3),
        against(read_units, 3),
        f"{found.cpu_ms:.2f}",
        against(cpu, 2),
        f"{found.flush_s:.1f}",
        against(flush_cpu, 0),
        f"{found.before_mb:.1f}",
        against(lambda each: each.peak_mb, 1),
        f"{found.seconds:.0f}",
    ]


def notes(results: Sequence[Measured]) -> str:
    """What the table does not say."""
    last = results[-1]
    taking, sweeps = last.units["taking"], last.units["sweeps"]
    events = sum(taking["calls"].values())
    return (
        "CPU is the bot's alone. In brackets: times the first row's. Writes are counted with an hour of sweeps, reads without: "
        f"it costs {sweeps['writes']:g} write and {sweeps['reads']:g} read units whatever came, and {last.sweep_cpu_ms:.1f} ms "
        f"of CPU a sweep. Of {last.uploads:,} uploads, {taking['refused']:,} came again before the summary and cost a refused "
        "write each, counted here by the larger of the two rows, as its error does not say. All in all, taking them in was "
        f"{events:,} calls to the table, and a row has {last.row_bytes:.0f} bytes. MiniStack tells one read unit for any "
        "query: what the flush reads is worked out from the rows it looked at and their size. The seconds of the flush are "
        "MiniStack's, which goes through a whole partition for each page of it."
    )


def section(results: Sequence[Measured], found: Sequence[Target], seed: int) -> str:
    """What bench/RESULTS.md says of it."""
    return "\n\n".join(
        [
            "## A storm of uploads, told as one",
            f"Written by `make bench-storm STORM=--write` on {utc_now():%Y-%m-%d}, seed {seed}: uploads within a minute for a "
            'rule with `then = "10m"` that tells two people by mail and one by text. One in '
            f"{AGAIN} is told to the bot twice, of those one in {LATE} when the summary is out. {CONTAINERS} containers in one "
            f"process. {machine()}.",
            markdown(COLUMNS, rows(results)),
            notes(results),
            markdown(TARGET_COLUMNS, target_rows(found)),
        ]
    )


@click.command()
@click.option("--uploads", "sizes", multiple=True, type=click.IntRange(10, 1_000_000), default=SIZES, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--write", is_flag=True, help="Write the storm's section of bench/RESULTS.md.")
@click.option("--json", "json_", is_flag=True)
def main(sizes: tuple[int, ...], seed: int, write: bool, json_: bool) -> None:
    """Let storms of uploads come, and see that they are told as one and cost no more for being large."""
    results = []
    with Progress(console=err, disable=not err.is_terminal, transient=True) as progress:
        for uploads in sizes:
            task = progress.add_task(f"{uploads:,} uploads", total=uploads + uploads // AGAIN)
            results.append(run(uploads, seed, lambda done, task=task: progress.update(task, completed=done)))  # type: ignore[misc]
            progress.update(task, completed=uploads + uploads // AGAIN)
    found = targets(results)
    if json_:
        as_json([vars(each) for each in results])
    else:
        table(COLUMNS, rows(results))
        say("")
        table(TARGET_COLUMNS, target_rows(found))
        say(f"\n{notes(results)}")
    if write:
        RESULTS.write_text(put_between(RESULTS.read_text(), section(results, found, seed), STORM_BEGIN, STORM_END))
    if untrue := [sentence for each in results for sentence in wrong(each)]:
        fail("\n".join(untrue))
    if not all(target.holds for target in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
