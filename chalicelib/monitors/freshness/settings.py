"""Reads monitors of kind "freshness": the target, its due times or maximum age, and how much data must arrive."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from ...domain.monitor import Check, MonitorDefaults
from ...domain.rule import SizeRange, size_range
from ...platform.fields import values
from ...platform.fields.table import FieldError, Table
from ...platform.fields.values import field_parser
from ...platform.phrases import did_you_mean, duration
from ...policy.calendar import Expectation, parse_expectation, parse_holidays
from ...rules import globs
from .age import AgeCheck, local_times_since
from .item_and_metric import ItemTimestamp, MetricSum
from .lateness import LatenessCheck
from .objects import Objects, has_valid_dates
from .requirement import Requirement, Thresholds
from .targets import Target

_TARGETS = {"bucket": ("bucket", "key"), "table": ("table", "item", "field"), "metric": ("metric", "dimensions")}
_AMOUNT = ("files", "size", "small", "empty")
FIELDS = {
    "freshness": (
        *(field for fields in _TARGETS.values() for field in fields),
        *("expect", "newest", "grace", *_AMOUNT, "holidays", "direction"),
    )
}

_PERCENT = re.compile(r"([0-9]{1,2}|100)\s*%")
_METRIC = re.compile(r"([^:/][^/]*(?:/[^/]+)*)/([^/]+)")
_TARGET_HINT = "set bucket and key, or table, item and field, or metric"
_EXPECT_HINT = 'use for example "weekdays by 06:00 Asia/Kolkata", "monthly last by 18:00", "hourly by :15" or "cron 0 6 * * 1-5"'
_BUSINESS_HINT = 'set holidays = ["12-25"] or the name of a list in [holidays]; if there are none, use "weekdays by …"'
_HOLIDAYS_HINT = 'use for example "2026-01-26", or "12-25" for every year'
_DATE_HINT = "use for example {date:%Y-%m-%d}, or {date-1d:%Y-%m-%d} for the day before"
_MAX_FOLDERS = 32  # per maximum age: each is listed separately
_DUE_TIMES_COMPARED = 60  # two months of days
_SAMPLE_DATE = datetime(2026, 1, 1, tzinfo=UTC)


def read(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """Return the check of a table; errors are added to the table."""
    target = _target(table)
    requirement = Requirement(
        counts_files=isinstance(target, Objects),
        min_count=table.number("files", 0, 1, 1_000_000),
        size=table.attempt("size", SizeRange(), lambda: size_range(table.texts("size"))),
        small_percent=table.parsed("small", 25, _percent),
        allow_empty=table.choice("empty", "never", ("never", "ok")) == "ok",
        outgoing=table.choice("direction", "in", ("in", "out")) == "out",
    )
    _check_conflicts(table, target)
    if table.has("newest"):
        max_age = _thresholds(table, "newest")
        _check_folders(table, target, max_age, defaults.zone)
        return {"": AgeCheck(target, max_age, requirement, defaults.zone)}
    grace = _thresholds(table, "grace") if table.has("grace") else Thresholds()
    expect = table.attempt("expect", None, lambda: _expectation(table, defaults))
    if expect is None:
        return {"": AgeCheck(target, Thresholds(), requirement, defaults.zone)}  # never runs: the settings have an error
    _check_grace(table, expect, grace)
    every = table.raw("every")
    interval = _interval(every) if isinstance(every, str) else LatenessCheck.every
    return {"": LatenessCheck(target, expect, requirement, grace, interval)}


def _target(table: Table) -> Target:
    chosen = [name for name in _TARGETS if table.has(name)]
    if len(chosen) != 1:
        problem = f"{' and '.join(map(repr, chosen))} cannot be combined" if chosen else "no data to check"
        table.add_error(chosen[-1] if chosen else "", problem, "keep one" if chosen else _TARGET_HINT)
    for name, fields in _TARGETS.items():
        for field in fields:
            if table.has(field) and name not in chosen:
                table.add_error(field, f"only used with {name}", f"set {name} too, or remove it")
    if chosen[:1] == ["table"]:
        return _item(table)
    if chosen[:1] == ["metric"]:
        return _metric(table)
    return Objects(
        table.text("bucket", "", values.bucket),
        table.text("key", "", _key, required='"feed/*.csv"' if chosen == ["bucket"] else ""),
    )


def _key(text: str) -> str:
    if text.startswith("!"):
        raise FieldError("only excludes keys", 'remove the "!"')
    if not has_valid_dates(text):
        raise FieldError(f"invalid date in {text!r}", _DATE_HINT)
    glob = Objects("", text).name(_SAMPLE_DATE)
    try:
        globs.to_regex(glob)
    except globs.InvalidGlob as error:
        raise FieldError(str(error)) from error
    return text


def _item(table: Table) -> ItemTimestamp:
    name = table.text("table", "", values.dynamodb_table)
    field = table.text("field", required='"updated_at"')
    if not table.has("item"):
        table.add_error("item", "missing", 'set it to the item\'s key, for example item = { pk = "feed#orders" }')
        return ItemTimestamp(name, {"pk": ""}, field)
    inner, raw = table.inner("item", ()), table.raw("item")
    key: dict[str, str | int] = {}
    for attribute, value in raw.items() if isinstance(raw, dict) else ():
        key[attribute] = inner.number(attribute, 0, -(10**30), 10**30) if _is_number(value) else inner.text(attribute)
    if isinstance(raw, dict) and not 1 <= len(key) <= 2:
        hint = 'use for example item = { pk = "feed#orders", sk = "latest" }'
        table.add_error("item", "a key has one or two attributes", hint)
    return ItemTimestamp(name, key or {"pk": ""}, field)


def _metric(table: Table) -> MetricSum:
    namespace, _, name = table.text("metric", "", _metric_name).rpartition("/")
    inner, raw = table.inner("dimensions", ()) if table.has("dimensions") else None, table.raw("dimensions")
    names = raw if inner and isinstance(raw, dict) else {}
    return MetricSum(namespace, name, {dimension: inner.text(dimension) for dimension in names} if inner else {})


def _metric_name(text: str) -> str:
    if not _METRIC.fullmatch(text):
        raise FieldError(f"invalid metric {text!r}", 'use namespace and name, for example "Acme/Feeds/Rows"')
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _percent(text: str) -> int:
    match = _PERCENT.fullmatch(text.strip())
    if not match:
        raise FieldError(f"invalid percentage {text!r}", 'use for example "25%", or "0%" to turn this off')
    return int(match[1])


def _interval(text: str) -> timedelta:
    try:
        return values.parse_duration(text)
    except FieldError:  # reported where `every` is read
        return LatenessCheck.every


def _thresholds(table: Table, field: str) -> Thresholds:
    """Read { warn = "5m", error = "1h" }, or "15m" for an error without a warning before it."""
    if not isinstance(table.raw(field), dict):
        span = table.parsed(field, timedelta(0), values.parse_duration)
        return Thresholds(span, span)
    inner = table.inner(field, ("warn", "error"))
    error = inner.parsed("error", None, values.parse_duration)
    warn = inner.parsed("warn", error or timedelta(0), values.parse_duration)
    if not inner.has("warn") and not inner.has("error"):
        inner.add_error("", "empty", f'set for example {field} = {{ warn = "5m", error = "1h" }}')
    if error and warn > error:
        inner.add_error("warn", "the warning would come after the error", "use a shorter time")
    return Thresholds(warn, error)


def _expectation(table: Table, defaults: MonitorDefaults) -> Expectation | None:
    if not table.has("expect"):
        raise FieldError("missing", f"{_EXPECT_HINT}; or set newest, a maximum age")
    holidays = table.attempt("holidays", None, lambda: _holidays(table, defaults))
    if holidays is None:
        return None
    texts = table.texts("expect")
    if not texts and table.raw("expect") != []:
        return None  # already reported
    hint = _EXPECT_HINT if holidays or "business" not in " ".join(texts).lower() else _BUSINESS_HINT
    expectation = field_parser(lambda _: parse_expectation(texts, defaults.zone, holidays), hint)("")
    if table.has("holidays") and not expectation.business:
        table.add_error("holidays", "only used with business days", 'set for example expect = "business days by 06:00"')
    return expectation


def _holidays(table: Table, defaults: MonitorDefaults) -> tuple[str, ...]:
    name = table.raw("holidays")
    if not isinstance(name, str):
        if not isinstance(name, list) and table.has("holidays"):
            raise FieldError("must be a list of dates or the name of a list in [holidays]", _HOLIDAYS_HINT)
        return field_parser(lambda _: parse_holidays(table.texts("holidays")), _HOLIDAYS_HINT)("")
    if name not in defaults.holidays:
        hint = did_you_mean(name, defaults.holidays) or 'add it, for example india = ["2026-01-26", "12-25"]'
        raise FieldError(f"[holidays] has no list {name!r}", hint)
    return field_parser(lambda _: parse_holidays(defaults.holidays[name]), _HOLIDAYS_HINT)("")


def _check_conflicts(table: Table, target: Target) -> None:
    """Add an error for every field that cannot be combined with the others."""
    if table.has("expect") and table.has("newest"):
        table.add_error("newest", "'expect' and 'newest' cannot be combined", "remove one")
    for field in ("grace", "small", "holidays"):
        if table.has("newest") and table.has(field):
            table.add_error(field, f"'newest' and '{field}' cannot be combined", "remove one")
    objects_only = ("size", "small", "empty", *(("files",) if isinstance(target, ItemTimestamp) else ()))
    for field in objects_only if not isinstance(target, Objects) else ():
        if table.has(field):
            table.add_error(field, "only used with bucket and key", "remove it")
    if table.raw("recoveries") not in (None, 1):
        table.add_error("recoveries", "data that has arrived is not checked again", "remove it")


def _check_folders(table: Table, target: Target, max_age: Thresholds, zone: str) -> None:
    if isinstance(target, Objects):
        folders = {target.name(local_time) for local_time in local_times_since(_SAMPLE_DATE, max_age.last, zone)}
        if len(folders) > _MAX_FOLDERS:
            problem = f"the key has {len(folders)} folders in {duration(max_age.last)}; the limit is {_MAX_FOLDERS}"
            table.add_error("newest", problem, "use a shorter age, or a key with fewer folders per day")


def _check_grace(table: Table, expect: Expectation, grace: Thresholds) -> None:
    """Check that the grace ends before the next due time, from which on only the new data is checked."""
    check = LatenessCheck(Objects("", ""), expect)
    due_times = islice(check.upcoming(_SAMPLE_DATE), _DUE_TIMES_COMPARED)
    shortest = min(following - due for due, following in pairwise(due_times))
    if grace.last >= shortest:
        problem = f"the next data is due after {duration(shortest)}, before the grace ends"
        table.add_error("grace", problem, "use a shorter time")
