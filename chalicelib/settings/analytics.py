"""Reads [analytics]: what is counted of messages and files, and how long counters are kept."""

from datetime import timedelta

from msgspec import Struct

from ..policy.counts import DIMENSIONS, KEEP
from . import values
from .table import Table

FIELDS = ("keep", "by")
SHORTEST = timedelta(days=2)  # as long as a thing that comes again is known


class Analytics(Struct, frozen=True):
    """What is counted, and how long it is kept: days so long, hours 100 days at the most."""

    keep: timedelta = KEEP
    by: tuple[str, ...] = DIMENSIONS


def read(table: Table) -> Analytics:
    """The analytics; what is wrong is written down in the table."""
    by = table.texts("by", DIMENSIONS)
    for word in by:
        if word not in DIMENSIONS:
            table.wrong("by", f"{word!r} is nothing to count by", values.nearest(word, DIMENSIONS))
    if not by:
        table.wrong("by", "it names nothing", "leave it out for all of them, or leave out [analytics]")
    return Analytics(table.parsed("keep", KEEP, _kept), tuple(dict.fromkeys(by)))


def _kept(text: str) -> timedelta:
    span = values.span(text)
    if span < SHORTEST:
        raise values.Wrong(f"{text!r} is too short to count anything in", 'write "2d" or more, such as "400d"')
    return span
