"""Requests to CloudWatch: many metrics in few requests, pages, regions and errors."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from chalicelib.domain.monitor import BatchProbe, ProbeContext, ProbeError
from chalicelib.monitors.metric.check import MonthlyAllowanceCheck, Query
from chalicelib.monitors.metric.cloudwatch import probe_all
from chalicelib.monitors.metric.conditions import Condition, parse
from tests.monitors.metric.samples import DAY, FIVE, HOUR, MINUTE, NOW, metric
from tests.support.builders import NOON
from workbench.local.ministack import MiniStack


class Double:
    """CloudWatch according to the API reference: pages, statuses, rejected requests."""

    def __init__(
        self, *, page: int = 1_000, status: Mapping[str, str] | None = None, error: Exception | None = None, rejected: str = "?"
    ) -> None:
        self.requests: list[dict[str, Any]] = []
        self.page, self.status, self.error, self.rejected = page, status or {}, error, rejected

    def get_metric_data(self, **parameters: Any) -> dict[str, Any]:
        self.requests.append(parameters)
        if self.error:
            raise self.error
        queries = parameters["MetricDataQueries"]
        if any(self.rejected in query.get("Expression", "") for query in queries):
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "secret"}}, "GetMetricData")
        ids = [query["Id"] for query in queries if query.get("ReturnData", True)]
        start = int(parameters.get("NextToken", 0))
        results = [
            {
                "Id": id_,
                "Timestamps": [NOON - FIVE],
                "Values": [50.0],
                "StatusCode": self.status.get(id_, "Complete"),
            }
            for id_ in ids[start : start + self.page]
        ]
        more = {"NextToken": str(start + self.page)} if start + self.page < len(ids) else {}
        return {"MetricDataResults": results, **more}


OBSERVATION = ((NOON - FIVE, 50.0),)


def context(client: Any, left: Callable[[], timedelta] = lambda: MINUTE) -> ProbeContext:
    return ProbeContext(lambda service, region_name="": client, left)


def test_five_hundred_monitors_take_one_request() -> None:
    double = Double()
    assert isinstance(metric(), BatchProbe)
    assert probe_all([metric()] * 500, context(double), NOON) == [OBSERVATION] * 500
    assert len(double.requests) == 1
    probe_all([metric()] * 501, context(double), NOON)
    assert len(double.requests) == 3


def test_monitors_with_different_periods_take_few_requests() -> None:
    double = Double()
    kinds = [
        metric(),
        metric(period=MINUTE, error=parse("above 1 for 2 min", {})),
        metric(error=parse("above 1 for 30 min", {})),
        metric(error=parse("above 1", {})),
    ]
    observations = probe_all(kinds * 125, context(double), NOON)
    assert all(observation == OBSERVATION for observation in observations)
    assert len(double.requests) <= 2


@given(
    st.lists(
        st.tuples(st.sampled_from([1, 5, 7, 15, 60, 360, 1440]), st.integers(1, 60), st.booleans()),
        min_size=1,
        max_size=120,
    )
)
def test_every_request_stays_within_the_limits_of_cloudwatch(shapes: list[tuple[int, int, bool]]) -> None:
    checks = [
        metric(MonthlyAllowanceCheck, period=DAY, error=None, allowance=1)
        if month
        else metric(period=minutes * MINUTE, error=Condition("above", 1, minutes * count * MINUTE))
        for minutes, count, month in shapes
    ]
    double = Double()
    probe_all(checks, context(double), NOW)
    assert sum(len(request["MetricDataQueries"]) for request in double.requests) == len(checks)
    for request in double.requests:
        lookback = NOW - request["StartTime"]
        periods = [query["MetricStat"]["Period"] for query in request["MetricDataQueries"]]
        assert sum(lookback.total_seconds() / period for period in periods) <= 100_800
        assert all(request["StartTime"].timestamp() % period == 0 for period in periods)
        assert lookback < timedelta(days=15) or all(period % 300 == 0 for period in periods)
        assert lookback < timedelta(days=63) or all(period % 3600 == 0 for period in periods)


def test_long_lookbacks_are_split_by_the_number_of_points() -> None:
    double = Double()
    minutes = metric(period=MINUTE, error=Condition("above", 1, 20 * HOUR))
    probe_all([minutes] * 200, context(double), NOON)
    assert len(double.requests) == 3


def test_times_are_aligned_with_the_periods_and_end_now() -> None:
    double = Double()
    probe_all([metric()], context(double), NOON + timedelta(minutes=3, seconds=20))
    assert double.requests[0]["StartTime"] == NOON - timedelta(minutes=55)
    assert double.requests[0]["EndTime"] == NOON + 4 * MINUTE


def test_pages_are_joined_and_regions_requested_separately() -> None:
    double, regions = Double(page=7), []

    def clients(service: str, region_name: str = "") -> Double:
        regions.append((service, region_name))
        return double

    checks = [metric(), metric(region="us-east-1")] * 10
    assert probe_all(checks, ProbeContext(clients, lambda: MINUTE), NOON) == [OBSERVATION] * 20
    assert regions == [("cloudwatch", ""), ("cloudwatch", "us-east-1")]
    assert len(double.requests) == 4


def test_endless_pages_are_abandoned() -> None:
    observations = probe_all([metric()] * 30, context(Double(page=1)), NOON)
    assert [isinstance(observation, ProbeError) for observation in observations] == [False] * 20 + [True] * 10


@pytest.mark.parametrize("status", ["InternalError", "PartialData", "Forbidden"])
def test_failed_query_affects_only_its_monitor(status: str) -> None:
    observations = probe_all([metric()] * 3, context(Double(status={"r1": status})), NOON)
    texts = [str(observation) if isinstance(observation, ProbeError) else "read" for observation in observations]
    assert texts == ["read", f"CloudWatch returned {status}", "read"]


def test_rest_of_partial_data_comes_with_the_next_page() -> None:
    class TwoPages(Double):
        def get_metric_data(self, **parameters: Any) -> dict[str, Any]:
            self.requests.append(parameters)
            second = "NextToken" in parameters
            result = {"Id": "r0", "Timestamps": [NOON - (1 if second else 2) * FIVE], "Values": [2.0 if second else 1.0]}
            status = {"StatusCode": "Complete" if second else "PartialData"}
            return {"MetricDataResults": [result | status], **({} if second else {"NextToken": "more"})}

    assert metric().probe(context(TwoPages()), NOON, {}) == ((NOON - 2 * FIVE, 1.0), (NOON - FIVE, 2.0))


def test_invalid_formula_affects_only_its_monitor() -> None:
    double = Double(rejected="oops")
    checks = [metric()] * 100
    checks[37] = metric(math="oops(value)")
    observations = probe_all(checks, context(double), NOON)
    errors = [position for position, observation in enumerate(observations) if isinstance(observation, ProbeError)]
    assert errors == [37]
    assert str(observations[37]) == "CloudWatch returned ValidationError"
    assert len(double.requests) < 20


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ClientError({"Error": {"Code": "Throttling", "Message": "secret"}}, "GetMetricData"), "CloudWatch returned Throttling"),
        (EndpointConnectionError(endpoint_url="http://secret"), "no response from CloudWatch (EndpointConnectionError)"),
    ],
)
def test_failed_request_is_not_repeated(error: Exception, text: str) -> None:
    double = Double(error=error)
    assert [str(observation) for observation in probe_all([metric()] * 2, context(double), NOON)] == [text] * 2
    assert len(double.requests) == 1
    with pytest.raises(ProbeError):
        metric().probe(context(Double(error=error)), NOON, {})


def test_failing_region_does_not_affect_the_other() -> None:
    error = EndpointConnectionError(endpoint_url="http://secret")
    clients = {"": Double(error=error), "us-east-1": Double()}
    checks = [metric(), metric(region="us-east-1")]
    by_region = ProbeContext(lambda service, region_name="": clients[region_name], lambda: MINUTE)
    observations = probe_all(checks, by_region, NOON)
    assert [isinstance(observation, ProbeError) for observation in observations] == [True, False]


def test_no_request_without_time_left() -> None:
    double = Double()
    observations = probe_all([metric()], context(double, lambda: timedelta(0)), NOON)
    assert (str(observations[0]), double.requests) == ("no time left to read the metric", [])


def test_metrics_are_read_from_an_emulator(ministack: MiniStack) -> None:
    client, now = ministack.client("cloudwatch"), datetime.now(UTC)
    dimensions = [{"Name": "Shop", "Value": "a"}]
    data = {"MetricName": "Orders", "Timestamp": now - MINUTE, "Value": 7, "Dimensions": dimensions}
    client.put_metric_data(Namespace="Acme/Shop", MetricData=[data])
    query = Query("Acme/Shop", "Orders", (("Shop", "a"),), "Sum")
    orders = metric(queries=(("value", query),), error=parse("above 5", {}), unit="", label="Orders")
    other = metric(queries=(("value", Query("Acme/Shop", "Orders", (("Shop", "b"),), "Sum")),))
    computed = metric(math="value * 2")
    found, nothing, unreadable = probe_all([orders, other, computed], context(client), now)
    assert orders.evaluate(found, now, {}).message == "Orders is 7, above 5"
    assert other.evaluate(nothing, now, {}).message == "cpu has no data"
    assert str(unreadable) == "CloudWatch returned InternalError"  # the emulator does not support metric math


@pytest.fixture
def moto_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1")


def test_metric_math_is_sent_as_a_formula_over_the_queries() -> None:
    queries = tuple((name.lower(), Query("Acme", name, (), "Sum")) for name in ("Errors", "Invocations"))
    double = Double()
    probe_all([metric(queries=queries, math="100 * errors / SUM([invocations, errors])")] * 2, context(double), NOON)
    *parts, formula = double.requests[0]["MetricDataQueries"][3:]
    assert [(part["Id"], part["ReturnData"]) for part in parts] == [("q1_0", False), ("q1_1", False)]
    assert formula == {"Id": "r1", "Expression": "100 * q1_0 / SUM([q1_1, q1_0])", "Period": 300}


def test_metric_math_is_read_from_moto(moto_client: Any) -> None:
    """moto supports only a single name as a formula; boto3 validates the request."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    data = {"MetricName": "Errors", "Timestamp": now - 2 * MINUTE, "Value": 3.0}
    moto_client.put_metric_data(Namespace="Acme", MetricData=[data])
    check = metric(queries=(("errors", Query("Acme", "Errors", (), "Sum")),), math="errors", period=MINUTE)
    assert check.probe(context(moto_client), now, {}) == ((now - 2 * MINUTE, 3.0),)
