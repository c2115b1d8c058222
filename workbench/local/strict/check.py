"""Checks one request's parameters against botocore's service model and the table of limits.

botocore itself checks names, types and minimum lengths, unless a client switches it off, as the bot's clients do. The models also
publish maximum lengths, patterns and allowed values, which botocore never checks and AWS does.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import regex
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from .limits import LIMITS, Limit

_BOTOCORE = "botocore's parameter validation"
_EVENT, _HANDLER = "before-parameter-build.*.*", "dropnote-strict"
_NARROWER = frozenset(("FilterRuleName",))  # shapes whose published values are fewer than AWS accepts: S3 itself returns "Prefix"
_VALUE = re.compile(r", value: .*?(?=, (?:type: |valid ))", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit that a request exceeds. Does not quote the value, which may be private."""

    service: str
    operation: str
    parameter: str
    problem: str
    source: str

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.service} {self.operation}: {self.parameter or 'request'} {self.problem} ({self.source})"


class LimitExceeded(AssertionError):
    """AWS would reject this request. Its text lists the violations."""


def violations(service: str, operation: OperationModel, parameters: dict[str, Any]) -> list[Violation]:
    """Return every limit that a request exceeds. The service is named as in boto3: "sesv2"."""
    if operation.input_shape is None:
        return []
    problems = list(_model_problems(operation.input_shape, parameters))
    if not any(source == _BOTOCORE for _, _, source in problems):  # the table expects parameters of the right types
        problems += _table_problems(service, operation.name, parameters)
    return [Violation(service, operation.name, *problem) for problem in problems]


def attach(client: Any) -> Any:
    """Let a boto3 client raise LimitExceeded instead of sending a request that AWS would reject. Returns the client."""

    def check(params: dict[str, Any], model: OperationModel, **_: Any) -> None:
        if found := violations(client.meta.service_model.service_name, model, params):
            raise LimitExceeded("\n".join(map(str, found)))

    client.meta.events.register_last(_EVENT, check, unique_id=_HANDLER)
    return client


def detach(client: Any) -> Any:
    """Let a boto3 client send everything again, for a test of what happens when AWS rejects a request. Returns the client."""
    client.meta.events.unregister(_EVENT, unique_id=_HANDLER)
    return client


def _model_problems(shape: Shape, parameters: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        for line in report.generate_report().splitlines():
            yield "", _VALUE.sub("", line), _BOTOCORE
        return
    for path, member, value in _values(shape, parameters, ""):
        for problem in _member_problems(member, value):
            yield path, problem, f"botocore's service model, {member.name}"


def _values(shape: Any, value: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Every value of a request with its shape and path."""
    yield path, shape, value
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        for name, member in value.items():
            yield from _values(shape.members[name], member, f"{path}.{name}".lstrip("."))
    elif shape.type_name == "list":
        for index, element in enumerate(value):
            yield from _values(shape.member, element, f"{path}[{index}]")
    elif shape.type_name == "map":
        for name, element in value.items():
            yield from _values(shape.key, name, f"{path}.{name}")
            yield from _values(shape.value, element, f"{path}.{name}")


def _member_problems(shape: Any, value: Any) -> Iterator[str]:
    metadata = shape.metadata
    if "max" in metadata:
        size = value if isinstance(value, (int, float)) else len(value) if hasattr(value, "__len__") else 0
        if size > metadata["max"]:
            yield f"is {size:,}; at most {metadata['max']:,}"
    if isinstance(value, str):
        if (pattern := metadata.get("pattern")) and not _compiled(pattern).fullmatch(value):
            yield f"does not match {pattern}"
        if (allowed := metadata.get("enum")) and value not in allowed and shape.name not in _NARROWER:
            yield f"is not one of the {len(allowed)} values of {shape.name}"


@cache
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern)


@cache
def _limits_for(service: str, operation: str) -> tuple[Limit, ...]:
    return tuple(
        limit for limit in LIMITS if limit.service == service and (not limit.operations or operation in limit.operations)
    )


def _table_problems(service: str, operation: str, parameters: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for limit in _limits_for(service, operation):
        for path in limit.parameters:
            for value in _select(parameters, path.split(".")):
                if value is not None and (problem := limit.rule(value)):
                    yield path.removeprefix("$").removeprefix("."), problem, limit.source


def _select(value: Any, path: list[str]) -> Iterator[Any]:
    """The values at a path; `$` stands for the value itself, `*` for every name or element."""
    if not path:
        yield value
        return
    name, *rest = path
    if name == "$":
        yield from _select(value, rest)
    elif name == "*" and isinstance(value, (dict, list, tuple)):
        for element in value.values() if isinstance(value, dict) else value:
            yield from _select(element, rest)
    elif isinstance(value, dict) and name in value:
        yield from _select(value[name], rest)
