"""Reads [analytics]: what is counted of messages and files, and how long counters are kept."""

from datetime import timedelta

from ..domain.settings import COUNTER_RETENTION, DIMENSIONS, Analytics
from ..platform.fields import values
from ..platform.fields.table import FieldError, Table
from ..platform.phrases import did_you_mean

FIELDS = ("keep", "by")
SHORTEST = timedelta(days=2)  # as long as a thing that comes again is known


def read(table: Table) -> Analytics:
    """The analytics; what is wrong is written down in the table."""
    by = table.texts("by", DIMENSIONS)
    for word in by:
        if word not in DIMENSIONS:
            table.wrong("by", f"{word!r} is nothing to count by", did_you_mean(word, DIMENSIONS))
    if not by:
        table.wrong("by", "it names nothing", "leave it out for all of them, or leave out [analytics]")
    return Analytics(table.parsed("keep", COUNTER_RETENTION, _kept), tuple(dict.fromkeys(by)))


def _kept(text: str) -> timedelta:
    span = values.span(text)
    if span < SHORTEST:
        raise FieldError(f"{text!r} is too short to count anything in", 'write "2d" or more, such as "400d"')
    return span
