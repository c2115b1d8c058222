"""The dashboard's numbers from hourly rows: series, totals, percentiles and money."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.counting.hourly_counts import counts_of_outcome
from chalicelib.counting.hourly_stats import HourStats, summarize
from chalicelib.counting.latency import LAST_CLASS, latency_class, lower_bound_s, percentile
from chalicelib.counting.money import DynamoDbPrices, LambdaPrices, Prices, SesPrices, SmsPrices, read_prices, spent
from chalicelib.domain.people import Channel
from chalicelib.store.counts.hourly import OTHER_FOLDERS, HourlyRow, Outcome, segments_count
from tests.support.builders import NOON
from tests.support.streams import a_delivery, sent

HOUR = timedelta(hours=1)
SENT, LOST, TEXT = (
    Outcome("email", "sent", "accepted"),
    Outcome("email", "failed", "bad-address"),
    Outcome("sms", "sent", "found"),
)
ROUND = Prices(
    "2026-11", "", LambdaPrices(1, 1, 1), DynamoDbPrices(1, 1), SesPrices(0.1), SmsPrices("", "", {"1": 0.01, "91": 0.05})
)


def test_every_hour_of_the_period_is_in_the_series() -> None:
    rows = [
        HourlyRow(NOON - HOUR, files=9, folders={"b/x": 9}),
        HourlyRow(NOON, files=3, folders={"b/x": 2, "b/y": 1}, deliveries={SENT: 3, LOST: 1}),
        HourlyRow(NOON + 2 * HOUR, files=1, folders={"b/z": 1}, deliveries={TEXT: 1}),
    ]
    stats = summarize(rows, NOON + timedelta(minutes=59), NOON + 2.5 * HOUR, top=1)
    assert stats.hours == (
        HourStats(NOON, 3, {"b/x": 2, OTHER_FOLDERS: 1}, {"sent": 3, "failed": 1}),
        HourStats(NOON + HOUR),
        HourStats(NOON + 2 * HOUR, 1, {OTHER_FOLDERS: 1}, {"sent": 1}),
    )
    assert (stats.files, list(stats.folders.items())) == (4, [("b/x", 2), (OTHER_FOLDERS, 2)])
    assert list(stats.deliveries.items()) == [(SENT, 3), (LOST, 1), (TEXT, 1)]
    assert (stats.by("channel"), stats.by("state")) == ({"email": 4, "sms": 1}, {"sent": 4, "failed": 1})
    assert stats.by("reason") == {"accepted": 3, "bad-address": 1, "found": 1}


def test_folders_that_were_not_counted_separately_are_never_a_top_folder() -> None:
    rows = [HourlyRow(NOON, files=9, folders={OTHER_FOLDERS: 7, "b/x": 2})]
    assert list(summarize(rows, NOON, NOON + HOUR, top=5).folders.items()) == [("b/x", 2), (OTHER_FOLDERS, 7)]


def test_a_period_without_messages_has_no_latency() -> None:
    stats = summarize([], NOON, NOON + 2 * HOUR)
    assert (stats.latency, stats.files, stats.deliveries, len(stats.hours)) == (None, 0, {}, 2)


def test_latencies_of_several_hours_are_one_distribution() -> None:
    rows = [HourlyRow(NOON + number * HOUR, latencies={latency_class(seconds): 50}) for number, seconds in enumerate((1, 100))]
    latency = summarize(rows, NOON, NOON + 2 * HOUR).latency
    assert latency
    assert latency.messages == 100
    assert latency.p50.total_seconds() == pytest.approx(1.19, abs=0.01)  # the upper bound of the first class
    assert 95 < latency.p95.total_seconds() < latency.p99.total_seconds() < 115


@pytest.mark.parametrize(("seconds", "number"), [(0, 0), (0.2499, 0), (0.25, 1), (0.5, 5), (1, 9), (3600 * 24 * 9, LAST_CLASS)])
def test_classes_have_fixed_bounds(seconds: float, number: int) -> None:
    """The bounds are a contract: rows of different days are added up."""
    assert latency_class(seconds) == number


@given(
    seconds=some.lists(some.floats(0.25, 100_000), min_size=1, max_size=200),
    share=some.sampled_from([0.5, 0.95, 0.99]),
    dice=some.randoms(use_true_random=False),
)
def test_percentile_is_at_most_a_class_off(seconds: list[float], share: float, dice: Random) -> None:
    dice.shuffle(seconds)
    classes: dict[int, int] = {}
    for latency in seconds:
        classes[latency_class(latency)] = classes.get(latency_class(latency), 0) + 1
    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]
    found = percentile(classes, share)
    assert found is not None
    number = latency_class(exact)
    assert lower_bound_s(number) - 1e-6 <= found.total_seconds() <= lower_bound_s(number + 1) + 1e-6


def test_money_is_that_of_sent_mails_and_of_segments_by_country() -> None:
    month = HourlyRow(NOON, deliveries={SENT: 2_000, LOST: 5, TEXT: 4}, segments={"91": 6, "1": 1, "49": 3})
    result = spent(month, ROUND)
    assert (result.mails, round(result.mails_usd, 9)) == (2_000, 0.2)
    assert (result.segments, round(result.segments_usd, 9), result.unpriced) == (10, 0.31, {"49": 3})
    assert result.usd == pytest.approx(0.51)
    assert spent(month, ROUND, by_ses=False).usd == pytest.approx(0.31)


def test_text_to_a_country_that_shares_a_calling_code_has_no_price_of_another() -> None:
    jamaica = sent(a_delivery("a", channel=Channel.SMS, segments=2))
    counts = counts_of_outcome(jamaica, NOON, "+18765550100")
    assert segments_count("1876") in counts
    month = HourlyRow(NOON, segments={"1": 1, "1876": 2})
    result = spent(month, read_prices())
    assert (result.segments_usd, result.unpriced) == (read_prices().sms.per_segment["1"], {"1876": 2})
    assert (result.dated, result.sms_dated) == (read_prices().dated, read_prices().sms.dated)


def test_price_table_has_its_date() -> None:
    prices = read_prices()
    assert prices.dated >= "2026-11"
    assert prices.sms.per_segment["1"] > 0
