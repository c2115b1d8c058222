"""The targets of freshness besides S3 objects: a timestamp in a DynamoDB item, and the sum of a CloudWatch metric.

Sources: Amazon DynamoDB API reference, "GetItem"; Amazon CloudWatch API reference, "GetMetricStatistics" (1,440 data points per
request; the period is a multiple of 60, 300 or 3,600 seconds, depending on the age of the start; a point's time is the start of
its period).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from ...domain.monitor import ProbeContext, ProbeError
from .targets import ArrivalQuery, Arrivals, aws_errors

_MAX_POINTS = 1440
_PERIOD_UNITS = ((timedelta(days=15), 60), (timedelta(days=63), 300))
_LONGEST_PERIOD_UNIT = 3600
_MIN_MILLISECONDS = 10**11  # larger numbers are milliseconds (from 1973 on); as seconds this would be the year 5138


class ItemTimestamp(Struct, frozen=True):
    """A timestamp in a DynamoDB item: ISO 8601 (UTC if it has no zone), or seconds or milliseconds since 1970."""

    table: str
    key: Mapping[str, str | int]
    field: str

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Read items of the table."""
        return (("dynamodb:GetItem", self.table),)

    @property
    def description(self) -> str:
        """The field, the item's key and the table."""
        return f"{self.field} of {self.name(datetime.min)}"

    @property
    def needs_time_filter(self) -> bool:
        """GetItem cannot filter by time."""
        return True

    def name(self, local_time: datetime) -> str:
        """The item's key and the table."""
        return f"{' '.join(map(str, self.key.values()))} in {self.table}"

    location = name

    def probe(self, context: ProbeContext, query: ArrivalQuery) -> tuple[Arrivals, bool]:
        """Read the field; no arrivals if the item does not exist."""
        names = {f"#n{number}": name for number, name in enumerate({self.field: 0, next(iter(self.key)): 0})}
        with aws_errors():
            response = context.clients("dynamodb").get_item(
                TableName=self.table,
                Key={name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in self.key.items()},
                ProjectionExpression=", ".join(names),  # includes a key: an item without the field is not a missing item
                ExpressionAttributeNames=names,
            )
        if "Item" not in response:
            return (), False
        return ((_parse_time(response["Item"].get(self.field, {}), self.field), 1),), False


class MetricSum(Struct, frozen=True):
    """A CloudWatch metric whose Sum counts what arrived."""

    namespace: str
    metric: str
    dimensions: Mapping[str, str]

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """Read metrics; CloudWatch has no resource for them."""
        return (("cloudwatch:GetMetricStatistics", "*"),)

    @property
    def description(self) -> str:
        """The metric's name and its dimensions."""
        dimensions = ", ".join(f"{name} {value}" for name, value in self.dimensions.items())
        return f"{self.namespace}/{self.metric}" + (f" of {dimensions}" if dimensions else "")

    @property
    def needs_time_filter(self) -> bool:
        """The request has a start time."""
        return False

    def name(self, local_time: datetime) -> str:
        """The metric; the same every day."""
        return self.description

    location = name

    def probe(self, context: ProbeContext, query: ArrivalQuery) -> tuple[Arrivals, bool]:
        """Read the sums above zero since the query's start."""
        with aws_errors():
            response = context.clients("cloudwatch").get_metric_statistics(
                Namespace=self.namespace,
                MetricName=self.metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in self.dimensions.items()],
                StartTime=query.start,
                EndTime=query.now,
                Period=shortest_period(query.start, query.now),
                Statistics=["Sum"],
            )
        sums = [(point["Timestamp"].astimezone(UTC), point["Sum"]) for point in response["Datapoints"]]
        return tuple(sorted((at, amount) for at, amount in sums if amount > 0)), False


def shortest_period(start: datetime, now: datetime) -> int:
    """Return the shortest period, in seconds, with which one GetMetricStatistics response covers the span."""
    span = now - start
    unit = next((seconds for age, seconds in _PERIOD_UNITS if span < age), _LONGEST_PERIOD_UNIT)
    return unit * max(1, -(-int(span.total_seconds() + unit) // (_MAX_POINTS * unit)))  # CloudWatch rounds the start down


def _parse_time(value: Mapping[str, Any], field: str) -> datetime:
    try:
        if "N" in value:
            number = float(value["N"])
            return datetime.fromtimestamp(number / 1000 if number >= _MIN_MILLISECONDS else number, UTC)
        at = datetime.fromisoformat(value["S"])
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        raise ProbeError(f"{field} is not a time" if value else f"the item has no {field}") from None
