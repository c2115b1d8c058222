"""Reads what is counted: [analytics] for `dropnote counts`, [metrics] for CloudWatch."""

from collections.abc import Collection
from datetime import timedelta

from ..domain.settings import COUNTER_RETENTION, DIMENSIONS, METRIC_DIMENSIONS, Analytics, MetricsSettings
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.phrases import did_you_mean
from .document import Document

_MIN_KEEP = timedelta(days=2)  # as long as the marks that prevent counting a record twice


def analytics(document: Document) -> Analytics:
    """Read [analytics]."""
    table = document.table("analytics", ("keep", "by"))
    dimensions = _dimensions(table, DIMENSIONS)
    if not dimensions:
        table.add_error("by", "empty", "remove it to count by every dimension, or remove [analytics]")
    return Analytics(table.parsed("keep", COUNTER_RETENTION, _retention), dimensions)


def metrics(document: Document) -> MetricsSettings:
    """Read [metrics]. An empty `by` is allowed: then only the totals of the stage are metrics."""
    return MetricsSettings(_dimensions(document.table("metrics", ("by",)), METRIC_DIMENSIONS))


def _dimensions(table: Table, known: Collection[str]) -> tuple[str, ...]:
    dimensions = table.texts("by", tuple(known))
    for position, dimension in enumerate(dimensions):
        if dimension not in known:
            table.add_error("by", f"unknown dimension {dimension!r}", did_you_mean(dimension, known), (position,))
    return tuple(dict.fromkeys(dimensions))


def _retention(text: str) -> timedelta:
    keep = values.parse_duration(text)
    if keep < _MIN_KEEP:
        raise FieldError(f"{text!r} is too short", 'use "2d" or more, for example "400d"')
    return keep
