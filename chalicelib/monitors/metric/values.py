"""Single values of monitors of metrics: each function gives the value, or raises Wrong with the sentence to show."""

import re
from collections.abc import Iterable
from datetime import timedelta
from math import gcd

from ...platform.fields import values
from ...platform.fields.table import FieldError
from ...platform.phrases import duration
from .check import Query
from .conditions import Condition
from .resources import Resource

FIVE = timedelta(minutes=5)  # how long a point is, where nothing says otherwise
MOST_POINTS = 1440  # of one monitor

_METRIC = re.compile(r"(?P<space>[^\s:][^\s]*) (?P<name>[\w.\-/]+)(?P<more>(?: \w+=\S+)*)(?: (?P<stat>[A-Za-z]+[\d.]*))?")
_STATISTIC = re.compile(r"Average|Sum|Minimum|Maximum|SampleCount|p\d{1,2}(\.\d{1,10})?|p100|tm\d{1,2}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+){1,3}-\d")
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def named(resource: Resource, text: str) -> str:
    """Check the name of a resource."""
    if not re.fullmatch(resource.name, text):
        raise FieldError(f"{text!r} is no name of that", f'such as "{resource.such}"')
    return text


def region(text: str) -> str:
    """Check the name of a region of AWS."""
    if not _REGION.fullmatch(text):
        raise FieldError(f"{text!r} is no region", 'such as "eu-central-1"')
    return text


def period_of(limits: Iterable[Condition | None], own: timedelta = FIVE) -> timedelta:
    """How long a point is: the longest that goes into all of the time that a condition has to last.

    Raises:
        Wrong: it comes seldomer than that.
    """
    some = [each for each in limits if each]
    spans = [span for each in some if (span := each.goes_into)]
    longest = max((each.lasts for each in some if each.lasts), default=own)
    usual = max(own, _HOUR) if longest > _DAY else own
    period = timedelta(seconds=gcd(*(int(each.total_seconds()) for each in (usual, *spans))))
    if own >= _HOUR and period < own:
        hours = own // _HOUR
        raise FieldError(f"it is measured each {hours} hours", f'leave "for …" out, or write "for {2 * hours} h"')
    if not all(each.fits(period) for each in some):
        raise FieldError(f"there are not so many values in that time, one each {duration(period)}", 'such as "for 25 min 3 of 5"')
    if longest / period > MOST_POINTS:
        raise FieldError(f"{longest // period:,} points are too many to look at", "let it last whole hours")
    return period


def check_rates(limits: Iterable[Condition | None], statistic: str) -> None:
    """Check limits of a second.

    Raises:
        Wrong: what is measured is not added up, so that there is no so much in a second; or some of them are of a second only.
    """
    rates = {each.rate for each in limits if each}
    if True in rates and statistic not in ("Sum", "SampleCount"):
        raise FieldError("only what is added up comes to so much in a second", 'leave "/s" out, or measure a Sum')
    if len(rates) > 1:
        raise FieldError("some limits are of a second, and some are not", 'write "/s" in all of them')


def query(text: str) -> Query:
    """Read a metric in one line: "AWS/Lambda Errors FunctionName=orders Sum"."""
    found = _METRIC.fullmatch(text.strip())
    if not found:
        raise FieldError(f"{text!r} is no metric", 'its namespace and its name: "AWS/EC2 CPUUtilization"')
    pairs = (pair.partition("=") for pair in found["more"].split())
    told = statistic(found["stat"]) if found["stat"] else "Average"
    return Query(found["space"], found["name"], tuple((name, value) for name, _, value in pairs), told)


def statistic(text: str) -> str:
    """Check the name of a statistic (Amazon CloudWatch user guide, "CloudWatch statistics definitions")."""
    if not _STATISTIC.fullmatch(text):
        raise FieldError(f"{text!r} is no statistic", "Average, Sum, Minimum, Maximum, SampleCount, or a percentile: p99")
    return text


def period(text: str) -> timedelta:
    """Read how long a point is."""
    span = values.span(text)
    if span.total_seconds() % 60:
        raise FieldError(f"{text!r} is no whole minute", 'write "1m", "5m" or "1h"')
    if span > _DAY:
        raise FieldError(f"{text!r} is longer than a day", 'write "1d" or less')
    return span
