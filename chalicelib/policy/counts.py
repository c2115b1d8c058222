"""Which counters a rule or [analytics] defines: a rule counts items of a table, [analytics] counts messages and files.

A counter's name says what it counts and by which fields: "orders by status", "sum total of orders by status", "messages by rule".
Each value ("paid") has a separate count. A counter without fields, or a total, has the value "".
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from ..domain.budget import Period
from ..domain.conditions import CountBy
from ..domain.event import Event, Kind, identity_of
from ..domain.payloads import Summary
from ..domain.settings import DIMENSIONS

if TYPE_CHECKING:
    from ..domain.delivery import Delivery
    from ..domain.rule import Rule

HOUR_AND_DAY: tuple[Period, ...] = ("hour", "day")
RESERVED_NAMES = ("messages", "files")  # counted by the bot itself; a rule's counter needs another name
FOLDER_LEVELS = 2  # levels of a key's folders that are counted separately
MAX_VALUE_LENGTH = 100  # characters
NONE = "(none)"  # an item without the field
OTHER = "other"  # everything that is no longer counted separately

_WORD = r"[A-Za-z_][A-Za-z0-9_.-]*"
_COUNT = re.compile(rf"(?:sum ({_WORD}) of )?([A-Za-z][A-Za-z0-9_-]*)(?: by ({_WORD}(?: and {_WORD})?))?")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]+")
_MAX_AMOUNT = Decimal(10) ** 12  # of one change: a DynamoDB number has 38 digits


def own_counters(by: Iterable[str]) -> list[str]:
    """Return the names of the counters of messages and files for these dimensions, in order."""
    dimensions = {"messages": ("rule", "channel", "outcome", "person"), "files": ("bucket", "folder", "rule", "uploader")}
    return [f"{counter} by {name}" for counter in RESERVED_NAMES for name in dimensions[counter] if name in by]


class Count(Struct, frozen=True):
    """An amount to add to one value of a counter, per hour, per day or both."""

    name: str
    value: str = ""
    amount: int | Decimal = 1
    per: tuple[Period, ...] = HOUR_AND_DAY


class CountRecord(Struct, frozen=True):
    """Counts to add exactly once: records with the same mark are the same."""

    mark: str
    at: datetime  # aware; counts for the hour and day (UTC) of this moment
    counts: tuple[Count, ...]
    hourly: Mapping[str, int] = {}  # for the console: amounts by attribute of the rows in store/counts/hourly.py


def parse_count(text: str) -> CountBy:
    """Read "orders", "orders by status", "orders by status and region" or "sum total of orders by status".

    Raises:
        ValueError: any other text; the error is one sentence.
    """
    match = _COUNT.fullmatch(" ".join(text.split()))
    if not match:
        raise ValueError(f"invalid counter {text!r}")
    if match[2] in RESERVED_NAMES:
        raise ValueError(f"the name {match[2]!r} is reserved for the bot's own counters; use another name")
    return CountBy(match[2], tuple(match[3].split(" and ")) if match[3] else (), match[1] or "")


def count_of_item(event: Event, count_by: CountBy) -> Count | None:
    """Return what an item's change counts; None if it has no number to add.

    The item is counted as it is after the change, a deleted item as it was. Dots name a field within a map ("customer.region").
    Numbers are added exactly, to the hundredth; amounts above a trillion are not added.
    """
    if event.item is None:
        return None
    fields = event.item.new or event.item.old or event.item.key
    amount = _number(_field(fields, count_by.sum)) if count_by.sum else 1
    if amount is None:
        return None
    value = " / ".join(_value_text(_field(fields, name)) for name in count_by.by)
    return Count(str(count_by), bounded(value), amount)


def counts_for_budget(delivery: "Delivery", scope: str) -> tuple[Count, ...]:
    """Return what a delivery that was just sent counts towards a budget scope, per hour: a day is the sum of its hours."""
    if delivery.state.value != "sent":
        return ()
    amounts = {"messages": 1, "segments": delivery.segments}
    return tuple(Count(f"sent {scope}", unit, amount, ("hour",)) for unit, amount in amounts.items() if amount)


def counts_for_failure(delivery: "Delivery") -> tuple[Count, ...]:
    """Return what a delivery that just failed counts for its person, per hour: digests report failures."""
    if delivery.state.value not in ("failed", "expired", "undelivered"):
        return ()
    return (Count(f"sent person {delivery.person}", "failures", 1, ("hour",)),)


def counts_of_delivery(delivery: "Delivery", by: Iterable[str] = DIMENSIONS) -> tuple[Count, ...]:
    """Return what a delivery that just changed its state counts as a message: its outcome, and once sent all other dimensions.

    A message that was sent but did not arrive has both outcomes.
    """
    outcome = delivery.state.value
    values = {"outcome": f"{outcome}:{delivery.reason}" if outcome == "dropped" else outcome}
    if outcome == "sent":
        values |= {"rule": delivery.rule, "channel": delivery.channel.value, "person": delivery.person}
    return tuple(Count(f"messages by {name}", bounded(value)) for name, value in values.items() if name in by)


def counts_of_files(delivery: "Delivery", rule: "Rule | None", by: Iterable[str] = DIMENSIONS) -> CountRecord | None:
    """Return the count of the files in a message or in a recipient's next digest: the same for every recipient, so counted once.

    A message reports one upload or a bundle of uploads; a digest reports no new files. A bundle counts for the hour of its last
    file and for the folders in its summary. `rule` is the delivery's, if the settings still have it.
    """
    event = delivery.event
    if delivery.state.value not in ("sent", "bundled") or event.kind not in (Kind.UPLOAD, Kind.BUNDLE):
        return None
    files_by = {name: values for name, values in _files_by(delivery, rule).items() if name in by}
    counts = (Count(f"files by {name}", value, files) for name, values in files_by.items() for value, files in values.items())
    nonzero = tuple(count for count in counts if count.amount)
    return CountRecord(identity_of("files", delivery.rule, *file_facts(event)), event.at, nonzero) if nonzero else None


def file_facts(event: Event) -> tuple[str, ...]:
    """The facts that identify an event's files. Its identity is not enough: an event deferred alone is sent under another."""
    upload = event.upload
    if upload is None:
        return (event.thread, msgspec.json.encode(event.summary).decode())
    return (upload.bucket, upload.key, *((upload.sequencer,) if upload.sequencer else (upload.etag, event.at.isoformat())))


def _files_by(delivery: "Delivery", rule: "Rule | None") -> dict[str, dict[str, int]]:
    event, summary = delivery.event, delivery.event.summary
    upload = event.upload or event.lead
    if summary is None:
        files, folders = 1 if event.upload else 0, {folder_name(event.upload.key.rpartition("/")[0]): 1} if event.upload else {}
        uploader = event.upload.by if event.upload else ""
    else:
        files, folders = summary.files, _folders_of(summary)
        uploader = event.detail if rule and rule.by.kind == "uploader" else ""
    bucket = upload.bucket if upload else rule.bucket if rule else ""
    values = {"bucket": bucket, "rule": delivery.rule, "uploader": uploader}
    return {**{name: {bounded(value) or NONE: files} for name, value in values.items()}, "folder": folders}


def _folders_of(summary: Summary) -> dict[str, int]:
    folders: Counter[str] = Counter()
    for folder in summary.folders:
        folders[folder_name(folder.name)] += folder.files
    if more := summary.files - folders.total():
        folders[OTHER] += more
    return folders


def folder_name(path: str) -> str:
    """The first levels of a path; "/" is the bucket's top level."""
    return bounded("/".join(path.split("/")[:FOLDER_LEVELS])) or "/"


def bounded(text: str) -> str:
    """Turn untrusted text into a counter's value: one line of at most MAX_VALUE_LENGTH characters, in UTF-8."""
    return _CONTROL_CHARACTERS.sub(" ", text).encode("utf-8", "replace").decode()[:MAX_VALUE_LENGTH]


def _field(fields: Mapping[str, Any], name: str) -> Any:
    if name in fields:
        return fields[name]
    first, _, rest = name.partition(".")
    inner = fields.get(first)
    return _field(inner, rest) if rest and isinstance(inner, Mapping) else None


def _value_text(value: Any) -> str:
    if value is None or value == "":
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _number(value: Any) -> int | Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    if not number.is_finite() or abs(number) >= _MAX_AMOUNT:
        return None
    return int(number) if isinstance(value, int) else round(number, 2)
