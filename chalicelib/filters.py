"""What templates may use beyond Jinja's own, such as {{ upload.size | filesize }} or {{ event.at | local }}."""

import shlex
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import pass_context
from jinja2.runtime import Context

from .show import shortened

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
    name = there.tzname() or ""
    if not name.isalpha():
        offset = f"{there:%z}"
        name = f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{there.day} {there:%b %Y, %H:%M} {name}"


def short_key(key: str, most: int = 60) -> str:
    """The last part of a key, which names the file, cut in its middle when it is long."""
    return shortened(key.rstrip("/").rpartition("/")[2] or key, most)


def fetch_command(upload: dict[str, Any]) -> str:
    """The command that fetches an object, quoted for a shell; "" where the key has letters a terminal cannot type."""
    if not upload["shown_as_is"]:
        return ""
    address = f"s3://{upload['bucket']}/{upload['key']}"
    return f"aws s3 cp {shlex.quote(address)} ."


FILTERS = {
    "filesize": filesize,
    "local": local,
    "local_time": local_time,
    "short_key": short_key,
    "fetch_command": fetch_command,
}
