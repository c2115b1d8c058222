"""One run, written down: bench/RESULTS.md, and the figures in docs/cost.md."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.measuring import Sample, Used
from bench.report import COLUMNS, TARGET_COLUMNS, Results, cold_ms, rows, target_rows, targets
from chalicelib.platform.clock import utc_now
from workbench.bootstrap.setup import SAM
from workbench.paths import BENCH, PROJECT, RUNTIME
from workbench.reports.cost import SIZES_MB, Prices, Work, cost_per_million, modelled_ms, read_prices, recommended_mb

RESULTS = PROJECT / "bench" / "RESULTS.md"
COST = PROJECT / "docs" / "cost.md"
BEGIN, END = "<!-- figures: made by make bench BENCH=--write -->", "<!-- end of figures -->"
STORM_BEGIN, STORM_END = "<!-- storm: made by make bench-storm STORM=--write -->", "<!-- end of the storm -->"
WATCH_BEGIN, WATCH_END = "<!-- watch: made by make bench-watch WATCH=--write -->", "<!-- end of the watch -->"
WITHIN_MS = 300  # a warm upload, at the recommended memory


def write(results: Results, rounds: int, warm: int) -> None:
    """Write both files; of the first what the storm and the watch wrote stays."""
    before, text = RESULTS.read_text(), _results(results, rounds, warm)
    for begin, end in ((STORM_BEGIN, STORM_END), (WATCH_BEGIN, WATCH_END)):
        text = put_between(text, between(before, begin, end), begin, end)
    RESULTS.write_text(text)
    COST.write_text(put_between(COST.read_text(), figures(results, read_prices())))


def put_between(text: str, new: str, begin: str = BEGIN, end: str = END) -> str:
    """The text with what is between the two markers replaced.

    Raises:
        ValueError: it does not have them.
    """
    return text.replace(f"{begin}{_between(text, begin, end)}{end}", f"{begin}\n\n{new}\n\n{end}")


def between(text: str, begin: str, end: str) -> str:
    """What is between the two markers.

    Raises:
        ValueError: the text does not have them.
    """
    return _between(text, begin, end).strip("\n")


def _between(text: str, begin: str, end: str) -> str:
    inner, found, _ = text.partition(begin)[2].partition(end)
    if not found:
        raise ValueError(f"there is no place for the figures: {begin} … {end}")
    return inner


def figures(results: Results, prices: Prices) -> str:
    """What docs/cost.md says of this run."""
    parts = [f"Measured on {machine()}, {utc_now():%Y-%m-%d}; prices of {prices.dated}, {prices.region}."]
    for name, told in (("mail", "One mail an upload"), ("both", "One mail and one text an upload")):
        work = work_of(results, name)
        header = ("memory", "cold upload", "warm upload", "Lambda x86", "Lambda arm64", "DynamoDB", "SES", "all (x86)")
        lines = [_cost_row(results, name, size, prices) for size in SIZES_MB]
        best = recommended_mb(work, prices, WITHIN_MS)
        used = f"{work.writes:g} write units, {work.reads:g} read units, {work.cpu_ms:.1f} ms of CPU"
        parts += [f"**{told}** ({used}): {best} MB is recommended.", markdown(header, lines)]
    return "\n\n".join(parts)


def work_of(results: Results, name: str) -> Work:
    """What a warm upload takes."""
    wall, cpu = (results.median(name, lambda sample: sample.warm_ms), results.median(name, lambda sample: sample.warm_cpu_ms))
    used = results.used[name]
    return Work(wall, cpu, used.write_units, used.read_units, used.mails)


def _cost_row(results: Results, name: str, memory_mb: int, prices: Prices) -> list[str]:
    work = work_of(results, name)
    cold = results.median(name, lambda sample: _cold_ms(sample, memory_mb))
    x86, arm = (cost_per_million(work, memory_mb, prices, arch) for arch in ("x86_64", "arm64"))
    money = (x86.lambda_, arm.lambda_, x86.dynamodb, x86.ses, x86.total)
    warm = modelled_ms(work.wall_ms, work.cpu_ms, memory_mb)
    return [f"{memory_mb} MB", f"{cold:.0f} ms", f"{warm:.0f} ms", *(f"${dollars:.2f}" for dollars in money)]


def _cold_ms(sample: Sample, memory_mb: int) -> float:
    """A cold upload with that much memory: its start has a whole processor, whatever the memory."""
    return sample.init_ms + modelled_ms(sample.cold_ms - sample.init_ms, sample.cold_cpu_ms - sample.init_cpu_ms, memory_mb)


def _results(results: Results, rounds: int, warm: int) -> str:
    zips = {each.name: each.package.zip_mb for each in results.variants}
    inside, ratio = results.median("boto3-in-zip", cold_ms), results.ratio("boto3-in-zip", "mail", cold_ms)
    return "\n\n".join(
        [
            "# What an upload takes, beside others",
            f"Written by `make bench BENCH=--write` on {utc_now():%Y-%m-%d}: {rounds} rounds in turn, {warm} warm uploads a "
            f"container after the first few, medians of the rounds. {machine()}. {_versions()}.",
            markdown(COLUMNS, rows(results)),
            "Init is from the start of Python to its first question for work. A cold upload is a container's first, with its "
            "start. CPU is user and system. The tutorial's bot has no ledger: what comes twice it tells twice.",
            "## Targets",
            markdown(TARGET_COLUMNS, target_rows(targets(results))),
            "A ratio is the median of the rounds' ratios.",
            "## boto3 in the zip, or the runtime's",
            f"With boto3 in its zip, Dropnote's cold upload takes {inside:.0f} ms instead of "
            f"{results.median('mail', cold_ms):.0f} ms ({ratio:.2f} times), and the zip has {zips['boto3-in-zip']:.1f} MB "
            f"instead of {zips['mail']:.1f} MB. In either case `make package` has compiled what is imported of it.",
            "## Calls to AWS",
            markdown(
                ("", "a warm upload", "a container's first"),
                [_calls(each.told, results.used[each.name]) for each in results.variants],
            ),
            STORM_BEGIN,
            f"{STORM_END}\n",
            WATCH_BEGIN,
            f"{WATCH_END}\n",
        ]
    )


def _calls(told: str, used: Used) -> list[str]:
    return [told, ", ".join(used.calls) or "none", ", ".join(used.first_calls) or "none"]


def markdown(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table."""
    ruler = ["---", *(["---:"] * (len(columns) - 1))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [columns, ruler, *lines])


def machine() -> str:
    """What this was measured on."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{found[1] if found else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def _versions() -> str:
    site = next((RUNTIME / "lib").glob("python*/site-packages"))
    told = [_version(site, name) for name in ("boto3", "botocore", "awslambdaric")]
    told += [_version(BENCH / "powertools", "aws_lambda_powertools"), SAM.replace("==", " ")]
    return f"Python {platform.python_version()}, {', '.join(told)}"


def _version(site: Path, name: str) -> str:
    (info,) = site.glob(f"{name}-*.dist-info")
    return info.name.removesuffix(".dist-info").replace("-", " ")
