"""Writes the results into bench/RESULTS.md and the figures into docs/cost.md."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.cold.measure import Sample, Used
from bench.report import COLUMNS, IMMEDIATE_COLUMNS, TARGET_COLUMNS, Results, cold_ms, immediate_rows, rows, target_rows, targets
from chalicelib.counting.money import Prices, read_prices
from chalicelib.platform.clock import utc_now
from workbench.bootstrap.setup import SAM
from workbench.paths import BENCH, PROJECT, RUNTIME
from workbench.reports.cost import SIZES_MB, Work, cost_per_million, modelled_ms, recommended_mb

RESULTS = PROJECT / "bench" / "RESULTS.md"
COST = PROJECT / "docs" / "cost.md"
BEGIN, END = "<!-- figures: made by make bench BENCH=--write -->", "<!-- end of figures -->"
STORM_BEGIN, STORM_END = "<!-- storm: made by make bench-storm STORM=--write -->", "<!-- end of the storm -->"
WATCH_BEGIN, WATCH_END = "<!-- watch: made by make bench-watch WATCH=--write -->", "<!-- end of the watch -->"
CONSOLE_BEGIN, CONSOLE_END = "<!-- console: made by make bench-console CONSOLE=--write -->", "<!-- end of the console -->"
SECTIONS = ((STORM_BEGIN, STORM_END), (WATCH_BEGIN, WATCH_END), (CONSOLE_BEGIN, CONSOLE_END))  # of other benchmarks
TITLES = {
    "burst": "An upload in a burst, sent in a summary (the default)",
    "mail": "One e-mail per upload",
    "both": "One e-mail and one text per upload",
}
MAX_WARM_MS = 300  # of a warm upload at the recommended memory


def write(results: Results, rounds: int, warm: int, immediate_uploads: int) -> None:
    """Write both files. The sections of the storm, the watch and the console in RESULTS.md are kept."""
    old, text = RESULTS.read_text(), _results(results, rounds, warm, immediate_uploads)
    for begin, end in SECTIONS:
        text = put_between(text, between(old, begin, end), begin, end)
    RESULTS.write_text(text)
    COST.write_text(put_between(COST.read_text(), figures(results, read_prices())))


def put_between(text: str, new: str, begin: str = BEGIN, end: str = END) -> str:
    """Replace the text between the two markers.

    Raises:
        ValueError: the markers are missing.
    """
    return text.replace(f"{begin}{_between(text, begin, end)}{end}", f"{begin}\n\n{new}\n\n{end}")


def between(text: str, begin: str, end: str) -> str:
    """The text between the two markers.

    Raises:
        ValueError: the markers are missing.
    """
    return _between(text, begin, end).strip("\n")


def _between(text: str, begin: str, end: str) -> str:
    inner, marker, _ = text.partition(begin)[2].partition(end)
    if not marker:
        raise ValueError(f"missing markers: {begin} … {end}")
    return inner


def figures(results: Results, prices: Prices) -> str:
    """The figures of a run for docs/cost.md."""
    parts = [f"Measured on {machine()}, {utc_now():%Y-%m-%d}; prices of {prices.dated}, {prices.region}."]
    for name, title in TITLES.items():
        work = work_of(results, name)
        header = ("memory", "cold upload", "warm upload", "Lambda x86", "Lambda arm64", "DynamoDB", "SES", "total (x86)")
        lines = [_cost_row(results, name, size, prices) for size in SIZES_MB]
        best = recommended_mb(work, prices, MAX_WARM_MS)
        usage = f"{work.writes:g} write units, {work.reads:g} read units, {work.cpu_ms:.1f} ms of CPU"
        parts += [f"**{title}** ({usage}): {best} MB recommended.", markdown(header, lines)]
    return "\n\n".join(parts)


def work_of(results: Results, name: str) -> Work:
    """The measured work of a warm upload."""
    wall, cpu = (results.median(name, lambda sample: sample.warm_ms), results.median(name, lambda sample: sample.warm_cpu_ms))
    used = results.used[name]
    return Work(wall, cpu, used.write_units, used.read_units, used.mails)


def _cost_row(results: Results, name: str, memory_mb: int, prices: Prices) -> list[str]:
    work = work_of(results, name)
    cold = results.median(name, lambda sample: _cold_ms(sample, memory_mb))
    x86, arm = (cost_per_million(work, memory_mb, prices, arch) for arch in ("x86_64", "arm64"))
    dollars = (x86.lambda_, arm.lambda_, x86.dynamodb, x86.ses, x86.total)
    warm = modelled_ms(work.wall_ms, work.cpu_ms, memory_mb)
    return [f"{memory_mb} MB", f"{cold:.0f} ms", f"{warm:.0f} ms", *(f"${amount:.2f}" for amount in dollars)]


def _cold_ms(sample: Sample, memory_mb: int) -> float:
    """The time of a cold upload at a memory size. The start has a full CPU at every size."""
    return sample.init_ms + modelled_ms(sample.cold_ms - sample.init_ms, sample.cold_cpu_ms - sample.init_cpu_ms, memory_mb)


def _results(results: Results, rounds: int, warm: int, immediate_uploads: int) -> str:
    zips = {variant.name: variant.package.zip_mb for variant in results.variants}
    with_boto3, ratio = results.median("boto3-in-zip", cold_ms), results.ratio("boto3-in-zip", "mail", cold_ms)
    return "\n\n".join(
        [
            "# What an upload costs, compared with other bots",
            f"Written by `make bench BENCH=--write` on {utc_now():%Y-%m-%d}. {rounds} interleaved rounds, {warm} warm uploads "
            f"per container after the first few; medians of the rounds. {machine()}. {_versions()}.",
            markdown(COLUMNS, rows(results)),
            "Init is the time from the start of Python to its first request for an event. A cold upload is the first in a "
            "container, start included. CPU is user plus system time. The tutorial bot has no ledger, so it sends duplicates "
            "when an event is delivered twice.",
            "## Targets",
            markdown(TARGET_COLUMNS, target_rows(targets(results))),
            "Each ratio is the median of the ratios per round.",
            "## CPU of a warm upload when AWS responds immediately",
            f"Against a stub instead of the emulator, {immediate_uploads} uploads per container and round.",
            markdown(IMMEDIATE_COLUMNS, immediate_rows(results)),
            "## boto3 in the zip or from the runtime",
            f"With boto3 in the zip, Dropnote's cold upload takes {with_boto3:.0f} ms instead of "
            f"{results.median('mail', cold_ms):.0f} ms (ratio {ratio:.2f}), and the zip is {zips['boto3-in-zip']:.1f} MB instead "
            f"of {zips['mail']:.1f} MB. Either way, `make package` compiles the boto3 modules that are imported.",
            "## AWS calls",
            markdown(
                ("", "warm upload", "first upload in a container"),
                [_calls(variant.title, results.used[variant.name]) for variant in results.variants],
            ),
            *(f"{begin}\n\n{end}\n" for begin, end in SECTIONS),
        ]
    )


def _calls(title: str, used: Used) -> list[str]:
    return [title, ", ".join(used.calls) or "none", ", ".join(used.first_calls) or "none"]


def markdown(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    ruler = ["---", *(["---:"] * (len(columns) - 1))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [columns, ruler, *lines])


def machine() -> str:
    """This machine's CPU model and number of cores."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{model[1] if model else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def _versions() -> str:
    site = next((RUNTIME / "lib").glob("python*/site-packages"))
    versions = [_version(site, name) for name in ("boto3", "botocore", "awslambdaric")]
    versions += [_version(BENCH / "powertools", "aws_lambda_powertools"), SAM.replace("==", " ")]
    return f"Python {platform.python_version()}, {', '.join(versions)}"


def _version(site: Path, name: str) -> str:
    (info,) = site.glob(f"{name}-*.dist-info")
    return info.name.removesuffix(".dist-info").replace("-", " ")
