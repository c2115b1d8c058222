"""Template filters beyond Jinja's own, such as {{ upload.size | filesize }} or {{ event.at | local }}.

Their names and parameters are a contract with users' templates; docs/settings.md lists them under Templates.
"""

import shlex
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from ..platform.phrases import duration, pluralize
from ..platform.sanitize import shorten
from . import charts

_ENDS = ("first_at", "last_at")
_UNITS = ("KB", "MB", "GB", "TB")


@lru_cache(maxsize=8)  # the parts of a mail show the same size
def filesize(size: int | None) -> str:
    """Format a size like the S3 console: 1 KB is 1,024 bytes."""
    if size is None:
        return "size unknown"
    if size == 0:
        return "empty"
    if size < 1024:
        return f"{size} byte" + ("s" if size != 1 else "")
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    value = round(size / 1024**power, 1)
    if value >= 1024 and power < len(_UNITS):  # 1,023.97 KB would round to 1,024 KB: show 1 MB
        power, value = power + 1, 1.0
    return f"{value:g} {_UNITS[power - 1]}"


@pass_context
def local(context: Context, moment: datetime) -> str:
    """Format a moment in the recipient's zone, with the zone's name: 23 Nov 2026, 14:50 IST."""
    return in_zone(moment, str(context["person"]["timezone"]))


@pass_context
def local_time(context: Context, moment: datetime) -> str:
    """Format only the time of day, with the zone: 14:50 IST."""
    return in_zone(moment, str(context["person"]["timezone"])).rpartition(", ")[2]


@lru_cache(maxsize=8)  # the parts of a mail show the same moment
def in_zone(moment: datetime, zone: str) -> str:
    """Format a moment in a zone; a zone without an alphabetic abbreviation is shown as its offset: UTC+05:45."""
    at = moment.astimezone(ZoneInfo(zone))
    return f"{at.day} {at:%b %Y, %H:%M} {_zone_name(at)}"


@pass_context
def local_span(context: Context, summary: dict[str, Any]) -> str:
    """Format the times of the first and last file in the recipient's zone: 23 Nov 2026, 14:30 to 14:40 IST; "" if none."""
    return _span(summary, context, "{0.day} {0:%b %Y, %H:%M}", "{0:%H:%M}")


@pass_context
def local_time_span(context: Context, summary: dict[str, Any]) -> str:
    """Format the same times shorter, for texts: 14:30 to 14:40 IST, with days only if there are several."""
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
    zone_before = f" {name_before}" if name != name_before else ""  # the clocks changed in between
    return f"{begin}{zone_before} to {end} {name}"


def _zone_name(at: datetime) -> str:
    """IST; the offset from UTC if the zone has no alphabetic abbreviation."""
    name = at.tzname() or ""
    if name.isalpha():
        return name
    offset = f"{at:%z}"
    return f"UTC{offset[:3]}:{offset[3:5]}"


@pass_context
def hour(context: Context, name: str) -> str:
    """Format the hour of a share, "2026-11-23T10", in the recipient's zone: 15:30."""
    return f"{charts.hour_start(name).astimezone(ZoneInfo(str(context['person']['timezone']))):%H:%M}"


@pass_context
def over_time(context: Context, hours: list[dict[str, Any]]) -> charts.Chart:
    """Return the chart of a summary's hours, in the recipient's zone."""
    return charts.over_time(hours, str(context["person"]["timezone"]))


def short_key(key: str, most: int = 60) -> str:
    """Return the last part of a key, which names the file, shortened in the middle."""
    return shorten(key.rstrip("/").rpartition("/")[2] or key, most)


def short(text: str, most: int = 60) -> str:
    """Shorten a name in the middle."""
    return shorten(text, most)


def files(count: int) -> str:
    """Format a number of files: no files, 1 file, 1,204 files."""
    return pluralize(count, "file")


def messages(count: int) -> str:
    """Format a number of messages: 1 message, 12 messages."""
    return pluralize(count, "message")


def listed(keys: list[str], count: int, most: int = 2, letters: int = 30) -> str:
    """List the first of `count` files by short name: a.pdf, b.pdf and 410 more. "" if no name is known."""
    shown = min(len(keys), count if count == most + 1 else most)  # "and 1 more" is longer than most names
    names = [short_key(key, letters) for key in keys[:shown]]
    if not names:
        return ""
    more = count - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def fetch_command(upload: dict[str, Any]) -> str:
    """Return the command that downloads an object, quoted for a shell; "" if its key cannot be typed in a terminal."""
    if not upload["shown_as_is"]:
        return ""
    address = f"s3://{upload['bucket']}/{upload['key']}"
    return f"aws s3 cp {shlex.quote(address)} ."


def lasting(span: timedelta | int) -> str:
    """Format a duration, given as such or in seconds: 43 minutes, 3 h 5 min."""
    return duration(span if isinstance(span, timedelta) else timedelta(seconds=span))


def quoted(name: str) -> str:
    """Quote a name for a shell."""
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
