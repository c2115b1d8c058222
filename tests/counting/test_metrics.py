"""Metrics in log lines: valid for CloudWatch, complete, and without people."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from msgspec.structs import replace

from chalicelib.counting.deliveries import DeliveryCounter
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import MetricsSettings, SettingsError
from tests.support.builders import NOON, some_settings
from tests.support.embedded_metrics import Datum, extract
from tests.support.stages import COUNTERS, Stage, memory_stage, plenty
from tests.support.streams import Record, a_delivery, batch, failed, record, sent, sent_records, unique_name


class Table:
    """A counters' table that accepts every transaction, unless one has this text."""

    def __init__(self, failing: str = "no such text") -> None:
        self._failing = failing

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:  # noqa: N803
        if self._failing in json.dumps(TransactItems):
            raise EndpointConnectionError(endpoint_url="http://x")

    def get_paginator(self, _: str) -> "Table":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Items": []}]


@pytest.fixture
def stage() -> Stage:
    stage = memory_stage()
    stage.settings = replace(stage.settings, metrics=MetricsSettings())
    return stage


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [line for record in caplog.records if "_aws" in (line := json.loads(record.message))]


def take(stage: Stage, caplog: pytest.LogCaptureFixture, *records: Record, table: Any = None) -> list[Datum]:
    """What CloudWatch extracts from the log of one batch."""
    deliverer, _ = stage.container()
    environ = {"DROPNOTE_COUNTERS": COUNTERS, "DROPNOTE_STAGE": "prod"}
    counter = DeliveryCounter(deliverer, environ, lambda service, config: table or Table())
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="chalicelib"):
        counter.take(batch(*records), plenty)
    return extract(lines_of(caplog))


def sums(data: list[Datum], metric: str) -> dict[tuple[str, ...], float]:
    """The sum of a metric by the values of its dimensions, in the order of their names."""
    found: dict[tuple[str, ...], float] = {}
    for datum in data:
        if datum.metric == metric:
            key = tuple(value for _, value in sorted(datum.dimensions))
            found[key] = found.get(key, 0) + sum(datum.values)
    return found


def test_deliveries_are_counted_by_rule_channel_outcome_and_reason(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    lost = replace(a_delivery(unique_name(), channel=Channel.SMS), rule="invoices")
    assert sums(take(stage, caplog, *sent_records(3), record(lost, failed(lost))), "Deliveries") == {
        ("sent", "prod"): 3,
        ("failed", "prod"): 1,
        ("sent", "uploads", "prod"): 3,
        ("failed", "invoices", "prod"): 1,
        ("email", "sent", "prod"): 3,
        ("sms", "failed", "prod"): 1,
        ("accepted", "prod"): 3,
        ("no-channel", "prod"): 1,
    }


def test_latency_has_each_value_so_that_percentiles_are_exact(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    deliveries = [a_delivery(unique_name()) for _ in range(3)]
    records = [record(each, sent(each, NOON + timedelta(seconds=number))) for number, each in enumerate(deliveries)]
    latencies = [datum for datum in take(stage, caplog, *records) if datum.metric == "Latency"]
    assert {datum.values for datum in latencies} == {(0.0, 1.0, 2.0)}
    assert {datum.dimensions for datum in latencies} == {
        frozenset({("Stage", "prod")}),
        frozenset({("Stage", "prod"), ("Channel", "email")}),
    }


def test_metrics_are_those_of_the_minute_in_which_the_delivery_ended(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    data = take(stage, caplog, *sent_records(1), *sent_records(1, NOON + timedelta(minutes=59, seconds=30)))
    noon = int(NOON.timestamp() * 1000)
    assert {datum.timestamp for datum in data} == {noon, noon + 59 * 60_000}


def test_a_full_batch_is_one_line(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    take(stage, caplog, *sent_records(100))
    (line,) = lines_of(caplog)
    assert line["Deliveries"] == 100
    assert len(json.dumps({**line, "Latency": []})) < 800


def test_no_metric_names_a_person(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    take(stage, caplog, *sent_records(1))
    people = stage.settings.people.values()
    text = json.dumps(lines_of(caplog))
    assert not [word for person in people for word in (person.name, person.email, person.sms) if word and word in text]


def test_records_that_lambda_delivers_again_are_in_no_metric_yet(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    records = [*sent_records(120), *sent_records(90, person="ben")]  # more than one transaction
    first = take(stage, caplog, *records, table=Table("person ben"))
    counted = int(sums(first, "Deliveries")["sent", "prod"])
    assert 0 < counted < 120
    again = take(stage, caplog, *records[counted:])
    assert sums(again, "Deliveries")["sent", "prod"] == len(records) - counted


def test_names_are_ascii(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    delivery = replace(a_delivery(unique_name()), rule=":Löhne " + "x" * 999)
    data = take(stage, caplog, record(delivery, sent(delivery)))
    (rule,) = {value for datum in data for name, value in datum.dimensions if name == "Rule"}
    assert rule.startswith("L\\xf6hne x")


@pytest.mark.parametrize("by", [("rule",), ("channel",), ("reason",), ()])
def test_only_configured_dimensions_are_metrics(stage: Stage, caplog: pytest.LogCaptureFixture, by: tuple[str, ...]) -> None:
    stage.settings = replace(stage.settings, metrics=MetricsSettings(by))
    names = {name for datum in take(stage, caplog, *sent_records(1)) for name, _ in datum.dimensions}
    assert names == {"Stage", "Outcome", *(word.capitalize() for word in by)}


def test_without_the_setting_there_are_no_metrics(caplog: pytest.LogCaptureFixture) -> None:
    assert take(memory_stage(), caplog, *sent_records(1)) == []


def test_settings_are_read() -> None:
    assert some_settings().metrics is None
    assert some_settings("[metrics]\n").metrics == MetricsSettings(("rule", "channel", "reason"))
    assert some_settings('[metrics]\nby = ["channel"]\n').metrics == MetricsSettings(("channel",))
    assert some_settings("[metrics]\nby = []\n").metrics == MetricsSettings(())
    with pytest.raises(SettingsError, match="unknown dimension 'person'"):
        some_settings('[metrics]\nby = ["person"]\n')
