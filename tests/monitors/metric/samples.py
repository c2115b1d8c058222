"""A metric check and points to evaluate."""

from datetime import datetime, timedelta
from typing import Any

from chalicelib.monitors.metric.check import MetricCheck, Points, Query
from chalicelib.monitors.metric.conditions import parse
from tests.support.builders import NOON

MINUTE, FIVE, HOUR, DAY = timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
CPU = Query("AWS/EC2", "CPUUtilization", (("InstanceId", "i-1"),))
NOW = NOON + 2 * MINUTE  # the data until noon is complete
HOT = parse("above 80 % for 15 min", {}, "%")
GAP = None


def metric(kind: type[MetricCheck] = MetricCheck, **more: Any) -> Any:
    fields: dict[str, Any] = {
        "description": "cpu of web",
        "label": "cpu",
        "queries": (("value", CPU),),
        "unit": "%",
        "error": HOT,
    }
    return kind(**(fields | more))


def points(*values: float | None, until: datetime = NOON, period: timedelta = FIVE) -> Points:
    """Values of consecutive periods, the last of which ends at noon; None for a missing data point."""
    starts = (until - (len(values) - position) * period for position in range(len(values)))
    return tuple((at, value) for at, value in zip(starts, values, strict=True) if value is not None)
