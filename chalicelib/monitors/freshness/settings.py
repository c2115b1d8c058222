"""Reads monitors of kind "freshness": what is to be where, by when, how much of it, or how old it may be."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

from ...domain.monitor import Check, MonitorDefaults
from ...domain.rule import SizeRange, size_range
from ...platform.fields import values
from ...platform.fields.table import FieldError, Table
from ...platform.fields.values import of_text
from ...platform.phrases import did_you_mean, rough_duration
from ...policy.calendar import Expectation, parse_expectation, parse_holidays
from ...rules import globs
from .age import Age, walls_of
from .arrivals import Item, Metric, Objects, Target, is_dated_well
from .demand import Demand, Patience
from .lateness import Freshness

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
_EXPECT = 'such as "weekdays by 06:00 Asia/Kolkata", "monthly last by 18:00", "hourly by :15" or "cron 0 6 * * 1-5"'
_BUSINESS = 'add holidays = ["12-25"], or the name of a list of [holidays]; without any, write "weekdays by …"'
_HOLIDAY = 'write "2026-01-26", or "12-25" for each year'
_DATED = "write {date:%Y-%m-%d}, or {date-1d:%Y-%m-%d} for the day before"
_MOST_FOLDERS = 32  # of one age: each is a listing
_LOOKED_AHEAD = 60  # due moments: two months of days
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def read(table: Table, defaults: MonitorDefaults) -> Mapping[str, Check]:
    """The check of a table; what is wrong with it is written down in the table."""
    target = _target(table)
    demand = Demand(
        objects=isinstance(target, Objects),
        files=table.number("files", 0, 1, 1_000_000),
        size=table.attempt("size", SizeRange(), lambda: size_range(table.texts("size"))),
        small=table.parsed("small", 25, _percent),
        empty=table.choice("empty", "never", ("never", "ok")) == "ok",
        out=table.choice("direction", "in", ("in", "out")) == "out",
    )
    _contradictions(table, target)
    if table.has("newest"):
        newest = _patience(table, "newest")
        _check_folders(table, target, newest, defaults.zone)
        return {"": Age(target, newest, demand, defaults.zone)}
    grace = _patience(table, "grace") if table.has("grace") else Patience()
    expect = table.attempt("expect", None, lambda: _expectation(table, defaults))
    if expect is None:
        return {"": Age(target, Patience(), demand, defaults.zone)}  # is never looked at: these settings are refused
    _check_grace(table, expect, grace)
    pace = table.raw("every")
    return {"": Freshness(target, expect, demand, grace, _pace(pace) if isinstance(pace, str) else Freshness.every)}


def _target(table: Table) -> Target:
    named = [name for name in _TARGETS if table.has(name)]
    if len(named) != 1:
        problem = f"{' and '.join(named)} are two different things to look at" if named else "it says nothing to look at"
        table.wrong(named[-1] if named else "", problem, "give bucket and key, or table, item and field, or metric")
    for name, fields in _TARGETS.items():
        for field in fields:
            if table.has(field) and name not in named:
                table.wrong(field, f"it goes with {name}", f"give {name} too, or leave it out")
    if named[:1] == ["table"]:
        return _item(table)
    if named[:1] == ["metric"]:
        return _metric(table)
    return Objects(table.text("bucket", "", values.bucket), table.text("key", "", _key, needed=named == ["bucket"]))


def _key(text: str) -> str:
    if text.startswith("!"):
        raise FieldError("it only says what is not looked for", 'without "!"')
    if not is_dated_well(text):
        raise FieldError(f"{text!r} has a day that cannot be read", _DATED)
    glob = Objects("", text).name(_SOME_DAY)
    try:
        globs.compiled(glob)
    except globs.BadGlob as bad:
        raise FieldError(str(bad)) from bad
    return text


def _item(table: Table) -> Item:
    name = table.text("table", "", values.dynamodb_table)
    field = table.text("field", needed=True)
    if not table.has("item"):
        table.wrong("item", "it is missing", 'its key: item = { pk = "feed#orders" }')
        return Item(name, {"pk": ""}, field)
    inner, raw = table.inner("item", ()), table.raw("item")
    key: dict[str, str | int] = {}
    for each, value in raw.items() if isinstance(raw, dict) else ():
        key[each] = inner.number(each, 0, -(10**30), 10**30) if _is_number(value) else inner.text(each)
    if isinstance(raw, dict) and not 1 <= len(key) <= 2:
        table.wrong("item", "a key has one or two attributes", 'such as item = { pk = "feed#orders", sk = "latest" }')
    return Item(name, key or {"pk": ""}, field)


def _metric(table: Table) -> Metric:
    found = table.text("metric", "", _metric_name)
    namespace, _, name = found.rpartition("/")
    inner, raw = table.inner("dimensions", ()) if table.has("dimensions") else None, table.raw("dimensions")
    names = raw if inner and isinstance(raw, dict) else {}
    return Metric(namespace, name, {each: inner.text(each) for each in names} if inner else {})


def _metric_name(text: str) -> str:
    if not _METRIC.fullmatch(text):
        raise FieldError(f"{text!r} is no metric", 'its namespace and its name: "Acme/Feeds/Rows"')
    return text


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _percent(text: str) -> int:
    found = _PERCENT.fullmatch(text.strip())
    if not found:
        raise FieldError(f"{text!r} is no share", 'write "25%", or "0%" never to mind')
    return int(found[1])


def _pace(text: str) -> timedelta:
    try:
        return values.span(text)
    except FieldError:  # is written down where `every` is read
        return Freshness.every


def _patience(table: Table, field: str) -> Patience:
    """Read "15m", which is until an error, or { warn = "5m", error = "1h" }."""
    if not isinstance(table.raw(field), dict):
        one = table.parsed(field, timedelta(0), values.span)
        return Patience(one, one)
    inner = table.inner(field, ("warn", "error"))
    error = inner.parsed("error", None, values.span)
    found = Patience(inner.parsed("warn", error or timedelta(0), values.span), error)
    if not inner.has("warn") and not inner.has("error"):
        inner.wrong("", "it says nothing", f'write {field} = {{ warn = "5m", error = "1h" }}')
    if error and found.warn > error:
        inner.wrong("warn", "the warning would come after the error", "give warn the shorter one")
    return found


def _expectation(table: Table, defaults: MonitorDefaults) -> Expectation | None:
    if not table.has("expect"):
        hint = f"{_EXPECT}; or newest"
        raise FieldError("it says neither when something is expected nor how old the newest may be", hint)
    holidays = table.attempt("holidays", None, lambda: _holidays(table, defaults))
    if holidays is None:
        return None
    texts = table.texts("expect")
    if not texts and table.raw("expect") != []:
        return None  # is written down already
    hint = _EXPECT if holidays or "business" not in " ".join(texts).lower() else _BUSINESS
    found = of_text(lambda _: parse_expectation(texts, defaults.zone, holidays), hint)("")
    if table.has("holidays") and not found.business:
        table.wrong("holidays", "only business days leave holidays out", 'write expect = "business days by 06:00"')
    return found


def _holidays(table: Table, defaults: MonitorDefaults) -> tuple[str, ...]:
    name = table.raw("holidays")
    if not isinstance(name, str):
        if not isinstance(name, list) and table.has("holidays"):
            raise FieldError("it is neither a name nor a list", _HOLIDAY)
        return of_text(lambda _: parse_holidays(table.texts("holidays")), _HOLIDAY)("")
    if name not in defaults.holidays:
        near = did_you_mean(name, defaults.holidays) or 'such as [holidays] with india = ["2026-01-26", "12-25"]'
        raise FieldError(f"[holidays] has no list {name!r}", near)
    return of_text(lambda _: parse_holidays(defaults.holidays[name]), _HOLIDAY)("")


def _contradictions(table: Table, target: Target) -> None:
    """Write down which fields cannot be together."""
    if table.has("expect") and table.has("newest"):
        table.wrong("newest", "expect says already when it is late", "leave out one of the two")
    for field in ("grace", "small", "holidays"):
        if table.has("newest") and table.has(field):
            table.wrong(field, "it goes with expect, and newest stands alone", "leave it out")
    strange = () if isinstance(target, Objects) else ("size", "small", "empty", *(("files",) if isinstance(target, Item) else ()))
    for field in filter(table.has, strange):
        table.wrong(field, "it is of objects in a bucket", "leave it out")
    if table.raw("recoveries") not in (None, 1):
        table.wrong("recoveries", "what has come is not looked at again", "leave it out")


def _check_folders(table: Table, target: Target, newest: Patience, zone: str) -> None:
    if isinstance(target, Objects):
        folders = {target.name(wall) for wall in walls_of(_SOME_DAY, newest.longest, zone)}
        if len(folders) > _MOST_FOLDERS:
            problem = f"key names {len(folders)} folders in {rough_duration(newest.longest)}, and each would be listed"
            table.wrong("newest", problem, "give a shorter age, or a key with fewer days in it")


def _check_grace(table: Table, expect: Expectation, grace: Patience) -> None:
    """What is due next takes the place of what is late: a grace that ends after that would never end."""
    check = Freshness(Objects("", ""), expect)
    apart = min(then - due for due, then in pairwise(islice(check.upcoming(_SOME_DAY), _LOOKED_AHEAD)))
    if grace.longest >= apart:
        table.wrong("grace", f"the next is due {rough_duration(apart)} later, before it is over", "give a shorter one")
