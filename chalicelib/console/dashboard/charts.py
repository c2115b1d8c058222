"""Charts as SVG, drawn on the server. Pure: numbers in, shapes out; the templates write the elements.

Shapes have no colors and no text: the style sheet colors their classes for light and dark, and labels are HTML, which does not
shrink on a phone. Every chart has its numbers in a table beside it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from ...counting.hourly_stats import HourStats
from ...domain.payloads import Level
from ...store.counts.hourly import OTHER_FOLDERS as OTHER
from ..times import Times

WIDTH, HEIGHT = 960.0, 160.0  # of the column chart's coordinates
SERIES = 5  # folders with a color of their own; more would look alike
_GAP = 0.18  # of a column's width


class Rect(Struct, frozen=True):
    """A rectangle of a class of the style sheet."""

    x: float
    y: float
    width: float
    height: float
    css: str
    title: str = ""


class Columns(Struct, frozen=True):
    """Stacked columns over time: `legend` has the class of each series, `ticks` the labels below, from left to right."""

    rects: tuple[Rect, ...]
    legend: tuple[tuple[str, str, int], ...]  # class, name, total
    ticks: tuple[str, ...]
    largest: int  # the highest column
    rows: tuple[tuple[str, int, tuple[int, ...]], ...]  # for the table: label, total, each series


class Strip(Struct, frozen=True):
    """A monitor's levels over time."""

    rects: tuple[Rect, ...]
    summary: str  # for people who do not see it


def columns(hours: Sequence[HourStats], folders: Mapping[str, int], times: Times, *, daily: bool) -> Columns:
    """Stack the files of each hour, or day, by folder: the largest folders, and all others together."""
    names = _series(folders)
    steps = _by_day(hours, times) if daily else [(_hour_label(hour.at, times), hour.files, hour.folders) for hour in hours]
    largest = max((files for _, files, _ in steps), default=0)
    rects, rows = list[Rect](), list[tuple[str, int, tuple[int, ...]]]()
    width = WIDTH / max(len(steps), 1)
    for number, (label, files, by_folder) in enumerate(steps):
        amounts = _amounts(by_folder, names, files)
        rows.append((label, files, amounts))
        bottom = HEIGHT
        for series, amount in enumerate(amounts):
            height = HEIGHT * amount / largest if largest else 0.0
            if amount:
                bottom -= height
                title = f"{label}: {amount} {names[series]}"
                x, wide = round(width * (number + _GAP / 2), 2), round(width * (1 - _GAP), 2)
                rects.append(Rect(x, round(bottom, 2), wide, round(height, 2), f"s{series}", title))
    legend = tuple((f"s{series}", name, sum(row[2][series] for row in rows)) for series, name in enumerate(names))
    ticks = (rows[0][0], rows[len(rows) // 2][0], rows[-1][0]) if rows else ()
    return Columns(tuple(rects), legend, ticks, largest, tuple(rows))


def strip(history: Sequence[tuple[datetime, Level]], start: datetime, now: datetime, times: Times) -> Strip:
    """Draw the levels between two times; what is before the first known one is not colored."""
    span, rects, parts = (now - start) / timedelta(seconds=1), list[Rect](), list[str]()
    for number, (since, level) in enumerate(history):
        until = history[number + 1][0] if number + 1 < len(history) else now
        begin, end = max(since, start), min(until, now)
        if begin >= end:
            continue
        x, width = (begin - start).total_seconds() / span * 100, (end - begin).total_seconds() / span * 100
        title = f"{level.value} from {times.minute(begin)} to {times.minute(end)}"
        y, height = (3, 4) if level is Level.OK else (0, 10)  # also for people who do not see the colors
        rects.append(Rect(round(x, 3), y, round(max(width, 0.4), 3), height, f"level-{level.value}", title))
        if level is not Level.OK:
            parts.append(title)
    return Strip(tuple(rects), "; ".join(parts) if parts else "OK the whole time" if rects else "not checked yet")


def share_of(part: float, whole: float) -> float:
    """Per cent of a whole, between 0 and 100."""
    return round(min(max(100 * part / whole, 0), 100), 1) if whole else 0.0


def _series(folders: Mapping[str, int]) -> list[str]:
    named = [name for name in folders if name != OTHER][:SERIES]
    return [*named, OTHER] if len(folders) > len(named) else named


def _amounts(by_folder: Mapping[str, int], names: Sequence[str], files: int) -> tuple[int, ...]:
    amounts = [by_folder.get(name, 0) for name in names if name != OTHER]
    return (*amounts, files - sum(amounts)) if OTHER in names else tuple(amounts)


def _by_day(hours: Sequence[HourStats], times: Times) -> list[tuple[str, int, Mapping[str, int]]]:
    days: dict[str, tuple[int, dict[str, int]]] = {}
    for hour in hours:
        local = times.local(hour.at)
        label = f"{local.day} {local:%b}"
        files, folders = days.get(label, (0, {}))
        for name, amount in hour.folders.items():
            folders[name] = folders.get(name, 0) + amount
        days[label] = (files + hour.files, folders)
    return [(label, files, folders) for label, (files, folders) in days.items()]


def _hour_label(at: datetime, times: Times) -> str:
    local = times.local(at)
    return f"{local.day} {local:%b, %H:%M}"
