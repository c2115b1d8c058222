"""Measures bursts of 2,000, 10,000 and 100,000 uploads within a minute, sent as one summary. The cost per event must not grow.

    make bench-storm                                    ten minutes
    make bench-storm STORM="--uploads 1000 --uploads 10000"
    make bench-storm STORM=--write                      also updates bench/RESULTS.md

One upload in five is delivered twice, one in ten of those only after the summary was sent. Eight containers process the events in
random order against MiniStack's DynamoDB, with the settings as shipped. Each recipient must receive the first five uploads one by
one and a summary of all others, once per channel. Each burst has its own process and MiniStack, so that their measurements can be
compared.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.progress import Progress, TaskID

from bench.report import TARGET_COLUMNS, Target, target_rows
from bench.results_file import RESULTS, STORM_BEGIN, STORM_END, machine, markdown, put_between
from bench.storm_result import RECIPIENTS
from bench.storm_run import CONTAINERS, LATE, REDELIVERED, STAGES, Measurement
from chalicelib.domain.rule import DEFAULT_FIRST
from chalicelib.platform.clock import utc_now
from workbench.local.ministack import MiniStack
from workbench.local.resources import apply_stack
from workbench.output import err, fail, print_json, print_table, say
from workbench.paths import PROJECT

SIZES = (2_000, 10_000, 100_000)
COLUMNS = (
    "uploads",
    "events",
    "messages per person and channel",
    "above a budget",
    "calls per event",
    "write units per event",
    "read units per event",
    "CPU ms per event",
    "/ bare put",
    "flush s",
    "flush CPU µs per upload",
    "MB at start",
    "peak MB",
    "seconds",
)
Figure = Callable[[Measurement], float]


def run(uploads: int, seed: int, on_progress: Callable[[int], object], *, single: bool = False) -> Measurement:
    """Run one burst with its own MiniStack; `single`: with a message per upload.

    Raises:
        RuntimeError: its process ended early.
    """
    with MiniStack() as ministack:
        for stage in STAGES:
            apply_stack(ministack, PROJECT / "resources.yaml", stage)
        command = [sys.executable, "-m", "bench.storm_run", ministack.endpoint, str(uploads), str(seed), *["single"] * single]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT, text=True) as process:  # noqa: S603
            last: dict[str, Any] = {}
            for line in process.stdout or ():
                last = json.loads(line)
                if "events" in last:
                    on_progress(last["events"])
    if "uploads" not in last:
        raise RuntimeError(f"the burst of {uploads:,} uploads ended with exit code {process.returncode}")
    return Measurement(**last)


def errors(result: Measurement) -> list[str]:
    """A sentence for each recipient who did not receive every upload exactly once per channel, and for each broken promise."""
    over = [f"{result.uploads:,} uploads: {result.over_budget} above a budget"] if result.over_budget else []
    if result.single:
        return over + ([f"{result.missing:,} of {result.uploads:,} uploads have no row"] if result.missing else [])
    expected = [*[1] * DEFAULT_FIRST, result.uploads - DEFAULT_FIRST]
    return over + [
        f"{result.uploads:,} uploads: {recipient} received messages with {result.files.get(recipient, [])} files, not {expected}"
        for recipient in (f"{person} {channel}" for person, channel in RECIPIENTS)
        if result.files.get(recipient) != expected
    ]


def calls(result: Measurement) -> float:
    """Calls to the table per event while the uploads arrive."""
    return float(sum(result.units["receiving"]["calls"].values())) / result.received


def write_units(result: Measurement) -> float:
    """Write units per event, including all deliveries and one hour of sweeps."""
    return sum(float(units["writes"]) for units in result.units.values()) / result.received


def read_units(result: Measurement) -> float:
    """Read units per event, without the hour of sweeps, whose cost does not depend on the uploads."""
    return sum(float(units["reads"]) for phase, units in result.units.items() if phase != "sweeps") / result.received


def cpu(result: Measurement) -> float:
    """CPU per event, relative to a bare put at the same time."""
    return result.cpu_ms / result.bare_ms


def flush_cpu(result: Measurement) -> float:
    """CPU of the flush in microseconds per upload."""
    return result.flush_cpu_ms * 1e3 / result.uploads


def targets(results: Sequence[Measurement]) -> list[Target]:
    """The targets: the largest burst must not cost more per event than the smallest."""
    bundled = sorted((result for result in results if not result.single), key=lambda result: result.uploads)
    over = [Target("messages or segments above a budget, maximum", max(result.over_budget for result in results), 0)]
    if not bundled:
        return over
    first, *others = bundled
    maximum = [*over, Target("write units per event, maximum", max(map(write_units, bundled)), 1.2)]
    if not others:
        return maximum
    figures: dict[str, Figure] = {
        "write units per event": write_units,
        "read units per event": read_units,
        "CPU per event / bare put": cpu,
        "flush CPU per upload": flush_cpu,
        "peak memory": lambda result: result.peak_mb,
    }
    last = others[-1]
    sizes = f"{last.uploads:,} / {first.uploads:,} uploads"
    ratios = [Target(f"{name}, {sizes}", figure(last) / figure(first), 1.10) for name, figure in figures.items()]
    return maximum + ratios


def rows(results: Sequence[Measurement]) -> list[list[str]]:
    """The main table, one row per burst, with ratios to the first row."""
    return [_row(result, results[0]) for result in results]


def _row(result: Measurement, first: Measurement) -> list[str]:
    def with_ratio(figure: Figure, digits: int) -> str:
        ratio = "" if result is first else f" ({figure(result) / figure(first):.2f})"
        return f"{figure(result):.{digits}f}{ratio}"

    messages = sorted({len(files) for files in result.files.values()})
    return [
        f"{result.uploads:,}" + (', then = "off"' if result.single else ""),
        f"{result.received:,}",
        ", ".join(map(str, messages)),
        str(result.over_budget),
        f"{calls(result):.2f}",
        with_ratio(write_units, 3),
        with_ratio(read_units, 3),
        f"{result.cpu_ms:.2f}",
        with_ratio(cpu, 2),
        f"{result.flush_s:.1f}",
        with_ratio(flush_cpu, 0),
        f"{result.start_mb:.1f}",
        with_ratio(lambda result: result.peak_mb, 1),
        f"{result.seconds:.0f}",
    ]


def notes(results: Sequence[Measurement]) -> str:
    """The explanation of the table."""
    last = [result for result in results if not result.single][-1]
    receiving, sweeps = last.units["receiving"], last.units["sweeps"]
    calls = sum(receiving["calls"].values())
    return (
        "CPU is the bot's only. Ratios to the first row are in parentheses. Writes include one hour of sweeps, reads do not: "
        f"that hour costs {sweeps['writes']:g} write and {sweeps['reads']:g} read units whatever was uploaded, and "
        f"{last.sweep_cpu_ms:.1f} ms of CPU per sweep. Of {last.uploads:,} uploads, {receiving['rejected']:,} were redelivered "
        "before the summary; each costs one rejected write, counted here at the size of the larger row because the error does "
        f"not report it. Receiving the uploads took {calls:,} calls to the table; a row has {last.row_bytes:.0f} bytes. "
        "MiniStack reports one read unit for every query, so the flush's reads are computed from the number and size of the "
        "rows it read. Flush seconds are MiniStack's, which scans the full partition for each page."
    )


def section(results: Sequence[Measurement], targets: Sequence[Target], seed: int) -> str:
    """The section in bench/RESULTS.md."""
    return "\n\n".join(
        [
            "## A burst of uploads, sent as one summary",
            f"Written by `make bench-storm STORM=--write` on {utc_now():%Y-%m-%d}, seed {seed}: uploads within one minute, for a "
            "rule as shipped that sends to two people by e-mail and to one by text. One upload in "
            f"{REDELIVERED} is delivered twice, one in {LATE} of those after the summary was sent. {CONTAINERS} containers in "
            f"one process. {machine()}.",
            markdown(COLUMNS, rows(results)),
            notes(results),
            markdown(TARGET_COLUMNS, target_rows(targets)),
        ]
    )


@click.command()
@click.option("--uploads", "sizes", multiple=True, type=click.IntRange(10, 1_000_000), default=SIZES, show_default=True)
@click.option("--single", default=2_000, show_default=True, help='Uploads of the burst with then = "off"; 0 for none')
@click.option("--seed", default=1, show_default=True)
@click.option("--write", is_flag=True, help="Update the section in bench/RESULTS.md")
@click.option("--json", "json_", is_flag=True)
def main(sizes: tuple[int, ...], single: int, seed: int, write: bool, json_: bool) -> None:
    """Measure bursts of uploads, and check that every recipient gets one summary"""
    results = []
    with Progress(console=err, disable=not err.is_terminal, transient=True) as progress:
        for uploads, is_single in [*((size, False) for size in sizes), *[(single, True)][: bool(single)]]:
            total = uploads + uploads // REDELIVERED
            task = progress.add_task(f"{uploads:,} uploads", total=total)

            def on_progress(events: int, task: TaskID = task) -> None:
                progress.update(task, completed=events)

            results.append(run(uploads, seed, on_progress, single=is_single))
            progress.update(task, completed=total)
    checked = targets(results)
    if json_:
        print_json([vars(result) for result in results])
    else:
        print_table(COLUMNS, rows(results))
        say("")
        print_table(TARGET_COLUMNS, target_rows(checked))
        say(f"\n{notes(results)}")
    if write:
        RESULTS.write_text(put_between(RESULTS.read_text(), section(results, checked, seed), STORM_BEGIN, STORM_END))
    if sentences := [sentence for result in results for sentence in errors(result)]:
        fail("\n".join(sentences))
    if not all(target.met for target in checked):
        sys.exit(1)


if __name__ == "__main__":
    main()
