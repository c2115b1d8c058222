"""What was measured, told: medians, ratios, and which targets hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measuring import Sample, Used, Variant
from workbench.output import say, table

Figure = Callable[[Sample], float]

COLUMNS = ("", "init ms", "cold upload ms", "its CPU ms", "peak MB", "warm ms", "warm CPU ms", "AWS calls", "zip MB")
TARGET_COLUMNS = ("target", "found", "at most", "holds")


@dataclass(frozen=True, slots=True)
class Results:
    """One run."""

    variants: Sequence[Variant]
    samples: Mapping[str, Sequence[Sample]]  # by round
    used: Mapping[str, Used]

    @property
    def complete(self) -> bool:
        """Whether all that is compared was measured."""
        return {"mail", "both", "bare", "tutorial", "boto3-in-zip", "10-rules", "1000-rules"} <= self.samples.keys()

    def median(self, name: str, figure: Figure) -> float:
        """The median of the rounds."""
        return median(map(figure, self.samples[name]))

    def ratio(self, name: str, to: str, figure: Figure) -> float:
        """The median of the rounds' ratios."""
        return median(figure(ours) / figure(theirs) for ours, theirs in zip(self.samples[name], self.samples[to], strict=True))


@dataclass(frozen=True, slots=True)
class Target:
    """Something that was promised."""

    told: str
    found: float
    at_most: float

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        return self.found <= self.at_most


def cold_ms(sample: Sample) -> float:
    """Its start and first upload."""
    return sample.cold_ms


def _warm_cpu(sample: Sample) -> float:
    return sample.warm_cpu_ms


def _peak(sample: Sample) -> float:
    return sample.peak_mb


def targets(results: Results) -> list[Target]:
    """Each target beside what was found."""
    zips = {each.name: each.package.zip_mb for each in results.variants}
    return [
        Target("cold first upload (mail), times the bare handler's", results.ratio("mail", "bare", cold_ms), 1.05),
        Target("cold first upload (mail), times the tutorial bot's", results.ratio("mail", "tutorial", cold_ms), 0.45),
        Target("warm CPU an upload (mail), times the bare handler's", results.ratio("mail", "bare", _warm_cpu), 1.15),
        Target("warm CPU an upload, 1,000 rules, times 10 rules'", results.ratio("1000-rules", "10-rules", _warm_cpu), 1.10),
        Target("peak memory, a mail, MB", results.median("mail", _peak), 80),
        Target("peak memory, a mail and a text, MB", results.median("both", _peak), 95),
        Target("zip without boto3, MB", zips["both"], 12),
    ]


def rows(results: Results) -> list[list[str]]:
    """The large table, a variant a row."""
    made = []
    for each in results.variants:
        figures = (
            results.median(each.name, lambda sample: sample.init_ms),
            results.median(each.name, cold_ms),
            results.median(each.name, lambda sample: sample.cold_cpu_ms),
            results.median(each.name, _peak),
            results.median(each.name, lambda sample: sample.warm_ms),
            results.median(each.name, _warm_cpu),
        )
        init, cold, cold_cpu, peak, warm, warm_cpu = figures
        calls = len(results.used[each.name].calls)
        told = (f"{init:.0f}", f"{cold:.0f}", f"{cold_cpu:.0f}", f"{peak:.0f}", f"{warm:.1f}", f"{warm_cpu:.2f}", f"{calls}")
        made.append([each.told, *told, f"{each.package.zip_mb:.1f}"])
    return made


def target_rows(found: Sequence[Target]) -> list[list[str]]:
    """The targets, one a row."""
    return [[each.told, f"{each.found:.2f}", f"{each.at_most:g}", "yes" if each.holds else "no"] for each in found]


def show(results: Results) -> None:
    """Print the tables."""
    table(COLUMNS, rows(results))
    if results.complete:
        say("")
        table(TARGET_COLUMNS, target_rows(targets(results)))
