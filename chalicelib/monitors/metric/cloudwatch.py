"""Asking CloudWatch for many metrics by few requests.

Source: Amazon CloudWatch API reference, "GetMetricData": 500 queries a request, 100,800 points an answer; NextToken; a status
Complete, PartialData, InternalError or Forbidden for each; an Id begins with a lower-case letter; times that fall in with the
periods are answered best; what is older than 15 days is there by periods of five minutes, after 63 days by the hour.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import lcm
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from ...domain.monitor import ProbeContext, ProbeError
from .check import Metric, Points

MOST_QUERIES = 500
MOST_POINTS = 100_800
_MOST_PAGES = 20
_FURTHER = 4  # times as far back as it needs is any of a request looked back for
_NAME = re.compile(r"\b[a-z][A-Za-z0-9_]*\b")

# With these the request itself is refused, for what one query of all says: a formula that is none.
_REFUSED = (
    "ValidationError",
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "MissingParameter",
    "MissingRequiredParameter",
)

Seen = Points | ProbeError
_Part = list[tuple[int, Metric]]  # with its place


def one(check: Metric, reach: ProbeContext, now: datetime) -> Points:
    """What one check sees.

    Raises:
        Unreadable: CloudWatch does not say.
    """
    (found,) = probe_all([check], reach, now)
    if isinstance(found, ProbeError):
        raise found
    return found


def probe_all(checks: Sequence[Metric], reach: ProbeContext, now: datetime) -> list[Seen]:
    """What each check sees, or why it cannot, in their order."""
    found: list[Seen] = [ProbeError("there was no time to ask")] * len(checks)
    for region in sorted({check.region for check in checks}):
        some = [(place, check) for place, check in enumerate(checks) if check.region == region]
        for part in _parts(some, now):
            for place, seen in zip((place for place, _ in part), _answers(part, reach, now), strict=True):
                found[place] = seen
    return found


def _parts(some: _Part, now: datetime) -> Iterator[_Part]:
    """So many together as one request takes; together go those that look back about as far."""
    part: _Part = []
    frame = _Frame()
    for each in sorted(some, key=lambda each: (each[1].begins(now), each[1].period), reverse=True):
        grown = frame.with_(each[1], now)
        if part and not grown.fits:
            yield part
            part, grown = [], _Frame().with_(each[1], now)
        part.append(each)
        frame = grown
    if part:
        yield part


class _Frame(Struct, frozen=True):
    """What a request amounts to. Times in seconds."""

    queries: int = 0
    back: float = 0  # how far is looked back for the one that needs it least, and for all
    start: float = 0
    step: int = 1  # after which periods of all of them begin together
    rate: float = 0  # points each second that is looked back

    def with_(self, check: Metric, now: datetime) -> "_Frame":
        """With another one."""
        queries, period = len(check.queries) + bool(check.math), int(check.period.total_seconds())
        step, back = lcm(self.step, period), (now - check.begins(now)).total_seconds()
        begins = now.timestamp() - max(self.start, back)
        return _Frame(
            self.queries + queries,
            min(self.back or back, back),
            now.timestamp() - (begins - begins % step),
            step,
            self.rate + queries / period,
        )

    @property
    def fits(self) -> bool:
        """Whether one request takes it."""
        points = self.rate * self.start + self.queries
        return self.queries <= MOST_QUERIES and points <= MOST_POINTS and self.start <= _FURTHER * self.back


def _answers(part: _Part, reach: ProbeContext, now: datetime) -> list[Seen]:
    """What each of a part sees. Where the request is refused, halves of it are asked for, until it is known for which one."""
    if reach.time_left() <= timedelta(0):
        return [ProbeError("there was no time to ask")] * len(part)
    try:
        return _asked(part, reach, now)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _REFUSED and len(part) > 1:
            half = len(part) // 2
            return [*_answers(part[:half], reach, now), *_answers(part[half:], reach, now)]
        return [ProbeError(f"CloudWatch says {code}")] * len(part)
    except BotoCoreError as error:
        return [ProbeError(f"CloudWatch does not answer ({type(error).__name__})")] * len(part)


def _asked(part: _Part, reach: ProbeContext, now: datetime) -> list[Seen]:
    """One request, with its further pages."""
    region = part[0][1].region
    client = reach.clients("cloudwatch", region_name=region) if region else reach.clients("cloudwatch")
    frame = _Frame()
    for _, check in part:
        frame = frame.with_(check, now)
    asked = {
        "MetricDataQueries": [query for number, (_, check) in enumerate(part) for query in _of_check(number, check)],
        "StartTime": datetime.fromtimestamp(round(now.timestamp() - frame.start), UTC),
        "EndTime": now.replace(second=0, microsecond=0) + timedelta(minutes=1),
        "ScanBy": "TimestampAscending",
    }
    names = [f"r{number}" for number in range(len(part))]
    points: dict[str, list[tuple[datetime, float]]] = {name: [] for name in names}
    status: dict[str, str] = {}
    for page in _pages(client, asked):
        for result in page["MetricDataResults"]:
            at = (moment.astimezone(UTC) for moment in result["Timestamps"])
            points[result["Id"]] += zip(at, result["Values"], strict=True)
            status[result["Id"]] = result.get("StatusCode", "Complete")
    return [
        _of_interest(check, points[name], now)
        if status.get(name) == "Complete"
        else ProbeError(f"CloudWatch says {status.get(name, 'nothing of it')}")
        for name, (_, check) in zip(names, part, strict=True)
    ]


def _pages(client: Any, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for _ in range(_MOST_PAGES):
        answer: dict[str, Any] = client.get_metric_data(**asked)
        yield answer
        if not answer.get("NextToken"):
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
    begins = check.begins(now) - check.period
    return tuple(each for each in sorted(points) if each[0] >= begins)
