"""Reads [analytics]: what is counted, and how long counters are kept."""

from datetime import timedelta

from ..domain.settings import COUNTER_RETENTION, DIMENSIONS, Analytics
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.phrases import did_you_mean

FIELDS = ("keep", "by")
_MIN_KEEP = timedelta(days=2)  # as long as the marks that prevent counting a record twice


def read(table: Table) -> Analytics:
    """Read the table."""
    dimensions = table.texts("by", DIMENSIONS)
    for position, dimension in enumerate(dimensions):
        if dimension not in DIMENSIONS:
            table.add_error("by", f"unknown dimension {dimension!r}", did_you_mean(dimension, DIMENSIONS), (position,))
    if not dimensions:
        table.add_error("by", "empty", "remove it to count by every dimension, or remove [analytics]")
    return Analytics(table.parsed("keep", COUNTER_RETENTION, _retention), tuple(dict.fromkeys(dimensions)))


def _retention(text: str) -> timedelta:
    keep = values.parse_duration(text)
    if keep < _MIN_KEEP:
        raise FieldError(f"{text!r} is too short", 'use "2d" or more, for example "400d"')
    return keep
