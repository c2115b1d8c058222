"""The tables of a run of `make bench`: medians, ratios and targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.cold.measure import Sample, Used, Variant
from workbench.output import print_table, say

Figure = Callable[[Sample], float]

COLUMNS = ("", "init ms", "cold upload ms", "cold CPU ms", "peak MB", "warm ms", "warm CPU ms", "AWS calls", "zip MB")
IMMEDIATE_COLUMNS = ("", "warm CPU ms", "/ bare handler", "/ Powertools", "warm ms")
TARGET_COLUMNS = ("target", "measured", "limit", "met")


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one run."""

    variants: Sequence[Variant]
    samples: Mapping[str, Sequence[Sample]]  # by round
    used: Mapping[str, Used]
    immediate: Mapping[str, Sequence[Sample]]  # by round, of the variants measured against the stub

    @property
    def complete(self) -> bool:
        """Whether every variant that the targets compare was measured."""
        return {
            "mail",
            "both",
            "burst",
            "bare",
            "powertools",
            "tutorial",
            "boto3-in-zip",
            "10-rules",
            "1000-rules",
        } <= self.samples.keys()

    def median(self, name: str, figure: Figure) -> float:
        """The median of all rounds."""
        return median(map(figure, self.samples[name]))

    def ratio(self, name: str, to: str, figure: Figure) -> float:
        """The median of the ratios per round."""
        return _ratio(self.samples[name], self.samples[to], figure)

    def immediate_cpu_ratio(self, name: str, to: str) -> float:
        """The ratio of the warm CPU against the stub: the median of the ratios per round."""
        return _ratio(self.immediate[name], self.immediate[to], _warm_cpu)


def _ratio(ours: Sequence[Sample], theirs: Sequence[Sample], figure: Figure) -> float:
    return median(figure(our) / figure(their) for our, their in zip(ours, theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for a measured value."""

    title: str
    measured: float
    limit: float

    @property
    def met(self) -> bool:
        """Whether the value is within the limit."""
        return self.measured <= self.limit


def cold_ms(sample: Sample) -> float:
    """The time of the first upload, start included."""
    return sample.cold_ms


def _warm_cpu(sample: Sample) -> float:
    return sample.warm_cpu_ms


def _peak(sample: Sample) -> float:
    return sample.peak_mb


def targets(results: Results) -> list[Target]:
    """The targets of `make bench`."""
    zips = {variant.name: variant.package.zip_mb for variant in results.variants}
    return [
        Target("cold upload (e-mail) / bare handler", results.ratio("mail", "bare", cold_ms), 1.0),
        Target("cold upload (e-mail) / tutorial bot", results.ratio("mail", "tutorial", cold_ms), 0.45),
        Target("warm CPU per upload (e-mail) / bare handler", results.ratio("mail", "bare", _warm_cpu), 1.15),
        Target("warm CPU per upload, immediate responses / bare handler", results.immediate_cpu_ratio("mail", "bare"), 1.15),
        Target("warm CPU per upload, immediate responses / Powertools", results.immediate_cpu_ratio("mail", "powertools"), 1.0),
        Target("warm CPU per upload, 1,000 rules / 10 rules", results.ratio("1000-rules", "10-rules", _warm_cpu), 1.10),
        Target("peak memory, e-mail, MB", results.median("mail", _peak), 80),
        Target("peak memory, e-mail and text, MB", results.median("both", _peak), 95),
        Target("zip without boto3, MB", zips["both"], 12),
    ]


def rows(results: Results) -> list[list[str]]:
    """The main table, one row per variant."""
    return [_row(results, variant) for variant in results.variants]


def _row(results: Results, variant: Variant) -> list[str]:
    name = variant.name
    return [
        variant.title,
        f"{results.median(name, lambda sample: sample.init_ms):.0f}",
        f"{results.median(name, cold_ms):.0f}",
        f"{results.median(name, lambda sample: sample.cold_cpu_ms):.0f}",
        f"{results.median(name, _peak):.0f}",
        f"{results.median(name, lambda sample: sample.warm_ms):.1f}",
        f"{results.median(name, _warm_cpu):.2f}",
        f"{len(results.used[name].calls)}",
        f"{variant.package.zip_mb:.1f}",
    ]


def immediate_rows(results: Results) -> list[list[str]]:
    """The table of the measurement against the stub, one row per variant; a ratio is empty if its rival was not measured."""
    titles = {variant.name: variant.title for variant in results.variants}
    return [
        [
            titles[name],
            f"{median(map(_warm_cpu, samples)):.2f}",
            *(f"{results.immediate_cpu_ratio(name, to):.2f}" if to in results.immediate else "" for to in ("bare", "powertools")),
            f"{median(sample.warm_ms for sample in samples):.1f}",
        ]
        for name, samples in results.immediate.items()
    ]


def target_rows(targets: Sequence[Target]) -> list[list[str]]:
    """The targets, one per row."""
    return [[target.title, f"{target.measured:.2f}", f"{target.limit:g}", "yes" if target.met else "no"] for target in targets]


def show(results: Results) -> None:
    """Print the tables."""
    print_table(COLUMNS, rows(results))
    if results.immediate:
        say("")
        print_table(IMMEDIATE_COLUMNS, immediate_rows(results))
    if results.complete:
        say("")
        print_table(TARGET_COLUMNS, target_rows(targets(results)))
