"""Reads monitors of kind "metric": a resource and words, any metric by its name, or metric math."""

import re
from collections.abc import Mapping
from datetime import timedelta

from ..settings import values
from ..settings.table import Table
from ..settings.values import Wrong
from . import conditions
from .conditions import Condition, stricter
from .metric import Metric, Query
from .metric_words import RESOURCES, Resource, Word
from .model import Check, Defaults

FIELDS = {
    "metric": (
        *("of", "metric", "dimensions", "statistic", "period", "unit", "math", "metrics", "region"),
        *("error", "warn", "clear", "missing"),
    )
}

_LIMITS = ("error", "warn", "clear")
_METRIC = re.compile(r"(?P<space>\S+) (?P<name>[\w.\-/]+)(?P<more>(?: \w+=\S+)*)(?: (?P<stat>[A-Za-z]+[\d.]*))?")
_STATISTIC = re.compile(r"Average|Sum|Minimum|Maximum|SampleCount|p\d{1,2}(\.\d+)?|tm\d{1,2}")
_NAME = re.compile(r"[a-z][A-Za-z0-9_]*")
_METRIC_HINT = 'its namespace and its name: "AWS/EC2 CPUUtilization"'


def read(table: Table, defaults: Defaults) -> Mapping[str, Check]:
    """The check of a table; what is wrong with it is written down in the table."""
    ways = [way for way in ("of", "metric", "math") if table.has(way)]
    if len(ways) != 1:
        problem = f"{' and '.join(ways)} are different things to measure" if ways else "it says nothing to measure"
        table.wrong(ways[-1] if ways else "", problem, 'give of = "instance i-…", or metric, or math with metrics')
        return {}
    if not table.has("error") and not table.has("warn"):
        table.wrong("error", "it says nothing that is too much", 'such as error = "cpu above 80 % for 15 min"')
        return {}
    found = {"of": _of_resource, "metric": _of_metric, "math": _of_math}[ways[0]](table)
    if found and found.error and found.warn and stricter(found.warn, found.error):
        table.wrong("warn", "the warning would never come before the error", "exchange the two limits")
    return {"": found} if found else {}


def of_words(
    resource: Resource,
    name: str,
    word: str,
    label: str,
    limits: Mapping[str, Condition | None],
    missing: str = "unknown",
    more: tuple[tuple[str, str], ...] = (),
) -> Metric:
    """The check of a word of a resource. `limits` are by error, warn and clear; `name` is "" where none is named."""
    known = resource.words[word]
    dimensions = (*(((resource.dimension, name),) if name else ()), *known.dimensions, *more)
    period = _period(known, limits)
    wanted = " and ".join(f"not {limits[each]}" for each in ("error", "warn") if limits.get(each))
    return Metric(
        what=f"{word} of {label}, {wanted}",
        label=word,
        queries=(("value", Query(resource.namespace, known.metric, dimensions, known.statistic)),),
        period=period,
        unit=known.unit,
        error=limits.get("error"),
        warn=limits.get("warn"),
        clear=limits.get("clear"),
        missing=missing,  # type: ignore[arg-type]
        region=resource.region,
    )


def _period(word: Word, limits: Mapping[str, Condition | None]) -> timedelta:
    """How long a point is: what is added up comes together over all the time that it has to last, else as it is measured."""
    spans = [each.lasts for each in limits.values() if each and each.lasts]
    own = timedelta(seconds=word.period_s)
    if not spans:
        return own
    return min(spans) if word.statistic == "Sum" else min(own, *spans)


def _of_resource(table: Table) -> Metric | None:
    for field in ("dimensions", "statistic", "period", "unit", "metrics"):
        if table.has(field):
            table.wrong(field, "what `of` names has its own", "leave it out")
    kind, _, name = table.text("of").partition(" ")
    resource = RESOURCES.get(kind)
    if resource is None or (not name and kind != "bill"):
        hint = values.nearest(kind, RESOURCES) if resource is None else f'such as "{kind} NAME"'
        table.wrong("of", f"{table.raw('of')!r} is nothing that can be measured", hint)
        return None
    limits = _limits(table, {word: each.unit for word, each in resource.words.items()})
    words = {each.word for each in limits.values() if each}
    if len(words) > 1:
        table.wrong("warn", f"{' and '.join(sorted(words))} are measured apart", "make a monitor of each")
    if not words:
        return None
    return of_words(resource, name, min(words), f"{kind} {name}".strip(), limits, _missing(table))


def _of_metric(table: Table) -> Metric | None:
    unit = _unit(table)
    named = table.parsed("metric", None, _query)
    if named is None:
        return None
    raw = table.raw("dimensions")
    inner = table.inner("dimensions", ()) if raw is not None else None
    dimensions = tuple((name, inner.text(name)) for name in raw) if inner and isinstance(raw, dict) else ()
    query = Query(
        named.namespace, named.metric, (*named.dimensions, *dimensions), table.text("statistic", named.statistic, _stat)
    )
    return _plain(table, query.metric, (("value", query),), "", unit)


def _of_math(table: Table) -> Metric | None:
    unit, math = _unit(table), table.text("math")
    raw = table.raw("metrics")
    if not isinstance(raw, dict) or not raw:
        table.wrong(
            "metrics", "math needs what it reckons with", 'metrics = { errors = "AWS/Lambda Errors FunctionName=orders Sum" }'
        )
        return None
    inner = table.inner("metrics", ())
    queries = tuple((name, query) for name in raw if (query := inner.parsed(name, None, _query)))
    for name in raw:
        if not _NAME.fullmatch(name):
            table.wrong(
                "metrics",
                f"{name!r} cannot stand in a formula",
                "begin it with a small letter, and go on with letters and digits",
            )
    for name in sorted(set(re.findall(r"\b[a-z][A-Za-z0-9_]*\b", math)) - set(raw)):
        table.wrong("math", f"metrics has no {name!r}", values.nearest(name, list(raw)))
    return _plain(table, math, queries, math, unit)


def _plain(table: Table, label: str, queries: tuple[tuple[str, Query], ...], math: str, unit: str) -> Metric:
    limits = _limits(table, {}, unit)
    spans = [each.lasts for each in limits.values() if each and each.lasts]
    period = table.parsed("period", min([timedelta(minutes=5), *spans]), _whole_minutes)
    for span in spans:
        if span % period:
            table.wrong("period", "it does not go into the time that a condition lasts", 'such as period = "5m" for 15 min')
    wanted = " and ".join(f"not {limits[each]}" for each in ("error", "warn") if limits[each])
    return Metric(
        what=f"{label}, {wanted}",
        label=label,
        queries=queries,
        math=math,
        period=period,
        unit=unit,
        **limits,
        missing=_missing(table),  # type: ignore[arg-type]
        region=table.text("region"),
    )


def _limits(table: Table, units: Mapping[str, str], unit: str = "") -> dict[str, Condition | None]:
    return {name: table.parsed(name, None, lambda text: conditions.parse(text, units, unit)) for name in _LIMITS}


def _missing(table: Table) -> str:
    found: str = table.choice("missing", "unknown", ("unknown", "ok", "error"))
    return found


def _unit(table: Table) -> str:
    found: str = table.choice("unit", "", tuple(conditions.UNITS))
    return found


def _query(text: str) -> Query:
    found = _METRIC.fullmatch(text.strip())
    if not found:
        raise Wrong(f"{text!r} is no metric", _METRIC_HINT)
    pairs = (pair.partition("=") for pair in found["more"].split())
    statistic = _stat(found["stat"]) if found["stat"] else "Average"
    return Query(found["space"], found["name"], tuple((name, value) for name, _, value in pairs), statistic)


def _stat(text: str) -> str:
    if not _STATISTIC.fullmatch(text):
        raise Wrong(f"{text!r} is no statistic", "Average, Sum, Minimum, Maximum, SampleCount, or a percentile: p99")
    return text


def _whole_minutes(text: str) -> timedelta:
    span = values.span(text)
    if span.total_seconds() % 60:
        raise Wrong(f"{text!r} is no whole minute", 'write "1m", "5m" or "1h"')
    return span
