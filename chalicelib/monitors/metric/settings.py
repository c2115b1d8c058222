"""Reads monitors of kind "metric": a metric of a resource, any metric by its name, or metric math."""

import re
from collections.abc import Mapping
from datetime import timedelta

from ...domain.monitor import Check, MonitorDefaults
from ...platform.fields import values as field_values
from ...platform.fields.table import Table
from ...platform.phrases import did_you_mean
from . import conditions, values
from .check import MetricCheck, Missing, Query, metric_check
from .conditions import Condition, never_warns_first, overlap
from .resources import RESOURCES, Resource
from .values import DEFAULT_PERIOD, MAX_POINTS, too_many_points

FIELDS = {
    "metric": (
        *("of", "metric", "dimensions", "statistic", "period", "unit", "math", "metrics", "region"),
        *("error", "warn", "clear", "missing"),
    )
}

Limits = Mapping[str, Condition | None]  # by error, warn and clear

_SOURCES: Mapping[str, tuple[str, ...]] = {  # the ways to choose a metric, and the fields of each
    "of": ("period", "region"),
    "metric": ("dimensions", "statistic", "period", "unit", "region"),
    "math": ("metrics", "period", "unit", "region"),
}
_NAME = re.compile(r"[a-z][A-Za-z0-9_]*")
_NAMES_IN_MATH = re.compile(r"\b[a-z][A-Za-z0-9_]*\b")
_MANY_SERIES = re.compile(r"['\"]|\b(?:SEARCH|METRICS|SELECT|ANOMALY_DETECTION_BAND)\b")


def read(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Return the check of a table; errors are added to the table."""
    sources = [source for source in _SOURCES if table.has(source)]
    if len(sources) != 1:
        problem = f"{' and '.join(map(repr, sources))} cannot be combined" if sources else "no metric to check"
        hint = "keep one" if sources else 'set of, for example of = "instance i-0abc123", or metric, or math and metrics'
        table.add_error(sources[-1] if sources else "", problem, hint)
        return {}
    (source,) = sources
    for field in dict.fromkeys(field for fields in _SOURCES.values() for field in fields):
        if table.has(field) and field not in _SOURCES[source]:
            table.add_error(field, f"'{field}' and '{source}' cannot be combined", "remove one")
    if not table.has("error") and not table.has("warn"):
        table.add_error("error", "missing", 'set error or warn, for example error = "cpu above 80 % for 15 min"')
        return {}
    check = {"of": _resource_check, "metric": _any_metric_check, "math": _math_check}[source](table)
    return {"": check} if check else {}


def named_metric_check(
    resource: Resource,
    name: str,
    metric: str,
    label: str,
    limits: Limits,
    *,
    period: timedelta,
    missing: Missing = "unknown",
    region: str = "",
) -> MetricCheck:
    """Return the check of a resource's metric. `name` is "" for all resources, `region` for the bot's."""
    known = resource.metrics[metric]
    dimensions = (*(((resource.dimension, name),) if name else ()), *known.dimensions)
    return metric_check(
        description=f"{metric} of {label}: {_describe(limits)}",
        label=known.label or metric,
        queries=(("value", Query(resource.namespace, known.metric, dimensions, known.statistic)),),
        unit=known.unit,
        error=limits.get("error"),
        warn=limits.get("warn"),
        clear=limits.get("clear"),
        missing=missing,
        region=region or resource.region,
        period=period,
    )


def _resource_check(table: Table) -> MetricCheck | None:
    kind, _, name = table.text("of").strip().partition(" ")
    resource = RESOURCES.get(kind)
    if resource is None:
        table.add_error("of", f"unknown resource {table.raw('of')!r}", did_you_mean(kind, RESOURCES))
        return None
    if not name and kind != "bill":
        table.add_error("of", f"no name in {table.raw('of')!r}", f'use for example "{kind} {resource.example}"')
        return None
    if name:
        table.attempt("of", "", lambda: values.resource_name(resource, name))
    limits = _limits(table, {metric: known.unit for metric, known in resource.metrics.items()})
    metrics = {condition.metric for condition in limits.values() if condition}
    if len(metrics) > 1:
        table.add_error("warn", f"{' and '.join(sorted(metrics))} are different metrics", "create a monitor for each")
    if len(metrics) != 1:
        return None
    (metric,) = metrics
    _check_rates(table, limits, resource.metrics[metric].statistic)
    period = _period(table, limits, timedelta(seconds=resource.metrics[metric].period_s))
    region = _region(table)
    if resource.region and region not in ("", resource.region):
        table.add_error("region", f"this metric exists only in {resource.region}", "remove it")
    label = name if kind == "bill" and name else "this account" if kind == "bill" else f"{kind} {name}"
    return named_metric_check(resource, name, metric, label, limits, period=period, missing=_missing(table), region=region)


def _any_metric_check(table: Table) -> MetricCheck | None:
    parsed = table.parsed("metric", None, values.query)
    if parsed is None:
        return None
    raw = table.raw("dimensions")
    inner = table.inner("dimensions", ()) if raw is not None else None
    dimensions = tuple((name, inner.text(name)) for name in raw) if inner and isinstance(raw, dict) else ()
    statistic = table.text("statistic", parsed.statistic, values.statistic)
    query = Query(parsed.namespace, parsed.metric, (*parsed.dimensions, *dimensions), statistic)
    names = " ".join(value for _, value in query.dimensions)
    subject = f"{query.metric} of {names}" if names else query.metric
    return _check(table, query.metric, subject, (("value", query),), "")


def _math_check(table: Table) -> MetricCheck | None:
    math, raw = table.text("math"), table.raw("metrics")
    if not isinstance(raw, dict) or not raw:
        hint = 'set the metrics of the formula, for example metrics = { errors = "AWS/Lambda Errors FunctionName=orders Sum" }'
        table.add_error("metrics", "missing", hint)
        return None
    inner = table.inner("metrics", ())
    queries = tuple((name, query) for name in raw if (query := inner.parsed(name, None, values.query)))
    _check_math(table, math, list(raw))
    return _check(table, "it", math, queries, math)


def _check_math(table: Table, math: str, names: list[str]) -> None:
    """Add an error for everything in a formula that CloudWatch would reject."""
    if _MANY_SERIES.search(math):
        table.add_error("math", "returns several time series", "use only the names in metrics")
        return
    for name in names:
        if not _NAME.fullmatch(name):
            table.add_error("metrics", f"invalid name {name!r}", "start with a lower-case letter; use letters, digits and '_'")
    used = dict.fromkeys(_NAMES_IN_MATH.findall(math))
    for name in used:
        if name not in names:
            is_function = f"{name}(" in math.replace(" ", "")
            hint = f"write functions in capitals: {name.upper()}" if is_function else did_you_mean(name, names)
            table.add_error("math", f"metrics has no {name!r}", hint)
    for name in names:
        if _NAME.fullmatch(name) and name not in used:
            table.add_error("metrics", f"math does not use {name!r}", "remove it, or use it in the formula")


def _check(table: Table, label: str, subject: str, queries: tuple[tuple[str, Query], ...], math: str) -> MetricCheck:
    unit = _unit(table)
    limits = _limits(table, {}, unit)
    _check_rates(table, limits, "" if math or not queries else queries[0][1].statistic)
    return metric_check(
        description=f"{subject}: {_describe(limits)}",
        label=label,
        queries=queries,
        math=math,
        period=_period(table, limits),
        unit=unit,
        **limits,
        missing=_missing(table),
        region=_region(table),
    )


def _limits(table: Table, units: Mapping[str, str], unit: str = "") -> dict[str, Condition | None]:
    def parse(text: str) -> Condition:
        return conditions.parse(text, units, unit)

    limits = {name: table.parsed(name, None, parse) for name in ("error", "warn", "clear")}
    error, warn, clear = limits.values()
    if error and warn and error.metric == warn.metric and never_warns_first(warn, error):
        table.add_error("warn", "the warning would never come before the error", "swap the two, or set a milder limit")
    if clear and any(condition and overlap(clear, condition) for condition in (error, warn)):
        hint = 'use for example clear = "below 70" with error = "above 80"'
        table.add_error("clear", "can hold together with the error or the warning", hint)
    return limits


def _check_rates(table: Table, limits: Limits, statistic: str) -> None:
    first = next((name for name, condition in limits.items() if condition), "error")
    table.attempt(first, None, lambda: values.check_rates(limits.values(), statistic))


def _describe(limits: Limits) -> str:
    names = {"error": "error", "warn": "warning"}
    return ", ".join(f"{names[name]} {condition.text}" for name in names if (condition := limits.get(name)))


def _period(table: Table, limits: Limits, own: timedelta = DEFAULT_PERIOD) -> timedelta:
    if not table.has("period"):
        return table.attempt("error" if limits["error"] else "warn", own, lambda: values.choose_period(limits.values(), own))
    period = table.parsed("period", own, values.period)
    for condition in filter(None, limits.values()):
        window = condition.window(period)
        if not condition.fits(period):
            hint = 'use for example period = "5m" for 15 min'
            table.add_error("period", "the time of a condition is not a multiple of the period", hint)
        elif window / period > MAX_POINTS:
            table.add_error("period", too_many_points(window // period), 'use a longer period, for example "1h"')
    return period


def _missing(table: Table) -> Missing:
    missing: Missing = table.choice("missing", "unknown", ("unknown", "ok", "error"))
    return missing


def _region(table: Table) -> str:
    return table.text("region", "", field_values.region)


def _unit(table: Table) -> str:
    """The unit of the metric: as set, or else what the limits imply."""
    if table.has("unit"):
        return table.text("unit", "", values.unit)
    texts = [str(table.raw(name) or "") for name in ("error", "warn", "clear")]
    return next(filter(None, map(conditions.unit_of, texts)), "")
