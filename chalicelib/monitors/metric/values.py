"""Reads single values of metric monitors. Each function returns the value or raises FieldError with the problem and a hint."""

import re
from collections.abc import Iterable
from datetime import timedelta
from math import gcd

from ...platform.fields import values
from ...platform.fields.table import FieldError
from ...platform.phrases import duration
from .check import Query
from .conditions import UNITS, Condition
from .resources import Resource

DEFAULT_PERIOD = timedelta(minutes=5)
MAX_POINTS = 1440  # per monitor

_METRIC = re.compile(r"(?P<space>[^\s:][^\s]*) (?P<name>[\w.\-/]+)(?P<more>(?: \w+=\S+)*)(?: (?P<stat>[A-Za-z]+[\d.]*))?")
_STATISTIC = re.compile(r"Average|Sum|Minimum|Maximum|SampleCount|p\d{1,2}(\.\d{1,10})?|p100|tm\d{1,2}")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def resource_name(resource: Resource, text: str) -> str:
    """Check the name of a resource."""
    if not re.fullmatch(resource.name_pattern, text):
        raise FieldError(f"invalid name {text!r}", f'use for example "{resource.example}"')
    return text


def unit(text: str) -> str:
    """Check the unit of a metric."""
    if text not in UNITS:
        raise FieldError(f"unknown unit {text!r}", f"use one of: {', '.join(filter(None, UNITS))}")
    return text


def choose_period(limits: Iterable[Condition | None], own: timedelta = DEFAULT_PERIOD) -> timedelta:
    """Return the longest period that divides the duration of every condition. `own` is the metric's usual period.

    Raises:
        FieldError: the metric has no values of this period.
    """
    conditions = [condition for condition in limits if condition]
    multiples = [multiple for condition in conditions if (multiple := condition.period_multiple)]
    longest = max((condition.duration for condition in conditions if condition.duration), default=own)
    usual = max(own, _HOUR) if longest > _DAY else own
    chosen = timedelta(seconds=gcd(*(int(span.total_seconds()) for span in (usual, *multiples))))
    if own >= _HOUR and chosen < own:
        hours = own // _HOUR
        raise FieldError(f"measured only every {hours} hours", f'remove "for …", or use "for {2 * hours} h"')
    if not all(condition.fits(chosen) for condition in conditions):
        interval = duration(chosen).removeprefix("1 ")
        raise FieldError(f"not enough values in that time: there is one every {interval}", 'use for example "for 25 min 3 of 5"')
    if longest / chosen > MAX_POINTS:
        raise FieldError(too_many_points(longest // chosen), "use whole hours")
    return chosen


def too_many_points(count: int) -> str:
    """Describe a condition that needs more than MAX_POINTS."""
    return f"{count:,} data points are too many; the limit is {MAX_POINTS:,}"


def check_rates(limits: Iterable[Condition | None], statistic: str) -> None:
    """Check limits per second.

    Raises:
        FieldError: the statistic is not a sum, or only some of the limits are per second.
    """
    rates = {condition.rate for condition in limits if condition}
    if True in rates and statistic not in ("Sum", "SampleCount"):
        raise FieldError('"/s" needs the statistic Sum or SampleCount', 'remove "/s", or change the statistic')
    if len(rates) > 1:
        raise FieldError('only some limits have "/s"', 'use "/s" in all of them')


def query(text: str) -> Query:
    """Read a metric in one line: "AWS/Lambda Errors FunctionName=orders Sum"."""
    match = _METRIC.fullmatch(text.strip())
    if not match:
        raise FieldError(f"invalid metric {text!r}", 'use namespace and name, for example "AWS/EC2 CPUUtilization"')
    pairs = (pair.partition("=") for pair in match["more"].split())
    chosen = statistic(match["stat"]) if match["stat"] else "Average"
    return Query(match["space"], match["name"], tuple((name, value) for name, _, value in pairs), chosen)


def statistic(text: str) -> str:
    """Check the name of a statistic (Amazon CloudWatch user guide, "CloudWatch statistics definitions")."""
    if not _STATISTIC.fullmatch(text):
        hint = "use Average, Sum, Minimum, Maximum, SampleCount or a percentile such as p99"
        raise FieldError(f"invalid statistic {text!r}", hint)
    return text


def period(text: str) -> timedelta:
    """Read the period of a data point."""
    span = values.parse_duration(text)
    if span.total_seconds() % 60:
        raise FieldError(f"{text!r} is not a whole number of minutes", 'use for example "1m", "5m" or "1h"')
    if span > _DAY:
        raise FieldError(f"{text!r} is longer than a day", 'use "1d" or less')
    return span
