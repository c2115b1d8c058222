"""Ready-made sets of metric monitors: one [[monitors]] table stands for all that one wants to know of an instance, a database,
a function, or the bill.

Sources: Amazon EC2 user guide, "Status checks for your instances" (each minute, at no charge) and "CPU credits"; Amazon RDS user
guide, "Monitoring read replication" (a lag of -1 is a replication that stands still); AWS Lambda developer guide, "Types of
metrics for Lambda functions"; AWS Lambda pricing: duration in GB-seconds, a GB being 1,024 MB.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from ...domain.monitor import Check, MonitorDefaults
from ...platform.fields.table import FieldError, Table
from . import conditions
from .check import NEARLY, Metric, Missing, MonthSum, Query
from .conditions import Condition
from .resources import RESOURCES, Resource
from .settings import of_words
from .values import check_rates, named, period_of, region

FIELDS = {
    "instance": ("id", "cpu", "credits", "status", "hours", "missing", "region"),
    "database": ("id", "storage", "cpu", "connections", "lag", "replication", "missing", "region"),
    "lambda": ("function", "errors", "throttles", "duration", "gb_seconds", "memory", "region"),
    "bill": ("over", "service"),
}

_ALLOWANCE = re.compile(r"(\d[\d,]{0,14}(?:\.\d{1,6})?)(?: per month)?")
_MONEY = re.compile(r"(\d[\d,]{0,14}(?:\.\d{1,6})?) ?USD")
_DAY = timedelta(days=1)
_MISSING = ("unknown", "ok", "error")

# field -> the word it is of, what is an error where the settings do not say ("" for nothing), and what no data means
_Parts = Mapping[str, tuple[str, str, Missing]]
_INSTANCE: _Parts = {
    "cpu": ("cpu", "above 90 % for 15 min", "unknown"),
    "credits": ("credits", "below 20", "ok"),  # only burstable instances have any
    "status": ("status", "at least 1 for 2 min", "ok"),  # a stopped instance has none
}
_DATABASE: _Parts = {
    "storage": ("free storage", "below 5 GB", "unknown"),
    "cpu": ("cpu", "above 90 % for 15 min", "unknown"),
    "connections": ("connections", "", "unknown"),
    "lag": ("replica lag", "above 60 s for 5 min", "ok"),  # only replicas have any
    "replication": ("replica lag", "below 0 s for 5 min", "ok"),
}
_ERRORS: _Parts = {"errors": ("errors", "", "ok")}
_LAMBDA: _Parts = {
    "throttles": ("throttles", "at least 1", "ok"),  # it was not called
    "duration": ("duration", "", "ok"),
}


def read_instance(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """CPU, credits, status checks; with an allowance the hours that it runs in a month."""
    name, where = _name(table, "id", RESOURCES["instance"]), _region(table)
    found = _parts(table, "instance", name, _INSTANCE, where)
    if (allowance := _allowance(table, "hours")) is not None:
        query = Query("AWS/EC2", "StatusCheckFailed", (("InstanceId", name),), "SampleCount")  # one a minute that it runs
        what = f"hours that instance {name} runs, {allowance:,g} a month"
        found["hours"] = _month(what, query, "hours", allowance, 1 / 60, "has run", where)
    return found


def read_database(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Free storage, CPU, replica lag and a replication that stands still; connections where there is a limit."""
    return _parts(table, "database", _name(table, "id", RESOURCES["database"]), _DATABASE, _region(table))


def read_lambda(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """The share of errors, or how many where the limit is a number; throttles; duration and GB-seconds where there is a limit."""
    name, where = _name(table, "function", RESOURCES["function"]), _region(table)
    found: dict[str, Check] = {}
    wanted = table.raw("errors")
    if isinstance(wanted, str) and wanted != "off" and "%" not in wanted:
        found |= _parts(table, "function", name, _ERRORS, where)
    elif limit := _limit(table, "errors", "above 5 % for 10 min", "%"):
        found["errors"] = _share_of_errors(table, name, limit, where)
    found |= _parts(table, "function", name, _LAMBDA, where)
    allowance = _allowance(table, "gb_seconds")
    for one, other in (("gb_seconds", "memory"), ("memory", "gb_seconds")):
        if table.has(one) and not table.has(other):
            table.wrong(other, f"{one} needs it", 'such as gb_seconds = "400000 per month" with memory = 256')
    memory = table.number("memory", 128, 128, 10_240)
    if allowance is not None:
        query = Query("AWS/Lambda", "Duration", (("FunctionName", name),), "Sum")
        what = f"GB-seconds of function {name}, {allowance:,g} a month"
        found["gb-seconds"] = _month(what, query, "GB-seconds", allowance, memory / 1024 / 1000, "has used", where)
    return found


def read_bill(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """What this month has cost so far, of all services or of one; a warning at 80 %."""
    if not table.has("over"):
        table.wrong("over", "it is missing", 'such as over = "20 USD"')
    over, resource = table.parsed("over", 1.0, _money), RESOURCES["bill"]
    service = _name(table, "service", resource) if table.has("service") else ""
    limits = {
        name: Condition("above", some, bound=f"above {some:,.2f} USD")
        for name, some in (("error", over), ("warn", over * NEARLY))
    }
    period = timedelta(seconds=resource.words["cost"].period_s)
    return {"": of_words(resource, service, "cost", service or "this account", limits, period=period)}


def _share_of_errors(table: Table, name: str, limit: Condition, where: str) -> Metric:
    """Of all calls of the time that it has to last: that of a few minutes may be of a few calls."""
    table.attempt("errors", None, lambda: check_rates([limit], ""))
    over = limit.goes_into or timedelta(minutes=10)
    if over > _DAY:
        table.wrong("errors", "that is more than a day", 'write "above 5 % for 10 min"')
        over = _DAY
    return Metric(
        what=f"share of errors of function {name}, not {limit.text}",
        label="share of errors",
        queries=tuple(
            (each.lower(), Query("AWS/Lambda", each, (("FunctionName", name),), "Sum")) for each in ("Errors", "Invocations")
        ),
        math="100 * errors / invocations",
        period=over,
        unit="%",
        error=limit,
        missing="ok",  # it was not called
        region=where,
    )


def _parts(table: Table, kind: str, name: str, parts: _Parts, where: str) -> dict[str, Check]:
    resource, found = RESOURCES[kind], dict[str, Check]()
    silent: Missing = table.choice("missing", "unknown", _MISSING)  # of what should always be there
    for field, (word, default, missing) in parts.items():
        known = resource.words[word]
        if limit := _limit(table, field, default, known.unit):
            table.attempt(field, None, lambda: check_rates([limit], known.statistic))  # noqa: B023
            period = table.attempt(field, _DAY, lambda: period_of([limit], timedelta(seconds=known.period_s)))  # noqa: B023
            label, limits, told = f"{kind} {name}", {"error": limit}, silent if missing == "unknown" else missing
            found[field] = of_words(resource, name, word, label, limits, period=period, missing=told, where=where)
    return found


def _limit(table: Table, field: str, default: str, unit: str) -> Condition | None:
    """The condition of a part; None where it is off, or where there is none."""
    if table.raw(field) == "off" or (not default and not table.has(field)):
        return None
    usual = conditions.parse(default, {}, unit) if default else None
    return table.parsed(field, usual, lambda text: conditions.parse(text, {}, unit))


def _name(table: Table, field: str, resource: Resource) -> str:
    return table.text(field, "", lambda text: named(resource, text), needed=True)


def _region(table: Table) -> str:
    return table.text("region", "", region)


def _allowance(table: Table, field: str) -> float | None:
    return table.parsed(field, 1.0, _amount(_ALLOWANCE, "allowance", "160 per month")) if table.has(field) else None


def _amount(pattern: re.Pattern[str], noun: str, such: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        found = pattern.fullmatch(text)
        amount = float(found[1].replace(",", "")) if found else 0
        if not amount:
            raise FieldError(f"{text!r} is no {noun}", f'write "{such}"')
        return amount

    return parse


_money = _amount(_MONEY, "amount", "20 USD")


def _month(what: str, query: Query, unit: str, allowance: float, factor: float, verb: str, where: str) -> MonthSum:
    return MonthSum(
        what=what,
        label=what,
        queries=(("value", query),),
        period=_DAY,
        unit=unit,
        missing="ok",
        region=where,
        allowance=allowance,
        factor=factor,
        verb=verb,
    )
