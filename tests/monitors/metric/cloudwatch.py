"""A double of CloudWatch's GetMetricData with metric math, which neither of the emulators supports.

It validates requests against botocore's description and the rules of the API reference ("GetMetricData", "MetricDataQuery",
"MetricStat") that are not in it. One invalid query causes a ValidationError for the whole request.
Source of the math: Amazon CloudWatch user guide, "Using math expressions with CloudWatch metrics": series are combined point by
point; if one has no value, or the divisor is 0, there is no value.
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


def rejected(code: str = "ValidationError") -> ClientError:
    """An error of CloudWatch."""
    return ClientError({"Error": {"Code": code, "Message": "of the double"}}, "GetMetricData")


@dataclass
class CloudWatch:
    """One region: its samples, the requests it received, and errors to simulate."""

    page: int = 100_800  # points per response
    errors: list[Exception] = field(default_factory=list)  # raised by the next requests
    status: dict[str, str] = field(default_factory=dict)  # of a metric's series, by its name
    requests: list[dict[str, Any]] = field(default_factory=list)
    samples: dict[_Key, list[tuple[datetime, float]]] = field(default_factory=dict)

    def put(self, metric: str, at: datetime, *values: float, **dimensions: str) -> None:
        """Add samples of a metric such as "AWS/EC2 CPUUtilization"."""
        namespace, _, name = metric.partition(" ")
        self.samples.setdefault((namespace, name, frozenset(dimensions.items())), []).extend((at, value) for value in values)

    def get_metric_data(self, **parameters: Any) -> dict[str, Any]:
        """Return a page of the response."""
        self.requests.append(parameters)
        if self.errors:
            raise self.errors.pop(0)
        self._check(parameters)
        all_: dict[str, Series] = {}
        for query in parameters["MetricDataQueries"]:  # a formula may come before its metrics
            if "MetricStat" in query:
                all_[query["Id"]] = self._series(query["MetricStat"], parameters)
        for query in parameters["MetricDataQueries"]:
            if "Expression" in query:
                all_[query["Id"]] = _computed(query["Expression"], all_)
        return self._response(parameters, all_)

    def _check(self, parameters: Mapping[str, Any]) -> None:
        report = ParamValidator().validate(dict(parameters), _request())
        assert not report.has_errors(), report.generate_report()
        queries = parameters["MetricDataQueries"]
        ids = [query["Id"] for query in queries]
        if len(queries) > 500 or len(set(ids)) < len(ids) or not all(map(_ID.fullmatch, ids)):
            raise rejected()
        if parameters["StartTime"] >= parameters["EndTime"] or not any(query.get("ReturnData", True) for query in queries):
            raise rejected()
        for query in queries:
            if ("MetricStat" in query) is ("Expression" in query) or not _is_valid_period(query):
                raise rejected()

    def _series(self, stat: Mapping[str, Any], parameters: Mapping[str, Any]) -> Series:
        metric, period = stat["Metric"], timedelta(seconds=stat["Period"])
        dimensions = frozenset((dimension["Name"], dimension["Value"]) for dimension in metric.get("Dimensions", []))
        parts: dict[datetime, list[float]] = {}
        for at, value in self.samples.get((metric["Namespace"], metric["MetricName"], dimensions), []):
            start = _EPOCH + (at - _EPOCH) // period * period
            if parameters["StartTime"] <= start < parameters["EndTime"] and at < parameters["EndTime"]:
                parts.setdefault(start, []).append(value)
        return {start: _statistic(stat["Stat"], values) for start, values in sorted(parts.items())}

    def _response(self, parameters: Mapping[str, Any], all_: Mapping[str, Series]) -> dict[str, Any]:
        returned = [query for query in parameters["MetricDataQueries"] if query.get("ReturnData", True)]
        points = [(query, point) for query in returned for point in all_[query["Id"]].items()]
        start = int(parameters.get("NextToken", 0))
        results = {query["Id"]: _Result(query["Id"], [], [], self._status_of(query)) for query in returned}
        for query, (at, value) in islice(points, start, start + self.page):
            results[query["Id"]].Timestamps.append(at)
            results[query["Id"]].Values.append(value)
        for query, _ in points[start + self.page :]:
            results[query["Id"]].StatusCode = "PartialData"
        more = {"NextToken": str(start + self.page)} if start + self.page < len(points) else {}
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


def _is_valid_period(query: Mapping[str, Any]) -> bool:
    period = query.get("Period", query.get("MetricStat", {}).get("Period", 60))
    return bool(period > 0 and period % 60 == 0 and period <= 86_400)


def _statistic(name: str, values: list[float]) -> float:
    if name in _STATISTICS:
        return _STATISTICS[name](values)
    if not re.fullmatch(r"p\d+(\.\d+)?", name):
        raise rejected()
    return sorted(values)[min(int(len(values) * float(name[1:]) / 100), len(values) - 1)]


def _computed(expression: str, all_: Mapping[str, Series]) -> Series:
    try:
        result = _value(ast.parse(expression.strip().replace("^", "**"), mode="eval").body, all_)
    except SyntaxError:
        raise rejected() from None
    if isinstance(result, float):
        raise rejected()  # a number is not a series
    return result


def _value(node: ast.expr, all_: Mapping[str, Series]) -> Series | float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in all_:
            return all_[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _combined(_OPERATORS[type(op)], _value(left, all_), _value(right, all_))
        case ast.Call(func=ast.Name(id="FILL"), args=[series, ast.Constant(value=int() | float() as number)]):
            value = _value(series, all_)
            moments = sorted({at for points in all_.values() for at in points})
            return {at: value.get(at, float(number)) for at in moments} if isinstance(value, dict) else value
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.List(elts=[first, *others])]):
            total = _value(first, all_)
            for other in others:
                total = _combined(add, total, _value(other, all_))
            return total
    raise rejected()


def _combined(op: Callable[[float, float], float | None], left: Series | float, right: Series | float) -> Series | float:
    if isinstance(left, float) and isinstance(right, float):
        result = op(left, right)
        return float("nan") if result is None else result
    return dict(_points(op, left, right))


def _points(op: Callable[[float, float], float | None], left: Any, right: Any) -> Iterator[tuple[datetime, float]]:
    moments = set.intersection(*(set(operand) for operand in (left, right) if isinstance(operand, dict)))
    for at in sorted(moments):
        result = op(*(operand[at] if isinstance(operand, dict) else operand for operand in (left, right)))
        if result is not None:
            yield at, result


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPERATORS: Mapping[type, Callable[[float, float], float | None]] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: lambda left, right: left / right if right else None,
    ast.Pow: lambda left, right: float(left**right),
}
