"""The event: one thing that happened, the same for every source, and how to say it in one line."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from ..platform.phrases import duration
from .payloads import BusEvent, Completion, Digest, IncidentChange, IncidentUpdate, Item, Level, Summary


class Kind(StrEnum):
    """What an event is about; a rule's `on` names one of the first three."""

    UPLOAD = "upload"  # an object was created in a bucket
    ITEM = "item"  # an item of a table was created, updated or deleted
    BUS = "bus"  # an event of the event bus (EventBridge)
    BUNDLE = "bundle"  # several uploads of one rule, sent as one message
    DIGEST = "digest"  # everything deferred for one recipient, sent as one message
    INCIDENT = "incident"  # an incident opened, changed or resolved
    MESSAGE = "message"  # a message that somebody requested, with its own text
    TEST = "test"  # a test message that somebody requested
    TROUBLE = "trouble"  # the bot has a problem and notifies its owner


class Creation(StrEnum):
    """How an object was created (Amazon S3 user guide, "Supported event types", s3:ObjectCreated:*)."""

    PUT = "put"
    POST = "post"
    COPY = "copy"
    MULTIPART = "multipart"


class Severity(StrEnum):
    """How serious an event is, in rising order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return _SEVERITY_RANKS[self]


_SEVERITY_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Upload(Struct, frozen=True, omit_defaults=True):
    """An object that was created. `key` is decoded, exactly as S3 stores it; only the renderer sanitizes it."""

    bucket: str
    key: str
    size: int | None = None  # bytes; None if the source does not report it
    etag: str = ""
    version: str = ""  # "" in a bucket without versioning
    sequencer: str = ""
    creation: Creation = Creation.PUT
    by: str = ""  # the principal id of the uploader


class Event(Struct, frozen=True, omit_defaults=True):
    """One thing that happened. Events of equal `identity` are the same event, however often and from whichever source."""

    kind: Kind
    identity: str  # 32 hex digits, a hash of facts that a redelivery repeats
    at: datetime  # aware, UTC: when it happened, not when it arrived
    region: str = ""
    upload: Upload | None = None  # set for kind upload (and a test of an upload rule)
    detail: str = ""  # one sentence, for kinds test and trouble
    severity: Severity = Severity.INFO
    urgent: bool = False  # skips bundles, digests and quiet hours
    thread: str = ""  # mails of the same thread form a conversation
    summary: Summary | None = None  # set for kind bundle
    lead: Upload | None = None  # for kind bundle: the upload sent immediately, before the others
    whole: Completion | None = None  # for kind bundle: how a batch of files ended
    explains: bool = False  # for kind bundle: the first one of an installation, whose message says why it is a summary
    digest: Digest | None = None  # set for kind digest
    news: IncidentUpdate | None = None  # set for kind incident
    bus: BusEvent | None = None  # set for kind bus
    item: Item | None = None  # set for kind item
    words: Mapping[str, str] | None = None  # set for kind message: the texts a template may use


def identity_of(*facts: str) -> str:
    """Hash the facts that make two events the same; lengths keep ("ab", "c") apart from ("a", "bc")."""
    joined = "\0".join(f"{len(fact)}:{fact}" for fact in facts)
    return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def late_identity(upload: Upload) -> str:
    """The identity of an upload found by a backfill: the list of a bucket's objects has no sequencers."""
    return identity_of("late", upload.bucket, upload.key, upload.etag)


class UnknownPayload(Struct, frozen=True):
    """A payload, or a record of one, that could not be parsed: it is parked until somebody has checked it."""

    source: str
    why: str  # follows a colon: "missing 'id'"
    payload: object


class Batch(Struct, frozen=True):
    """The events of one payload; `ignored` names records that are valid but not for us."""

    events: tuple[Event, ...] = ()
    unknown: tuple[UnknownPayload, ...] = ()
    ignored: tuple[str, ...] = ()

    @classmethod
    def join(cls, batches: Iterable["Batch"]) -> "Batch":
        """Join the batches of several records, in order."""
        parts = list(batches)
        return cls(
            events=tuple(event for batch in parts for event in batch.events),
            unknown=tuple(payload for batch in parts for payload in batch.unknown),
            ignored=tuple(name for batch in parts for name in batch.ignored),
        )


def severity_of(level: Level) -> Severity:
    """The severity of an incident of a level."""
    if level is Level.ERROR:
        return Severity.CRITICAL
    return Severity.INFO if level is Level.OK else Severity.WARNING


def one_line(event: Event) -> str:
    """Describe an event in one line; an upload by its key. The text is not sanitized: whoever displays it does that."""
    if event.news:
        return incident_line(event.news)
    if event.bus:
        return f"{event.bus.subject}: {event.bus.says}"
    if event.item:
        key = ", ".join(str(value) for value in event.item.key.values())
        changed = f" ({', '.join(event.item.changed)})" if event.item.changed else ""
        return f"{event.item.table} {key}: {event.item.did}{changed}"
    if event.upload:
        return event.upload.key
    return event.detail or event.kind.value


def incident_line(news: IncidentUpdate) -> str:
    """Describe an incident's update in one line: "web resolved after 43 minutes: returned 200"."""
    lasted = f" after {duration(news.until - news.opened_at)}" if news.until else ""
    change = {
        IncidentChange.OPENED: "",
        IncidentChange.REMINDER: " is still not OK",
        IncidentChange.WORSENED: " got worse",
        IncidentChange.EASED: " got better",
        IncidentChange.FLAPPING: f" is flapping ({news.changes} changes)",
        IncidentChange.SETTLED: f" settled{lasted}",
        IncidentChange.RESOLVED: f" resolved{lasted}",
    }[news.change]
    return f"{news.monitor}{change}: {news.says}"
