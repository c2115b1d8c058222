"""Uploads as Amazon S3 tells them: directly to a function, and by way of EventBridge.

Formats: Amazon S3 user guide, "Event message structure" (2.1 to 2.6; a new minor version only adds fields) and
"EventBridge event message structure".
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from ..domain.event import Batch, Creation, Event, Kind, Unknown, Upload, identity_of

_CREATION_BY_EVENT_NAME = {
    "Put": Creation.PUT,
    "Post": Creation.POST,
    "Copy": Creation.COPY,
    "CompleteMultipartUpload": Creation.MULTIPART,
}
_CREATION_BY_REASON = {
    "PutObject": Creation.PUT,
    "POST Object": Creation.POST,
    "CopyObject": Creation.COPY,
    "CompleteMultipartUpload": Creation.MULTIPART,
}

_SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError)  # UnicodeError is a ValueError


def from_notification(payload: object) -> Batch:
    """Convert what S3 sends to a function it notifies directly: every record of it, each for itself.

    The `s3:TestEvent` that S3 sends when a notification is set up has no Records: it gives an empty batch.
    """
    match payload:
        case {"Event": "s3:TestEvent"}:
            return Batch(ignored=("s3:TestEvent",))
        case {"Records": list(records)} if records:
            return Batch.join(_convert(record, _from_record) for record in records)
    return Batch(unknown=(Unknown("s3", "it has no Records", payload),))


def from_bus(payload: object) -> Batch:
    """Convert one S3 event of EventBridge ("Object Created", source aws.s3)."""
    return _convert(payload, _from_detail)


def _convert(payload: object, reader: Callable[[Mapping[str, Any]], Batch]) -> Batch:
    if not isinstance(payload, Mapping):
        return Batch(unknown=(Unknown("s3", f"it is a {type(payload).__name__}, not an object", payload),))
    try:
        return reader(payload)
    except _SHAPE_ERRORS as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        return Batch(unknown=(Unknown("s3", why, payload),))


def _from_record(record: Mapping[str, Any]) -> Batch:
    version = str(record["eventVersion"])
    if version.split(".")[0] != "2":
        raise ValueError(f"its eventVersion {version} is not 2.x")
    group, _, name = str(record["eventName"]).removeprefix("s3:").partition(":")
    if group != "ObjectCreated":
        return Batch(ignored=(f"{group}:{name}",))
    thing = record["s3"]["object"]
    # Keys arrive form-encoded here, and only here: space as "+", "+" as "%2B".
    key = unquote_plus(_text(thing["key"]), errors="strict")
    return _upload(
        Upload(
            bucket=_text(record["s3"]["bucket"]["name"]),
            key=key,
            size=_size(thing.get("size")),
            etag=_text(thing.get("eTag", "")),
            version=_version(thing.get("versionId")),
            sequencer=_text(thing.get("sequencer", "")),
            creation=_CREATION_BY_EVENT_NAME.get(name, Creation.PUT),
            by=_text(record.get("userIdentity", {}).get("principalId", "")),
        ),
        at=_time(record["eventTime"]),
        region=_text(record.get("awsRegion", "")),
    )


def _from_detail(payload: Mapping[str, Any]) -> Batch:
    if payload["detail-type"] != "Object Created":
        return Batch(ignored=(str(payload["detail-type"]),))
    detail = payload["detail"]
    thing = detail["object"]
    return _upload(
        Upload(
            bucket=_text(detail["bucket"]["name"]),
            key=_text(thing["key"]),  # not encoded on the bus: a "+" is a plus
            size=_size(thing.get("size")),
            etag=_text(thing.get("etag", "")),
            version=_version(thing.get("version-id")),
            sequencer=_text(thing.get("sequencer", "")),
            creation=_CREATION_BY_REASON.get(detail.get("reason", ""), Creation.PUT),
            by=_text(detail.get("requester", "")),
        ),
        at=_time(payload["time"]),
        region=_text(payload.get("region", "")),
    )


def _upload(upload: Upload, *, at: datetime, region: str) -> Batch:
    if not upload.bucket or not upload.key:
        raise ValueError("its bucket or key is empty")
    upload.key.encode()  # S3 keys are UTF-8: what is not cannot be kept, looked up or shown
    # The sequencer is the same in the direct and in the bus copy of one event, and unlike any other of that key. Its
    # version is not: with versioning suspended one says "null" and the other nothing. Only without it do we need more.
    facts = (upload.sequencer,) if upload.sequencer else (upload.version, upload.etag, at.isoformat())
    identity = identity_of("upload", upload.bucket, upload.key, *facts)
    return Batch(events=(Event(Kind.UPLOAD, identity, at, region, upload),))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is not text")
    return value


def _size(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r:.80} is not a size")
    return value


def _version(value: object) -> str:
    return "" if value in (None, "null") else _text(value)


def _time(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
