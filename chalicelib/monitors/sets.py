"""Ready-made sets of metric monitors: one [[monitors]] table stands for all that one wants to know of an instance, a database,
a function, or the bill.

Sources: Amazon EC2 user guide, "Instance metrics" (status checks come each minute and cost nothing) and "CPU credits"; AWS Lambda
developer guide, "Types of metrics for Lambda functions"; Lambda's price is by GB-second.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from ..settings.table import Table
from ..settings.values import Wrong
from . import conditions
from .conditions import Condition
from .metric import Metric, MonthSum, Query
from .metric_settings import of_words
from .metric_words import RESOURCES
from .model import Check, Defaults

FIELDS = {
    "instance": ("id", "cpu", "credits", "status", "hours"),
    "database": ("id", "storage", "cpu", "connections", "lag"),
    "lambda": ("function", "errors", "throttles", "duration", "gb_seconds", "memory"),
    "bill": ("over", "service"),
}

_ALLOWANCE = re.compile(r"(\d+(?:\.\d+)?)(?: per month)?")
_MONEY = re.compile(r"(\d+(?:\.\d+)?) ?USD")
_HOUR = timedelta(hours=1)
_NEARLY = 0.8

# field -> the word it is of, what is an error where the settings do not say ("" for nothing), and what no data means
_Parts = Mapping[str, tuple[str, str, str]]
_INSTANCE: _Parts = {
    "cpu": ("cpu", "above 90 % for 15 min", "unknown"),
    "credits": ("credits", "below 20", "ok"),  # only burstable instances have any
    "status": ("status", "at least 1 for 2 min", "ok"),  # a stopped instance has none
}
_DATABASE: _Parts = {
    "storage": ("free storage", "below 5 GB", "unknown"),
    "cpu": ("cpu", "above 90 % for 15 min", "unknown"),
    "connections": ("connections", "", "ok"),
    "lag": ("replica lag", "above 60 s for 5 min", "ok"),  # only replicas have any
}
_LAMBDA: _Parts = {
    "throttles": ("throttles", "at least 1 for 5 min", "ok"),
    "duration": ("duration", "", "ok"),
}


class Bill(Metric, frozen=True):
    """What the month has cost so far; CloudWatch hears of it a few times a day."""

    every: ClassVar[timedelta] = timedelta(hours=6)

    @property
    def begins(self) -> timedelta:
        """A day and a half: it is late now and then."""
        return timedelta(hours=36)


def read_instance(table: Table, defaults: Defaults) -> Mapping[str, Check]:
    """CPU, credits, status checks; with an allowance the hours that it runs in a month."""
    name = table.text("id", needed=True)
    found = _parts(table, "instance", name, _INSTANCE)
    if (allowance := _allowance(table, "hours")) is not None:
        query = Query("AWS/EC2", "StatusCheckFailed", (("InstanceId", name),), "SampleCount")
        what = f"hours that instance {name} runs, {allowance:g} a month"
        found["hours"] = _month(what, query, "hours", allowance, 1 / 60, "has run")
    return found


def read_database(table: Table, defaults: Defaults) -> Mapping[str, Check]:
    """Free storage, CPU, replica lag; connections where there is a limit."""
    return _parts(table, "database", table.text("id", needed=True), _DATABASE)


def read_lambda(table: Table, defaults: Defaults) -> Mapping[str, Check]:
    """The share of errors, throttles; duration and GB-seconds where there is a limit."""
    name = table.text("function", needed=True)
    found: dict[str, Check] = {}
    if (limit := _limit(table, "errors", "above 5 % for 10 min", "%")) is not None:
        dimensions = (("FunctionName", name),)
        queries = tuple((each.lower(), Query("AWS/Lambda", each, dimensions, "Sum")) for each in ("Errors", "Invocations"))
        found["errors"] = Metric(
            what=f"share of errors of function {name}, not {limit}",
            label="share of errors",
            queries=queries,
            math="100 * errors / invocations",
            period=limit.lasts or timedelta(minutes=10),
            unit="%",
            error=limit,
            missing="ok",  # it was not called
        )
    found |= _parts(table, "function", name, _LAMBDA)
    if (allowance := _allowance(table, "gb_seconds")) is not None:
        memory = table.number("memory", 128, 128, 10_240)
        query = Query("AWS/Lambda", "Duration", (("FunctionName", name),), "Sum")
        what = f"GB-seconds of function {name}, {allowance:,g} a month"
        found["gb-seconds"] = _month(what, query, "", allowance, memory / 1024 / 1000, "has used")
    return found


def read_bill(table: Table, defaults: Defaults) -> Mapping[str, Check]:
    """What this month has cost so far, of all services or of one; a warning at 80 %."""
    over = table.parsed("over", 1.0, _money) if table.has("over") else 1.0
    if not table.has("over"):
        table.wrong("over", "it is missing", 'such as over = "20 USD"')
    service = table.text("service")
    resource = RESOURCES["bill"]
    named = {
        "error": Condition("above", over, text=f"above {over:g} USD"),
        "warn": Condition("above", over * _NEARLY, text=f"above {over * _NEARLY:g} USD"),
    }
    plain = of_words(resource, service, "cost", service or "this account", named)
    return {"": Bill(**{field: getattr(plain, field) for field in plain.__struct_fields__})}


def _parts(table: Table, kind: str, name: str, parts: _Parts) -> dict[str, Check]:
    resource, found = RESOURCES[kind], dict[str, Check]()
    for field, (word, default, missing) in parts.items():
        limit = _limit(table, field, default, resource.words[word].unit)
        if limit is not None:
            found[field] = of_words(resource, name, word, f"{kind} {name}", {"error": limit}, missing)
    return found


def _limit(table: Table, field: str, default: str, unit: str) -> Condition | None:
    """The condition of a part; None where it is off, or where there is none."""
    if table.raw(field) == "off" or (not default and not table.has(field)):
        return None
    usual = conditions.parse(default, {}, unit) if default else None
    return table.parsed(field, usual, lambda text: conditions.parse(text, {}, unit))


def _allowance(table: Table, field: str) -> float | None:
    def parse(text: str) -> float:
        found = _ALLOWANCE.fullmatch(text)
        if not found or not float(found[1]):
            raise Wrong(f"{text!r} is no allowance", 'write "160 per month"')
        return float(found[1])

    return table.parsed(field, 1.0, parse) if table.has(field) else None


def _money(text: str) -> float:
    found = _MONEY.fullmatch(text)
    if not found or not float(found[1]):
        raise Wrong(f"{text!r} is no amount", 'write "20 USD"')
    return float(found[1])


def _month(what: str, query: Query, unit: str, allowance: float, factor: float, verb: str) -> MonthSum:
    return MonthSum(
        what=what,
        label=what,
        queries=(("value", query),),
        period=_HOUR,
        unit=unit,
        missing="ok",
        allowance=allowance,
        factor=factor,
        verb=verb,
    )
