"""Ready-made sets of metric monitors: one [[monitors]] table creates the usual ones of an instance, a database, a function or
the bill.

Sources: Amazon EC2 user guide, "Status checks for your instances" (every minute, at no charge) and "CPU credits"; Amazon RDS user
guide, "Monitoring read replication" (a lag of -1 means that replication has stopped); AWS Lambda developer guide, "Types of
metrics for Lambda functions"; AWS Lambda pricing: duration in GB-seconds, 1 GB being 1,024 MB.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from ...domain.monitor import Check, MonitorDefaults
from ...platform.fields.table import FieldError, Table
from ...platform.fields.values import region
from . import conditions
from .check import WARNING_SHARE, MetricCheck, Missing, MonthlyAllowanceCheck, Query
from .conditions import Condition
from .resources import RESOURCES, Resource
from .settings import named_metric_check
from .values import check_rates, choose_period, resource_name

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

# field -> its metric, the default condition for an error ("" for none), and the state if there is no data
_Parts = Mapping[str, tuple[str, str, Missing]]
_INSTANCE: _Parts = {
    "cpu": ("cpu", "above 90 % for 15 min", "unknown"),
    "credits": ("credits", "below 20", "ok"),  # only burstable instances have them
    "status": ("status", "at least 1 for 2 min", "ok"),  # a stopped instance has none
}
_DATABASE: _Parts = {
    "storage": ("free storage", "below 5 GB", "unknown"),
    "cpu": ("cpu", "above 90 % for 15 min", "unknown"),
    "connections": ("connections", "", "unknown"),
    "lag": ("replica lag", "above 60 s for 5 min", "ok"),  # only replicas have it
    "replication": ("replica lag", "below 0 s for 5 min", "ok"),
}
_ERRORS: _Parts = {"errors": ("errors", "", "ok")}
_LAMBDA: _Parts = {
    "throttles": ("throttles", "at least 1", "ok"),  # no data: not invoked
    "duration": ("duration", "", "ok"),
}


def read_instance(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Check CPU, credits and status checks; with an allowance, the running hours of the month."""
    id_, region_ = _name(table, "id", RESOURCES["instance"]), _region(table)
    checks = _checks(table, "instance", id_, _INSTANCE, region_)
    if (allowance := _allowance(table, "hours")) is not None:
        query = Query("AWS/EC2", "StatusCheckFailed", (("InstanceId", id_),), "SampleCount")  # one per running minute
        description = f"running hours of instance {id_}: {allowance:,g} per month"
        checks["hours"] = _monthly_check(description, query, "hours", allowance, 1 / 60, "has run", region_)
    return checks


def read_database(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Check free storage, CPU, replica lag and stopped replication; connections if there is a limit."""
    return _checks(table, "database", _name(table, "id", RESOURCES["database"]), _DATABASE, _region(table))


def read_lambda(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Check the error rate (the number of errors, if the limit is a number) and throttles; duration and GB-seconds if there is a
    limit."""
    name, region_ = _name(table, "function", RESOURCES["function"]), _region(table)
    checks: dict[str, Check] = {}
    errors = table.raw("errors")
    if isinstance(errors, str) and errors != "off" and "%" not in errors:
        checks |= _checks(table, "function", name, _ERRORS, region_)
    elif limit := _limit(table, "errors", "above 5 % for 10 min", "%"):
        checks["errors"] = _error_rate_check(table, name, limit, region_)
    checks |= _checks(table, "function", name, _LAMBDA, region_)
    allowance = _allowance(table, "gb_seconds")
    for field, other in (("gb_seconds", "memory"), ("memory", "gb_seconds")):
        if table.has(field) and not table.has(other):
            hint = f'{field} needs it, for example gb_seconds = "400000 per month" with memory = 256'
            table.add_error(other, "missing", hint)
    memory = table.number("memory", 128, 128, 10_240)
    if allowance is not None:
        query = Query("AWS/Lambda", "Duration", (("FunctionName", name),), "Sum")
        description = f"GB-seconds of function {name}: {allowance:,g} per month"
        factor = memory / 1024 / 1000
        checks["gb-seconds"] = _monthly_check(description, query, "GB-seconds", allowance, factor, "has used", region_)
    return checks


def read_bill(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Check the month-to-date cost of all services or of one; a warning at 80 %."""
    over, resource = table.parsed("over", 1.0, _money), RESOURCES["bill"]
    if not table.has("over"):
        table.add_error("over", "missing", 'set it, for example over = "20 USD"')
    service = _name(table, "service", resource) if table.has("service") else ""
    limits = {
        name: Condition("above", amount, bound=f"above {amount:,.2f} USD")
        for name, amount in (("error", over), ("warn", over * WARNING_SHARE))
    }
    period = timedelta(seconds=resource.metrics["cost"].period_s)
    return {"": named_metric_check(resource, service, "cost", service or "this account", limits, period=period)}


def _error_rate_check(table: Table, name: str, limit: Condition, region_: str) -> MetricCheck:
    """The error rate over the whole duration of the limit: in a few minutes there may be only a few invocations."""
    table.attempt("errors", None, lambda: check_rates([limit], ""))
    period = limit.period_multiple or timedelta(minutes=10)
    if period > _DAY:
        table.add_error("errors", "must not be longer than a day", 'use for example "above 5 % for 10 min"')
        period = _DAY
    dimensions = (("FunctionName", name),)
    return MetricCheck(
        description=f"error rate of function {name}: error {limit.text}",
        label="error rate",
        queries=tuple((metric.lower(), Query("AWS/Lambda", metric, dimensions, "Sum")) for metric in ("Errors", "Invocations")),
        math="100 * errors / invocations",
        period=period,
        unit="%",
        error=limit,
        missing="ok",  # not invoked
        region=region_,
    )


def _checks(table: Table, kind: str, name: str, parts: _Parts, region_: str) -> dict[str, Check]:
    resource, checks = RESOURCES[kind], dict[str, Check]()
    missing_by_user: Missing = table.choice("missing", "unknown", _MISSING)  # for metrics that should always have data
    for field, (metric, default, missing) in parts.items():
        known = resource.metrics[metric]
        if limit := _limit(table, field, default, known.unit):
            table.attempt(field, None, lambda: check_rates([limit], known.statistic))  # noqa: B023
            period = table.attempt(field, _DAY, lambda: choose_period([limit], timedelta(seconds=known.period_s)))  # noqa: B023
            checks[field] = named_metric_check(
                resource,
                name,
                metric,
                f"{kind} {name}",
                {"error": limit},
                period=period,
                missing=missing_by_user if missing == "unknown" else missing,
                region=region_,
            )
    return checks


def _limit(table: Table, field: str, default: str, unit: str) -> Condition | None:
    """Return the condition of a field; None if it is off, or not set and without default."""
    if table.raw(field) == "off" or (not default and not table.has(field)):
        return None
    default_limit = conditions.parse(default, {}, unit) if default else None
    return table.parsed(field, default_limit, lambda text: conditions.parse(text, {}, unit))


def _name(table: Table, field: str, resource: Resource) -> str:
    return table.text(field, "", lambda text: resource_name(resource, text), required=f'"{resource.example}"')


def _region(table: Table) -> str:
    return table.text("region", "", region)


def _allowance(table: Table, field: str) -> float | None:
    return table.parsed(field, 1.0, _amount(_ALLOWANCE, "allowance", "160 per month")) if table.has(field) else None


def _amount(pattern: re.Pattern[str], noun: str, example: str) -> Callable[[str], float]:
    def parse(text: str) -> float:
        match = pattern.fullmatch(text)
        amount = float(match[1].replace(",", "")) if match else 0
        if not amount:
            raise FieldError(f"invalid {noun} {text!r}", f'use for example "{example}"')
        return amount

    return parse


_money = _amount(_MONEY, "amount", "20 USD")


def _monthly_check(
    description: str, query: Query, unit: str, allowance: float, factor: float, verb: str, region_: str
) -> MonthlyAllowanceCheck:
    return MonthlyAllowanceCheck(
        description=description,
        label=description,
        queries=(("value", query),),
        period=_DAY,
        unit=unit,
        missing="ok",
        region=region_,
        allowance=allowance,
        factor=factor,
        verb=verb,
    )
