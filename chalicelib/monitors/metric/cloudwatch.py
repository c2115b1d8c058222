"""Reads many CloudWatch metrics with few requests.

Source: Amazon CloudWatch API reference, "GetMetricData": 500 queries per request, 100,800 points per response; NextToken; a
status Complete, PartialData, InternalError or Forbidden for each query; an Id starts with a lower-case letter; responses are
fastest if times are aligned with the periods; points older than 15 days exist for periods of 5 minutes, after 63 days of 1 hour.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import lcm
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from ...domain.monitor import ProbeContext, ProbeError
from .check import MetricCheck, Points

MAX_QUERIES = 500
MAX_POINTS = 100_800
_MAX_PAGES = 20
_MAX_LOOKBACK_RATIO = 4  # between the checks of one request: all of its queries look back equally far
_METRIC_NAME = re.compile(r"\b[a-z][A-Za-z0-9_]*\b")
_NO_TIME = "no time left to read the metric"

# CloudWatch rejects the whole request with these because of a single query, such as an invalid formula.
_REJECTED = (
    "ValidationError",
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "MissingParameter",
    "MissingRequiredParameter",
)

Observation = Points | ProbeError
_Batch = list[tuple[int, MetricCheck]]  # checks with their positions


def probe_one(check: MetricCheck, context: ProbeContext, now: datetime) -> Points:
    """Return the points of one check.

    Raises:
        ProbeError: the request failed.
    """
    (observation,) = probe_all([check], context, now)
    if isinstance(observation, ProbeError):
        raise observation
    return observation


def probe_all(checks: Sequence[MetricCheck], context: ProbeContext, now: datetime) -> list[Observation]:
    """Return the points of each check, or why they cannot be read, in order."""
    observations: list[Observation] = [ProbeError(_NO_TIME)] * len(checks)
    for region in sorted({check.region for check in checks}):
        in_region = [(position, check) for position, check in enumerate(checks) if check.region == region]
        for batch in _batches(in_region, now):
            for (position, _), observation in zip(batch, _probe_batch(batch, context, now), strict=True):
                observations[position] = observation
    return observations


def _batches(checks: _Batch, now: datetime) -> Iterator[_Batch]:
    """Split checks into requests of allowed size; checks that look back equally far go together."""
    batch: _Batch = []
    shape = _RequestShape()
    for entry in sorted(checks, key=lambda entry: (entry[1].window_start(now), entry[1].period), reverse=True):
        extended = shape.extended(entry[1], now)
        if batch and not extended.is_allowed:
            yield batch
            batch, extended = [], _RequestShape().extended(entry[1], now)
        batch.append(entry)
        shape = extended
    if batch:
        yield batch


class _RequestShape(Struct, frozen=True):
    """The size of a request. Times in seconds."""

    queries: int = 0
    shortest_lookback: float = 0  # of a check in the request
    lookback: float = 0  # of the request
    alignment: int = 1  # at multiples of this, a period of every check starts
    points_per_second: float = 0  # of lookback

    def extended(self, check: MetricCheck, now: datetime) -> "_RequestShape":
        """Return the size with one more check."""
        queries, period = len(check.queries) + bool(check.math), int(check.period.total_seconds())
        alignment, lookback = lcm(self.alignment, period), (now - check.window_start(now)).total_seconds()
        start = now.timestamp() - max(self.lookback, lookback)
        return _RequestShape(
            self.queries + queries,
            min(self.shortest_lookback or lookback, lookback),
            now.timestamp() - (start - start % alignment),
            alignment,
            self.points_per_second + queries / period,
        )

    @property
    def is_allowed(self) -> bool:
        """Whether CloudWatch accepts the request, and it does not read much more than needed."""
        points = self.points_per_second * self.lookback + self.queries
        balanced = self.lookback <= _MAX_LOOKBACK_RATIO * self.shortest_lookback
        return self.queries <= MAX_QUERIES and points <= MAX_POINTS and balanced


def _probe_batch(batch: _Batch, context: ProbeContext, now: datetime) -> list[Observation]:
    """Send one request. If CloudWatch rejects it, split it in halves until the invalid check is isolated."""
    if context.time_left() <= timedelta(0):
        return [ProbeError(_NO_TIME)] * len(batch)
    try:
        return _request(batch, context, now)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _REJECTED and len(batch) > 1:
            half = len(batch) // 2
            return [*_probe_batch(batch[:half], context, now), *_probe_batch(batch[half:], context, now)]
        return [ProbeError(f"CloudWatch returned {code}")] * len(batch)
    except BotoCoreError as error:
        return [ProbeError(f"no response from CloudWatch ({type(error).__name__})")] * len(batch)


def _request(batch: _Batch, context: ProbeContext, now: datetime) -> list[Observation]:
    """Send one request and read all its pages."""
    region = batch[0][1].region
    client = context.clients("cloudwatch", region_name=region) if region else context.clients("cloudwatch")
    shape = _RequestShape()
    for _, check in batch:
        shape = shape.extended(check, now)
    parameters = {
        "MetricDataQueries": [query for number, (_, check) in enumerate(batch) for query in _queries(number, check)],
        "StartTime": datetime.fromtimestamp(round(now.timestamp() - shape.lookback), UTC),
        "EndTime": now.replace(second=0, microsecond=0) + timedelta(minutes=1),
        "ScanBy": "TimestampAscending",
    }
    ids = [f"r{number}" for number in range(len(batch))]
    points: dict[str, list[tuple[datetime, float]]] = {id_: [] for id_ in ids}
    status: dict[str, str] = {}
    for page in _pages(client, parameters):
        for result in page["MetricDataResults"]:
            times = (moment.astimezone(UTC) for moment in result["Timestamps"])
            points[result["Id"]] += zip(times, result["Values"], strict=True)
            status[result["Id"]] = result.get("StatusCode", "Complete")
    return [
        _needed_points(check, points[id_], now)
        if status.get(id_) == "Complete"
        else ProbeError(f"CloudWatch returned {status.get(id_, 'no result')}")
        for id_, (_, check) in zip(ids, batch, strict=True)
    ]


def _pages(client: Any, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _ in range(_MAX_PAGES):
        page: dict[str, Any] = client.get_metric_data(**parameters)
        yield page
        if not page.get("NextToken"):
            return
        parameters = {**parameters, "NextToken": page["NextToken"]}


def _queries(number: int, check: MetricCheck) -> Iterator[dict[str, Any]]:
    """Yield a check's queries; the one with its result has the Id r<number>."""
    period = int(check.period.total_seconds())
    ids = {name: f"q{number}_{position}" for position, (name, _) in enumerate(check.queries)}
    for name, query in check.queries:
        yield {
            "Id": ids[name] if check.math else f"r{number}",
            "ReturnData": not check.math,
            "MetricStat": {
                "Metric": {
                    "Namespace": query.namespace,
                    "MetricName": query.metric,
                    "Dimensions": [{"Name": dimension, "Value": value} for dimension, value in query.dimensions],
                },
                "Period": period,
                "Stat": query.statistic,
            },
        }
    if check.math:
        expression = _METRIC_NAME.sub(lambda match: ids.get(match[0], match[0]), check.math)
        yield {"Id": f"r{number}", "Expression": expression, "Period": period}


def _needed_points(check: MetricCheck, points: list[tuple[datetime, float]], now: datetime) -> Points:
    """Drop the points that only other checks of the request need."""
    start = check.window_start(now) - check.period
    return tuple((at, value) for at, value in sorted(points) if at >= start)
