"""What is counted: of a table's items what a rule says ("orders by status"), of messages and files what [analytics] says.

A counter's name says what it counts and by what: "orders by status", "sum total of orders by status", "messages by rule". Each
value it has been counted for ("paid") is counted for itself; where it is by nothing, or the total is wanted, the value is "".
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from ..domain.conditions import CountBy
from ..domain.event import Event, Kind, identity_of
from ..domain.payloads import Summary
from ..domain.settings import DIMENSIONS

if TYPE_CHECKING:
    from ..domain.delivery import Delivery
    from ..domain.rule import Rule

Per = Literal["hour", "day"]
BOTH: tuple[Per, ...] = ("hour", "day")
OWN = ("messages", "files")  # what the bot counts of itself; a rule's counter has another name
FOLDERS = 2  # how many levels of a key's folders are told apart
LONGEST = 100  # letters of a value
NONE = "(none)"  # an item without the field
OTHER = "other"  # what is not told apart any more

_WORD = r"[A-Za-z_][A-Za-z0-9_.-]*"
_COUNT = re.compile(rf"(?:sum ({_WORD}) of )?([A-Za-z][A-Za-z0-9_-]*)(?: by ({_WORD}(?: and {_WORD})?))?")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]+")
_MOST = Decimal(10) ** 12  # of one amount: a counter of DynamoDB's has 38 digits


def own_counters(by: Iterable[str]) -> list[str]:
    """The counters of messages and of files, by these dimensions, in order."""
    there = {"messages": ("rule", "channel", "outcome", "person"), "files": ("bucket", "folder", "rule", "uploader")}
    return [f"{what} by {name}" for what in OWN for name in there[what] if name in by]


class Count(Struct, frozen=True):
    """So much more for one value of a counter, in the hours, the days or both."""

    name: str
    value: str = ""
    amount: int | Decimal = 1
    per: tuple[Per, ...] = BOTH


class Counted(Struct, frozen=True):
    """What is counted once, however often it comes: equal marks are the same thing."""

    mark: str
    at: datetime  # aware; it is counted for the hour and the day (UTC) of this moment
    counts: tuple[Count, ...]


def parse_count(text: str) -> CountBy:
    """Read "orders", "orders by status", "orders by status and region" or "sum total of orders by status".

    Raises:
        ValueError: it is none of these, in one sentence.
    """
    found = _COUNT.fullmatch(" ".join(text.split()))
    if not found:
        raise ValueError(f"{text!r} is nothing to count, such as orders by status, or sum total of orders by status")
    if found[2] in OWN:
        raise ValueError(f"{found[2]} are what the bot counts of itself: the counter needs another name")
    return CountBy(found[2], tuple(found[3].split(" and ")) if found[3] else (), found[1] or "")


def counts_of(event: Event, count_by: CountBy) -> Count | None:
    """What an item's change counts; None where it has no number to add.

    The item is as it is after the change, and as it was where it was deleted. A field within a map is named with dots
    ("customer.region"). Numbers are added exactly, to the hundredth; beyond a trillion they are not.
    """
    if event.item is None:
        return None
    fields = event.item.new or event.item.old or event.item.key
    amount = _number(_field(fields, count_by.sum)) if count_by.sum else 1
    if amount is None:
        return None
    return Count(str(count_by), bounded(" / ".join(_told(_field(fields, name)) for name in count_by.by)), amount)


def spent(delivery: "Delivery", scope: str) -> tuple[Count, ...]:
    """What a delivery that just came to its state counts for a budget's scope, by the hour: a day is the sum of its hours."""
    if delivery.state.value != "sent":
        return ()
    found = {"messages": 1, "segments": delivery.segments}
    return tuple(Count(f"sent {scope}", what, amount, ("hour",)) for what, amount in found.items() if amount)


def failure(delivery: "Delivery") -> tuple[Count, ...]:
    """What came to nothing counts for its person, by the hour: their digests tell of it."""
    if delivery.state.value not in ("failed", "expired", "undelivered"):
        return ()
    return (Count(f"sent person {delivery.person}", "failures", 1, ("hour",)),)


def counts_of_delivery(delivery: "Delivery", by: Iterable[str] = DIMENSIONS) -> tuple[Count, ...]:
    """What a delivery that just came to its state counts as a message: for its outcome, and where it was sent for the rest.

    One that was sent and then did not arrive has both outcomes.
    """
    outcome = delivery.state.value
    values = {"outcome": f"{outcome}:{delivery.reason}" if outcome == "dropped" else outcome}
    if outcome == "sent":
        values |= {"rule": delivery.rule, "channel": delivery.channel.value, "person": delivery.person}
    return tuple(Count(f"messages by {name}", bounded(value)) for name, value in values.items() if name in by)


def files_told(delivery: "Delivery", rule: "Rule | None", by: Iterable[str] = DIMENSIONS) -> Counted | None:
    """The files that a message tells of, or that wait for a reader's digest: the same for each recipient, so counted once.

    A message tells of one upload or of a bundle of them; a digest of nothing new. A bundle is counted for the hour of its last
    file, and for the folders that its summary names. `rule` is the delivery's, where the settings still have it.
    """
    event = delivery.event
    if delivery.state.value not in ("sent", "bundled") or event.kind not in (Kind.UPLOAD, Kind.BUNDLE):
        return None
    shares = {name: values for name, values in _files_by(delivery, rule).items() if name in by}
    counts = (Count(f"files by {name}", value, files) for name, values in shares.items() for value, files in values.items())
    found = tuple(count for count in counts if count.amount)
    return Counted(identity_of("files", delivery.rule, *_facts(event)), event.at, found) if found else None


def _facts(event: Event) -> tuple[str, ...]:
    """What an event is of. Its identity is not enough: what waited alone for a reader is told with another."""
    upload = event.upload
    if upload is None:
        return (event.thread, msgspec.json.encode(event.summary).decode())
    return (upload.bucket, upload.key, *((upload.sequencer,) if upload.sequencer else (upload.etag, event.at.isoformat())))


def _files_by(delivery: "Delivery", rule: "Rule | None") -> dict[str, dict[str, int]]:
    event, summary = delivery.event, delivery.event.summary
    upload = event.upload or event.lead
    if summary is None:
        files, folders = 1 if event.upload else 0, {_folder(event.upload.key.rpartition("/")[0]): 1} if event.upload else {}
        uploader = event.upload.by if event.upload else ""
    else:
        files, folders = summary.files, _folders_of(summary)
        uploader = event.detail if rule and rule.by.kind == "uploader" else ""
    bucket = upload.bucket if upload else rule.bucket if rule else ""
    values = {"bucket": bucket, "rule": delivery.rule, "uploader": uploader}
    return {**{name: {bounded(value) or NONE: files} for name, value in values.items()}, "folder": folders}


def _folders_of(summary: Summary) -> dict[str, int]:
    found: Counter[str] = Counter()
    for folder in summary.folders:
        found[_folder(folder.name)] += folder.files
    if more := summary.files - found.total():
        found[OTHER] += more
    return found


def _folder(folders: str) -> str:
    """The first levels; "/" is the bucket's top."""
    return bounded("/".join(folders.split("/")[:FOLDERS])) or "/"


def bounded(value: str) -> str:
    """A stranger's text as a value: on one line, no longer than LONGEST, in UTF-8."""
    return _UNSEEN.sub(" ", value).encode("utf-8", "replace").decode()[:LONGEST]


def _field(fields: Mapping[str, Any], name: str) -> Any:
    if name in fields:
        return fields[name]
    first, _, rest = name.partition(".")
    inner = fields.get(first)
    return _field(inner, rest) if rest and isinstance(inner, Mapping) else None


def _told(value: Any) -> str:
    if value is None or value == "":
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _number(value: Any) -> int | Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    if not number.is_finite() or abs(number) >= _MOST:
        return None
    return int(number) if isinstance(value, int) else round(number, 2)
