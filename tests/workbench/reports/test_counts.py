"""Counters: their names come from the settings, and a short name finds its counter."""

import pytest

from tests.support.builders import some_settings
from workbench.reports.counts import choose_counter, counter_names

COUNTING = """
[analytics]
by = ["rule"]
[[rules]]
name = "orders"
on = "item"
table = "orders"
count = ["orders by status", "sum total of sales by region"]
"""
KNOWN = ["messages by rule", "orders by status", "orders by region"]


def test_counters_of_the_bot_and_of_rules_are_listed_by_name() -> None:
    names = counter_names(some_settings(COUNTING))
    assert names == ["messages by rule", "files by rule", "orders by status", "sum total of sales by region"]


@pytest.mark.parametrize(
    ("name", "by", "chosen"),
    [
        ("orders", "region", "orders by region"),
        ("orders by region", "", "orders by region"),
        ("orders", "", "orders by status"),
        ("removed by day", "", "removed by day"),
    ],
)
def test_counter_is_chosen_by_name_and_by(name: str, by: str, chosen: str) -> None:
    assert choose_counter(name, by, KNOWN) == chosen


def test_unknown_by_gets_a_suggestion() -> None:
    with pytest.raises(ValueError, match="orders are not counted by 'state'; did you mean 'status'"):
        choose_counter("orders", "state", KNOWN)
