"""Reads monitors of kind "metric": a resource and words, any metric by its name, or metric math."""

import re
from collections.abc import Mapping
from datetime import timedelta

from ...domain.monitor import Check, MonitorDefaults
from ...platform.fields.table import Table
from ...platform.phrases import did_you_mean
from . import conditions, values
from .check import Metric, Missing, Query, measured
from .conditions import Condition, at_odds, never_first
from .resources import RESOURCES, Resource
from .values import FIVE, MOST_POINTS

FIELDS = {
    "metric": (
        *("of", "metric", "dimensions", "statistic", "period", "unit", "math", "metrics", "region"),
        *("error", "warn", "clear", "missing"),
    )
}

Limits = Mapping[str, Condition | None]  # by error, warn and clear

_OWN: Mapping[str, tuple[str, ...]] = {  # what goes with each way of saying what is measured
    "of": ("period", "region"),
    "metric": ("dimensions", "statistic", "period", "unit", "region"),
    "math": ("metrics", "period", "unit", "region"),
}
_NAME = re.compile(r"[a-z][A-Za-z0-9_]*")
_USED = re.compile(r"\b[a-z][A-Za-z0-9_]*\b")
_MANY = re.compile(r"['\"]|\b(?:SEARCH|METRICS|SELECT|ANOMALY_DETECTION_BAND)\b")


def read(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """The check of a table; what is wrong with it is written down in the table."""
    ways = [way for way in _OWN if table.has(way)]
    if len(ways) != 1:
        problem = f"{' and '.join(ways)} are different things to measure" if ways else "it says nothing to measure"
        table.wrong(ways[-1] if ways else "", problem, 'give of = "instance i-…", or metric, or math with metrics')
        return {}
    for field in dict.fromkeys(field for fields in _OWN.values() for field in fields):
        if table.has(field) and field not in _OWN[ways[0]]:
            table.wrong(field, f"it does not go with {ways[0]}", "leave it out")
    if not table.has("error") and not table.has("warn"):
        table.wrong("error", "it says nothing that is too much", 'such as error = "cpu above 80 % for 15 min"')
        return {}
    found = {"of": _of_resource, "metric": _of_metric, "math": _of_math}[ways[0]](table)
    return {"": found} if found else {}


def of_words(
    resource: Resource,
    name: str,
    word: str,
    label: str,
    limits: Limits,
    *,
    period: timedelta,
    missing: Missing = "unknown",
    where: str = "",
) -> Metric:
    """The check of a word of a resource; `name` is "" where none is named, `where` the region unless it is the bot's."""
    known = resource.words[word]
    dimensions = (*(((resource.dimension, name),) if name else ()), *known.dimensions)
    return measured(
        what=f"{word} of {label}, {_wanted(limits)}",
        label=known.label or word,
        queries=(("value", Query(resource.namespace, known.metric, dimensions, known.statistic)),),
        unit=known.unit,
        error=limits.get("error"),
        warn=limits.get("warn"),
        clear=limits.get("clear"),
        missing=missing,
        region=where or resource.region,
        period=period,
    )


def _of_resource(table: Table) -> Metric | None:
    kind, _, name = table.text("of").strip().partition(" ")
    resource = RESOURCES.get(kind)
    if resource is None or (not name and kind != "bill"):
        hint = did_you_mean(kind, RESOURCES) if resource is None else f'such as "{kind} {resource.such}"'
        table.wrong("of", f"{table.raw('of')!r} is nothing that can be measured", hint)
        return None
    if name:
        table.attempt("of", "", lambda: values.named(resource, name))
    limits = _limits(table, {word: each.unit for word, each in resource.words.items()})
    words = {each.word for each in limits.values() if each}
    if len(words) > 1:
        table.wrong("warn", f"{' and '.join(sorted(words))} are measured apart", "make a monitor of each")
    if len(words) != 1:
        return None
    (word,) = words
    _check_rates(table, limits, resource.words[word].statistic)
    period = _period(table, limits, timedelta(seconds=resource.words[word].period_s))
    where = _region(table)
    if resource.region and where not in ("", resource.region):
        table.wrong("region", f"it is measured in {resource.region} alone", "leave it out")
    label = name if kind == "bill" and name else "this account" if kind == "bill" else f"{kind} {name}"
    return of_words(resource, name, word, label, limits, period=period, missing=_missing(table), where=where)


def _of_metric(table: Table) -> Metric | None:
    found = table.parsed("metric", None, values.query)
    if found is None:
        return None
    raw = table.raw("dimensions")
    inner = table.inner("dimensions", ()) if raw is not None else None
    dimensions = tuple((name, inner.text(name)) for name in raw) if inner and isinstance(raw, dict) else ()
    statistic = table.text("statistic", found.statistic, values.statistic)
    query = Query(found.namespace, found.metric, (*found.dimensions, *dimensions), statistic)
    told = " ".join(value for _, value in query.dimensions)
    return _plain(table, query.metric, f"{query.metric} of {told}" if told else query.metric, (("value", query),), "")


def _of_math(table: Table) -> Metric | None:
    math, raw = table.text("math"), table.raw("metrics")
    if not isinstance(raw, dict) or not raw:
        hint = 'metrics = { errors = "AWS/Lambda Errors FunctionName=orders Sum" }'
        table.wrong("metrics", "math needs what it reckons with", hint)
        return None
    inner = table.inner("metrics", ())
    queries = tuple((name, query) for name in raw if (query := inner.parsed(name, None, values.query)))
    _check_math(table, math, list(raw))
    return _plain(table, "it", math, queries, math)


def _check_math(table: Table, math: str, names: list[str]) -> None:
    """Write down what of a formula cannot be reckoned."""
    if _MANY.search(math):
        table.wrong("math", "it gives many values, and a monitor is of one", "reckon with the names of metrics alone")
        return
    for name in names:
        if not _NAME.fullmatch(name):
            hint = "begin it with a small letter, and go on with letters and digits"
            table.wrong("metrics", f"{name!r} cannot stand in a formula", hint)
    used = dict.fromkeys(_USED.findall(math))
    for name in used:
        if name not in names:
            function = f"{name}(" in math.replace(" ", "")
            hint = f"functions are written large: {name.upper()}" if function else did_you_mean(name, names)
            table.wrong("math", f"metrics has no {name!r}", hint)
    for name in names:
        if _NAME.fullmatch(name) and name not in used:
            table.wrong("metrics", f"math does not use {name!r}", "leave it out, or put it into the formula")


def _plain(table: Table, label: str, what: str, queries: tuple[tuple[str, Query], ...], math: str) -> Metric:
    unit = _unit(table)
    limits = _limits(table, {}, unit)
    _check_rates(table, limits, "" if math or not queries else queries[0][1].statistic)
    return measured(
        what=f"{what}, {_wanted(limits)}",
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
    if error and warn and error.word == warn.word and never_first(warn, error):
        table.wrong("warn", "the warning would never come before the error", "exchange the two, or give it a milder limit")
    if clear and any(each and at_odds(clear, each) for each in (error, warn)):
        table.wrong("clear", "it does not say when the trouble is over", 'such as clear = "below 70" after "above 80"')
    return limits


def _check_rates(table: Table, limits: Limits, statistic: str) -> None:
    first = next((name for name, each in limits.items() if each), "error")
    table.attempt(first, None, lambda: values.check_rates(limits.values(), statistic))


def _wanted(limits: Limits) -> str:
    return " and ".join(f"not {each.text}" for name in ("error", "warn") if (each := limits.get(name)))


def _period(table: Table, limits: Limits, own: timedelta = FIVE) -> timedelta:
    if not table.has("period"):
        return table.attempt("error" if limits["error"] else "warn", own, lambda: values.period_of(limits.values(), own))
    period = table.parsed("period", own, values.period)
    for each in filter(None, limits.values()):
        span = each.over(period)
        if not each.fits(period):
            table.wrong("period", "it does not go into the time that a condition lasts", 'such as period = "5m" for 15 min')
        elif span / period > MOST_POINTS:
            table.wrong("period", f"{span // period:,} points are too many to look at", 'give a longer one: period = "1h"')
    return period


def _missing(table: Table) -> Missing:
    found: Missing = table.choice("missing", "unknown", ("unknown", "ok", "error"))
    return found


def _region(table: Table) -> str:
    return table.text("region", "", values.region)


def _unit(table: Table) -> str:
    """The unit of the metric; where it is not given, that of what is written, if that can be of one alone."""
    if table.has("unit"):
        found: str = table.choice("unit", "", tuple(conditions.UNITS))
        return found
    texts = [str(table.raw(name) or "") for name in ("error", "warn", "clear")]
    return next(filter(None, map(conditions.unit_of, texts)), "")
