"""A double of CloudWatch's GetMetricData that reckons metric math, which neither of the emulators at hand does.

It is strict: what it is asked is held against botocore's description of the request, and against the rules of the API reference
("GetMetricData", "MetricDataQuery", "MetricStat") that are not in there. One query that is wrong is a ValidationError for all.
Source of the math: Amazon CloudWatch user guide, "Using math expressions with CloudWatch metrics": series are reckoned with
moment by moment; where one has no value, or what is divided by is 0, there is no value.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from operator import add, mul, sub
from statistics import fmean
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.validate import ParamValidator

Series = dict[datetime, float]
_Key = tuple[str, str, frozenset[tuple[str, str]]]

_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
_STATISTICS: Mapping[str, Callable[[list[float]], float]] = {
    "Average": fmean,
    "Sum": sum,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": lambda values: float(len(values)),
}


@cache
def _request() -> Any:
    return Session().get_service_model("cloudwatch").operation_model("GetMetricData").input_shape


def refused(code: str = "ValidationError") -> ClientError:
    """An error of CloudWatch."""
    return ClientError({"Error": {"Code": code, "Message": "of the double"}}, "GetMetricData")


@dataclass
class CloudWatch:
    """One region: samples that are put, requests that are kept, and what goes wrong on purpose."""

    page: int = 100_800  # points an answer
    errors: list[Exception] = field(default_factory=list)  # the next requests fail with these
    status: dict[str, str] = field(default_factory=dict)  # by a metric's name: what its series are said to be
    asked: list[dict[str, Any]] = field(default_factory=list)
    samples: dict[_Key, list[tuple[datetime, float]]] = field(default_factory=dict)

    def put(self, metric: str, at: datetime, *values: float, **dimensions: str) -> None:
        """Samples of "AWS/EC2 CPUUtilization"."""
        namespace, _, name = metric.partition(" ")
        self.samples.setdefault((namespace, name, frozenset(dimensions.items())), []).extend((at, value) for value in values)

    def get_metric_data(self, **asked: Any) -> dict[str, Any]:
        """An answer, or a page of it."""
        self.asked.append(asked)
        if self.errors:
            raise self.errors.pop(0)
        self._check(asked)
        all_: dict[str, Series] = {}
        for query in asked["MetricDataQueries"]:  # a formula may stand before what it reckons with
            if "MetricStat" in query:
                all_[query["Id"]] = self._series(query["MetricStat"], asked)
        for query in asked["MetricDataQueries"]:
            if "Expression" in query:
                all_[query["Id"]] = _reckoned(query["Expression"], all_)
        return self._answer(asked, all_)

    def _check(self, asked: Mapping[str, Any]) -> None:
        report = ParamValidator().validate(dict(asked), _request())
        assert not report.has_errors(), report.generate_report()
        queries = asked["MetricDataQueries"]
        ids = [query["Id"] for query in queries]
        if len(queries) > 500 or len(set(ids)) < len(ids) or not all(map(_ID.fullmatch, ids)):
            raise refused()
        if asked["StartTime"] >= asked["EndTime"] or not any(query.get("ReturnData", True) for query in queries):
            raise refused()
        for query in queries:
            if ("MetricStat" in query) is ("Expression" in query) or not _period_is_right(query):
                raise refused()

    def _series(self, stat: Mapping[str, Any], asked: Mapping[str, Any]) -> Series:
        metric, period = stat["Metric"], timedelta(seconds=stat["Period"])
        dimensions = frozenset((each["Name"], each["Value"]) for each in metric.get("Dimensions", []))
        parts: dict[datetime, list[float]] = {}
        for at, value in self.samples.get((metric["Namespace"], metric["MetricName"], dimensions), []):
            begins = _EPOCH + (at - _EPOCH) // period * period
            if asked["StartTime"] <= begins < asked["EndTime"] and at < asked["EndTime"]:
                parts.setdefault(begins, []).append(value)
        return {begins: _statistic(stat["Stat"], values) for begins, values in sorted(parts.items())}

    def _answer(self, asked: Mapping[str, Any], all_: Mapping[str, Series]) -> dict[str, Any]:
        told = [query for query in asked["MetricDataQueries"] if query.get("ReturnData", True)]
        points = [(query, point) for query in told for point in all_[query["Id"]].items()]
        begin = int(asked.get("NextToken", 0))
        results = {query["Id"]: _Result(query["Id"], [], [], self._status_of(query)) for query in told}
        for query, (at, value) in islice(points, begin, begin + self.page):
            results[query["Id"]].Timestamps.append(at)
            results[query["Id"]].Values.append(value)
        for query, _ in points[begin + self.page :]:
            results[query["Id"]].StatusCode = "PartialData"
        more = {"NextToken": str(begin + self.page)} if begin + self.page < len(points) else {}
        return {"MetricDataResults": [vars(result) for result in results.values()], **more}

    def _status_of(self, query: Mapping[str, Any]) -> str:
        metric = query.get("MetricStat", {}).get("Metric", {}).get("MetricName", "")
        return self.status.get(metric, "Complete")


@dataclass
class _Result:
    Id: str
    Timestamps: list[datetime]
    Values: list[float]
    StatusCode: str


def _period_is_right(query: Mapping[str, Any]) -> bool:
    period = query.get("Period", query.get("MetricStat", {}).get("Period", 60))
    return bool(period > 0 and period % 60 == 0 and period <= 86_400)


def _statistic(name: str, values: list[float]) -> float:
    if name in _STATISTICS:
        return _STATISTICS[name](values)
    if not re.fullmatch(r"p\d+(\.\d+)?", name):
        raise refused()
    return sorted(values)[min(int(len(values) * float(name[1:]) / 100), len(values) - 1)]


def _reckoned(expression: str, all_: Mapping[str, Series]) -> Series:
    try:
        found = _value(ast.parse(expression.strip().replace("^", "**"), mode="eval").body, all_)
    except SyntaxError:
        raise refused() from None
    if isinstance(found, float):
        raise refused()  # a number is no series
    return found


def _value(node: ast.expr, all_: Mapping[str, Series]) -> Series | float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in all_:
            return all_[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _together(_OPERATORS[type(op)], _value(left, all_), _value(right, all_))
        case ast.Call(func=ast.Name(id="FILL"), args=[series, ast.Constant(value=int() | float() as number)]):
            some = _value(series, all_)
            moments = sorted({at for each in all_.values() for at in each})
            return {at: some.get(at, float(number)) for at in moments} if isinstance(some, dict) else some
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.List(elts=[first, *others])]):
            total = _value(first, all_)
            for other in others:
                total = _together(add, total, _value(other, all_))
            return total
    raise refused()


def _together(op: Callable[[float, float], float | None], left: Series | float, right: Series | float) -> Series | float:
    if isinstance(left, float) and isinstance(right, float):
        found = op(left, right)
        return float("nan") if found is None else found
    return dict(_each(op, left, right))


def _each(op: Callable[[float, float], float | None], left: Any, right: Any) -> Iterator[tuple[datetime, float]]:
    moments = set.intersection(*(set(each) for each in (left, right) if isinstance(each, dict)))
    for at in sorted(moments):
        found = op(*(each[at] if isinstance(each, dict) else each for each in (left, right)))
        if found is not None:
            yield at, found


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPERATORS: Mapping[type, Callable[[float, float], float | None]] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: lambda left, right: left / right if right else None,
    ast.Pow: lambda left, right: float(left**right),
}
