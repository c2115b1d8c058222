"""The model of billed time and its cost in dollars."""

import re
from pathlib import Path

import msgspec
import pytest

from bench.results_file import BEGIN, COST, END, put_between
from chalicelib.counting.money import PRICES, DynamoDbPrices, LambdaPrices, Prices, SesPrices, read_prices
from workbench.reports.cost import Work, billed_ms, cost_per_million, modelled_ms, recommended_mb

ROUND = Prices("2026-11", "us-east-1", LambdaPrices(1.0, 0.00002, 0.00001), DynamoDbPrices(2.0, 0.5), SesPrices(0.1))


@pytest.mark.parametrize(
    ("wall", "cpu", "memory", "modelled"),
    [
        (10, 0, 128, 10),  # waiting is not stretched
        (10, 10, 1769, 10),
        (10, 10, 10240, 10),  # more than one vCPU does not speed up one thread
        (10, 4, 884.5, 14),
        (10, 15, 1769, 15),  # two threads at once
    ],
)
def test_less_memory_stretches_computing_but_not_waiting(wall: float, cpu: float, memory: int, modelled: float) -> None:
    assert modelled_ms(wall, cpu, memory) == pytest.approx(modelled)


@pytest.mark.parametrize(("wall", "billed"), [(12, 12), (12.1, 13), (0.2, 1)])
def test_every_millisecond_begun_is_billed(wall: float, billed: int) -> None:
    assert billed_ms(wall, 0, 128) == billed


def test_cost_adds_up_time_requests_units_and_mails() -> None:
    cost = cost_per_million(Work(wall_ms=100, cpu_ms=0, writes=5, reads=1, mails=1), 512, ROUND)
    assert cost.lambda_ == pytest.approx(100 / 1000 * 0.5 * 1e6 * 0.00002 + 1)
    assert cost.dynamodb == pytest.approx(5 * 2 + 0.5)
    assert cost.ses == pytest.approx(100)
    assert cost.total == pytest.approx(cost.lambda_ + cost.dynamodb + cost.ses)


def test_arm_has_a_separate_price() -> None:
    work = Work(wall_ms=100, cpu_ms=0)
    assert cost_per_million(work, 1024, ROUND, "arm64").lambda_ == pytest.approx(1 + 1)


def test_cheapest_fast_enough_size_is_recommended() -> None:
    assert recommended_mb(Work(wall_ms=20, cpu_ms=10), ROUND, within_ms=300) == 128
    assert recommended_mb(Work(wall_ms=50, cpu_ms=40), ROUND, within_ms=300) == 256
    assert recommended_mb(Work(wall_ms=900, cpu_ms=10), ROUND, within_ms=300) == 1024


def test_price_file_is_readable_and_dated() -> None:
    prices = read_prices()
    assert re.fullmatch(r"\d{4}-\d{2}", prices.dated)
    assert prices.lambda_.arm64_per_gb_second < prices.lambda_.x86_64_per_gb_second


def test_figures_in_the_docs_use_these_prices() -> None:
    assert f"prices of {read_prices().dated}, {read_prices().region}" in COST.read_text()


def test_new_figures_replace_the_old_and_leave_the_text() -> None:
    text = f"words\n{BEGIN}\n\nold\n\n{END}\nmore words\n"
    assert put_between(text, "new") == text.replace("old", "new")


def test_document_without_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="missing markers"):
        put_between("words", "new")


def test_misspelled_price_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(PRICES.read_text().replace("per_million_reads", "per_milion_reads"))
    with pytest.raises(msgspec.ValidationError, match="per_milion_reads"):
        read_prices(file)
