"""What an event says in one line: for digests, and where there is no template."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from ..platform.phrases import duration
from .payloads import BusEvent, Completion, Digest, IncidentChange, IncidentUpdate, Item, Level, Summary


class Kind(StrEnum):
    """What an event is about; a rule's `on` names one of the first."""

    UPLOAD = "upload"  # an object was created in a bucket
    ITEM = "item"  # an item of a table was created, updated or deleted
    BUS = "bus"  # a service of AWS told something on the event bus
    BUNDLE = "bundle"  # several uploads of one rule, told as one
    DIGEST = "digest"  # what waited for one reader, told as one
    INCIDENT = "incident"  # a monitor's alarm was opened, changed or resolved
    MESSAGE = "message"  # somebody asked for a message, with words of their own
    TEST = "test"  # somebody asked for a test message
    TROUBLE = "trouble"  # the bot itself is in trouble and tells its owner


class Creation(StrEnum):
    """How an object came to be (Amazon S3 user guide, "Supported event types", s3:ObjectCreated:*)."""

    PUT = "put"
    POST = "post"
    COPY = "copy"
    MULTIPART = "multipart"


class Severity(StrEnum):
    """How much it matters, in rising order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the least."""
        return _SEVERITY_RANKS[self]


_SEVERITY_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Upload(Struct, frozen=True, omit_defaults=True):
    """An object that was created. `key` is decoded, exactly as S3 stores it; only render makes it fit to show."""

    bucket: str
    key: str
    size: int | None = None  # bytes; None where the source does not say
    etag: str = ""
    version: str = ""  # "" in a bucket without versioning
    sequencer: str = ""
    creation: Creation = Creation.PUT
    by: str = ""  # the principal id of who uploaded it


class Event(Struct, frozen=True, omit_defaults=True):
    """One thing that happened. Equal `identity` means the same thing, however often and by whatever way it came."""

    kind: Kind
    identity: str  # 32 hex digits, made of facts that a redelivery repeats
    at: datetime  # aware, UTC: when it happened, not when we heard of it
    region: str = ""
    upload: Upload | None = None  # set where kind is upload (and a test of an upload rule)
    detail: str = ""  # one sentence, where kind is test or trouble
    severity: Severity = Severity.INFO
    urgent: bool = False  # waits for nothing
    thread: str = ""  # mails with the same one are a conversation
    summary: Summary | None = None  # set where kind is bundle
    lead: Upload | None = None  # where kind is bundle: the upload that was told at once, before the others
    whole: Completion | None = None  # where kind is bundle: it is a delivery of many files, and ended
    digest: Digest | None = None  # set where kind is digest
    news: IncidentUpdate | None = None  # set where kind is incident
    bus: BusEvent | None = None  # set where kind is bus
    item: Item | None = None  # set where kind is item
    words: Mapping[str, str] | None = None  # set where kind is message: what a template may say


def identity_of(*facts: str) -> str:
    """Hash the facts that make an event the same event; the separator cannot occur in an S3 key twice by chance."""
    joined = "\0".join(f"{len(fact)}:{fact}" for fact in facts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def late_identity(upload: Upload) -> str:
    """The identity of an upload that a backfill found: a listing of the bucket has no sequencer."""
    return identity_of("late", upload.bucket, upload.key, upload.etag)


class Unknown(Struct, frozen=True):
    """A payload, or a record of one, in a shape we do not know: kept (parked) until somebody has looked at it."""

    source: str
    why: str  # completes "it was not understood: …"
    payload: object


class Batch(Struct, frozen=True):
    """What a converter made of one payload; `ignored` names what is known and none of our business."""

    events: tuple[Event, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    ignored: tuple[str, ...] = ()

    @classmethod
    def join(cls, batches: Iterable["Batch"]) -> "Batch":
        """Put the batches of several records into one, in order."""
        each = list(batches)
        return cls(
            events=tuple(event for batch in each for event in batch.events),
            unknown=tuple(unknown for batch in each for unknown in batch.unknown),
            ignored=tuple(name for batch in each for name in batch.ignored),
        )


def severity_of(level: Level) -> Severity:
    """How much a level matters."""
    if level is Level.ERROR:
        return Severity.CRITICAL
    return Severity.INFO if level is Level.OK else Severity.WARNING


def one_line(event: Event) -> str:
    """One line; an upload's is its key. Texts are as they came: who shows it makes it fit to show."""
    if event.news:
        return incident_line(event.news)
    if event.bus:
        return f"{event.bus.subject}: {event.bus.says}"
    if event.item:
        key = ", ".join(str(value) for value in event.item.key.values())
        return f"{event.item.table} {key}: {event.item.did}" + (
            f" ({', '.join(event.item.changed)})" if event.item.changed else ""
        )
    if event.upload:
        return event.upload.key
    return event.detail or event.kind.value


def incident_line(news: IncidentUpdate) -> str:
    """What happened to an incident: "web resolved after 43 minutes: answered 200"."""
    lasted = f" after {duration(news.until - news.opened_at)}" if news.until else ""
    how = {
        IncidentChange.OPENED: "",
        IncidentChange.REMINDER: " is still not well",
        IncidentChange.WORSENED: " got worse",
        IncidentChange.EASED: " got better",
        IncidentChange.FLAPPING: f" flaps, {news.changes} changes of late",
        IncidentChange.SETTLED: f" has settled{lasted}",
        IncidentChange.RESOLVED: f" resolved{lasted}",
    }[news.change]
    return f"{news.monitor}{how}: {news.says}"
