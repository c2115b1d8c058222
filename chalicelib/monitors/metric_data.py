"""Asking CloudWatch for many metrics by few requests.

Source: Amazon CloudWatch API reference, "GetMetricData": 500 queries a request, 100,800 points an answer; a status Complete,
PartialData (more by NextToken), InternalError or Forbidden for each; Id begins with a lower-case letter.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .metric import Metric, Points
from .model import Reach, Unreadable

MOST_QUERIES = 500
_MOST_POINTS = 100_800
_MOST_PAGES = 20
_NAME = re.compile(r"\b[a-z][A-Za-z0-9_]*\b(?!\s*\()")


def one(check: Metric, reach: Reach, now: datetime) -> Points:
    """What one check sees.

    Raises:
        Unreadable: CloudWatch does not say.
    """
    (found,) = look_at_all([check], reach, now)
    if isinstance(found, Unreadable):
        raise found
    points: Points = found
    return points


def look_at_all(checks: Sequence[Metric], reach: Reach, now: datetime) -> list[Any]:
    """What each check sees, or why it cannot, in their order."""
    found: list[Any] = [Unreadable("there was no time")] * len(checks)
    for region, some in _by(lambda each: each[1].region, enumerate(checks)):
        for part in _parts(some, now):
            if reach.time_left() <= timedelta(0):
                break
            for place, points in zip((place for place, _ in part), _asked(part, region, reach, now), strict=True):
                found[place] = points
    return found


def _by(key: Any, some: Iterable[tuple[int, Metric]]) -> Iterator[tuple[str, list[tuple[int, Metric]]]]:
    for name, group in groupby(sorted(some, key=key), key=key):
        yield name, list(group)


def _parts(some: list[tuple[int, Metric]], now: datetime) -> Iterator[list[tuple[int, Metric]]]:
    """So many together as one request takes: those that look back about as far go together."""
    part: list[tuple[int, Metric]] = []
    for each in sorted(some, key=lambda each: each[1].since(now), reverse=True):
        grown = [*part, each]
        if part and (sum(map(_queries, grown)) > MOST_QUERIES or _points(grown, now) > _MOST_POINTS):
            yield part
            part = [each]
        else:
            part = grown
    if part:
        yield part


def _queries(each: tuple[int, Metric]) -> int:
    return len(each[1].queries) + bool(each[1].math)


def _points(part: list[tuple[int, Metric]], now: datetime) -> float:
    """How many points an answer may have: all of a request are asked for from the same moment on."""
    begins = min(check.since(now) for _, check in part)
    return sum(_queries(each) * ((now - begins) / each[1].period + 1) for each in part)


def _asked(part: list[tuple[int, Metric]], region: str, reach: Reach, now: datetime) -> list[Any]:
    """One request, with its further pages."""
    begins = min(check.since(now) for _, check in part).replace(second=0, microsecond=0)
    asked = {
        "MetricDataQueries": [query for number, (_, check) in enumerate(part) for query in _of_check(number, check)],
        "StartTime": begins,
        "EndTime": now.replace(second=0, microsecond=0) + timedelta(minutes=1),
        "ScanBy": "TimestampAscending",
    }
    values: dict[str, list[tuple[datetime, float]]] = {f"r{number}": [] for number in range(len(part))}
    failed: dict[str, str] = {}
    try:
        client = reach.clients("cloudwatch", region_name=region) if region else reach.clients("cloudwatch")
        for page in _pages(client, asked):
            for result in page["MetricDataResults"]:
                at = (moment.astimezone(UTC) for moment in result["Timestamps"])
                values[result["Id"]] += zip(at, result["Values"], strict=True)
                if result.get("StatusCode") in ("InternalError", "Forbidden"):
                    failed[result["Id"]] = result["StatusCode"]
    except ClientError as error:
        return [Unreadable(f"CloudWatch says {error.response['Error']['Code']}")] * len(part)
    except BotoCoreError as error:
        return [Unreadable(f"CloudWatch does not answer ({type(error).__name__})")] * len(part)
    return [
        Unreadable(f"CloudWatch says {failed[name]}") if name in failed else _of_interest(check, values[name], now)
        for name, (_, check) in zip(values, part, strict=True)
    ]


def _pages(client: Any, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _ in range(_MOST_PAGES):
        answer: dict[str, Any] = client.get_metric_data(**asked)
        yield answer
        if "NextToken" not in answer:
            return
        asked = {**asked, "NextToken": answer["NextToken"]}


def _of_check(number: int, check: Metric) -> Iterator[dict[str, Any]]:
    """Its queries; the one whose values are wanted is r<number>."""
    period = int(check.period.total_seconds())
    names = {name: f"q{number}_{place}" for place, (name, _) in enumerate(check.queries)}
    for name, query in check.queries:
        yield {
            "Id": names[name] if check.math else f"r{number}",
            "ReturnData": not check.math,
            "MetricStat": {
                "Metric": {
                    "Namespace": query.namespace,
                    "MetricName": query.metric,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in query.dimensions],
                },
                "Period": period,
                "Stat": query.statistic,
            },
        }
    if check.math:
        expression = _NAME.sub(lambda found: names.get(found[0], found[0]), check.math)
        yield {"Id": f"r{number}", "Expression": expression, "Period": period}


def _of_interest(check: Metric, points: list[tuple[datetime, float]], now: datetime) -> Points:
    """Others of the request looked back further."""
    begins = check.since(now)
    return tuple(each for each in sorted(points) if each[0] >= begins - check.period)
