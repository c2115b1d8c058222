"""The tables of `make bench`: ratios per round, and which targets are missed; and the settings it measures."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.cold.measure import Sample, Used, Variant
from bench.cold.packages import Package, settings_of
from bench.report import Results, immediate_rows, targets
from chalicelib.settings.reader import read

USED = Used((), (), 0, 0, 0)


def sample(cpu_ms: float) -> Sample:
    return Sample(init_ms=1, init_cpu_ms=1, cold_ms=1, cold_cpu_ms=1, warm_ms=2 * cpu_ms, warm_cpu_ms=cpu_ms, peak_mb=1)


def results(immediate: dict[str, Sequence[float]]) -> Results:
    names = ("bare", "powertools", "tutorial", "mail", "both", "burst", "boto3-in-zip", "10-rules", "1000-rules")
    variants = [Variant(name, f"the {name} bot", Package(Path(), 1), {}, name) for name in names]
    samples = {name: [sample(1)] * 3 for name in names}
    at_stub = {name: [sample(cpu) for cpu in cpus] for name, cpus in immediate.items()}
    return Results(variants, samples, dict.fromkeys(names, USED), at_stub)


def missed(immediate: dict[str, Sequence[float]]) -> list[str]:
    return [target.title for target in targets(results(immediate)) if not target.met and "immediate" in target.title]


def test_ratios_are_those_within_a_round() -> None:
    rows = immediate_rows(results({"bare": (1, 2, 4), "powertools": (2, 4, 8), "mail": (1.1, 2.2, 8)}))
    assert rows[0] == ["the bare bot", "2.00", "1.00", "0.50", "4.0"]
    assert rows[2] == ["the mail bot", "2.20", "1.10", "0.55", "4.4"]


def test_ratio_to_a_rival_that_was_not_measured_is_empty() -> None:
    assert immediate_rows(results({"powertools": (2,), "mail": (1,)})) == [
        ["the powertools bot", "2.00", "", "1.00", "4.0"],
        ["the mail bot", "1.00", "", "0.50", "2.0"],
    ]


@pytest.mark.parametrize(("mail", "expected"), [(1.04, []), (1.06, ["Powertools"]), (1.16, ["bare handler", "Powertools"])])
def test_warm_cpu_has_a_limit_to_each_rival(mail: float, expected: list[str]) -> None:
    titles = missed({"bare": (1,), "powertools": (1.05,), "mail": (mail,)})
    assert [title.rpartition(" / ")[2] for title in titles] == expected


@pytest.mark.parametrize("rules", [1, 10])
def test_measured_settings_send_one_message_per_upload(rules: int) -> None:
    environ = {"UPLOAD_BUCKET": "acme-drops"}
    settings = read(settings_of(["email:asha"], rules), environ=environ, templates=("upload",))
    assert len(settings.rules) == rules
    assert not settings.rules[0].bundles
