"""What templates may use beyond Jinja's own, such as {{ upload.size | filesize }} or {{ event.at | local }}."""

import shlex
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from ..platform.phrases import counted, duration
from ..platform.sanitize import shorten
from . import charts

_ENDS = ("first_at", "last_at")
_UNITS = ("KB", "MB", "GB", "TB")


def filesize(size: int | None) -> str:
    """A size as the S3 console writes it: 1 KB is 1,024 bytes."""
    if size is None:
        return "size not told"
    if size == 0:
        return "empty"
    if size < 1024:
        return f"{size} byte" + ("s" if size != 1 else "")
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    value = round(size / 1024**power, 1)
    if value >= 1024 and power < len(_UNITS):  # 1,023.97 KB is 1 MB to a reader
        power, value = power + 1, 1.0
    return f"{value:g} {_UNITS[power - 1]}"


@pass_context
def local(context: Context, moment: datetime) -> str:
    """A moment in the reader's zone, with the zone's name: 23 Nov 2026, 14:50 IST."""
    return in_zone(moment, str(context["person"]["timezone"]))


@pass_context
def local_time(context: Context, moment: datetime) -> str:
    """Only the time of day, with the zone: 14:50 IST."""
    return in_zone(moment, str(context["person"]["timezone"])).rpartition(", ")[2]


def in_zone(moment: datetime, zone: str) -> str:
    """A moment in a zone; a zone without an abbreviation of letters is told by its distance: UTC+05:45."""
    there = moment.astimezone(ZoneInfo(zone))
    return f"{there.day} {there:%b %Y, %H:%M} {_zone_name(there)}"


@pass_context
def local_span(context: Context, summary: dict[str, Any]) -> str:
    """From the first file to the last in the reader's zone: 23 Nov 2026, 14:30 to 14:40 IST. "" where there is none."""
    return _span(summary, context, "{0.day} {0:%b %Y, %H:%M}", "{0:%H:%M}")


@pass_context
def local_time_span(context: Context, summary: dict[str, Any]) -> str:
    """The same for texts: 14:30 to 14:40 IST, with days only where there are several."""
    zone = ZoneInfo(str(context["person"]["timezone"]))
    days = {summary[name].astimezone(zone).date() for name in _ENDS if summary[name]}
    return _span(summary, context, "{0.day} {0:%b %H:%M}" if len(days) > 1 else "{0:%H:%M}", "{0:%H:%M}")


def _span(summary: dict[str, Any], context: Context, form: str, form_on_same_day: str) -> str:
    if summary["first_at"] is None:
        return ""
    zone = ZoneInfo(str(context["person"]["timezone"]))
    first, last = (summary[name].astimezone(zone) for name in _ENDS)
    name, name_before = _zone_name(last), _zone_name(first)
    begin, end = form.format(first), form.format(last)
    if (begin, name_before) == (end, name):
        return f"{end} {name}"
    if first.date() == last.date():
        end = form_on_same_day.format(last)
    changed = f" {name_before}" if name != name_before else ""  # the clocks were, in between
    return f"{begin}{changed} to {end} {name}"


def _zone_name(there: datetime) -> str:
    """IST; the distance from UTC where the zone has no abbreviation of letters."""
    name = there.tzname() or ""
    offset = f"{there:%z}"
    return name if name.isalpha() else f"UTC{offset[:3]}:{offset[3:5]}"


@pass_context
def hour(context: Context, name: str) -> str:
    """The hour of a share, "2026-11-23T10", in the reader's zone: 15:30."""
    return f"{charts.moment_of(name).astimezone(ZoneInfo(str(context['person']['timezone']))):%H:%M}"


@pass_context
def over_time(context: Context, hours: list[dict[str, Any]]) -> charts.Chart:
    """The chart of the hours of a summary, in the reader's zone."""
    return charts.over_time(hours, str(context["person"]["timezone"]))


def short_key(key: str, most: int = 60) -> str:
    """The last part of a key, which names the file, cut in its middle when it is long."""
    return shorten(key.rstrip("/").rpartition("/")[2] or key, most)


def short(text: str, most: int = 60) -> str:
    """A name cut in its middle when it is long."""
    return shorten(text, most)


def files(count: int) -> str:
    """So many files: no files, 1 file, 1,204 files."""
    return counted(count, "file")


def messages(count: int) -> str:
    """So many messages: 1 message, 12 messages."""
    return counted(count, "message")


def listed(keys: list[str], count: int, most: int = 2, letters: int = 30) -> str:
    """The first of `count` files by their short names: a.pdf, b.pdf and 410 more. "" where no name is known."""
    most = min(len(keys), count if count == most + 1 else most)  # "and 1 more" is longer than most names
    named = [short_key(key, letters) for key in keys[:most]]
    if not named:
        return ""
    rest = count - len(named)
    return ", ".join(named) + (f" and {rest:,} more" if rest > 0 else "")


def fetch_command(upload: dict[str, Any]) -> str:
    """The command that fetches an object, quoted for a shell; "" where the key has letters a terminal cannot type."""
    if not upload["shown_as_is"]:
        return ""
    address = f"s3://{upload['bucket']}/{upload['key']}"
    return f"aws s3 cp {shlex.quote(address)} ."


def lasting(span: timedelta | int) -> str:
    """A stretch of time, or that many seconds: 43 minutes, 3 h 5 min."""
    return duration(span if isinstance(span, timedelta) else timedelta(seconds=span))


def quoted(name: str) -> str:
    """A name as a shell takes it."""
    return shlex.quote(name)


FILTERS = {
    "lasting": lasting,
    "quoted": quoted,
    "filesize": filesize,
    "local": local,
    "local_time": local_time,
    "local_span": local_span,
    "local_time_span": local_time_span,
    "hour": hour,
    "short_key": short_key,
    "short": short,
    "files": files,
    "messages": messages,
    "listed": listed,
    "over_time": over_time,
    "by_folder": charts.by_folder,
    "fetch_command": fetch_command,
}
