"""Converts S3 events into uploads: those that S3 sends directly, and those that come through EventBridge.

Formats: Amazon S3 user guide, "Event message structure" (2.1 to 2.6; a new minor version only adds fields) and
"EventBridge event message structure".
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from ..domain.event import Batch, Creation, Event, Kind, UnknownPayload, Upload, identity_of

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
    """Convert a notification that S3 sends directly to a function: every record, each separately.

    The `s3:TestEvent` that S3 sends when a notification is configured has no Records: its batch is empty.
    """
    match payload:
        case {"Event": "s3:TestEvent"}:
            return Batch(ignored=("s3:TestEvent",))
        case {"Records": list(records)} if records:
            return Batch.join(_convert(record, _from_record) for record in records)
    return Batch(unknown=(UnknownPayload("s3", "missing 'Records'", payload),))


def from_bus(payload: object) -> Batch:
    """Convert one S3 event from EventBridge ("Object Created", source aws.s3)."""
    return _convert(payload, _from_detail)


def _convert(payload: object, reader: Callable[[Mapping[str, Any]], Batch]) -> Batch:
    if not isinstance(payload, Mapping):
        return Batch(unknown=(UnknownPayload("s3", f"not an object but a {type(payload).__name__}", payload),))
    try:
        return reader(payload)
    except _SHAPE_ERRORS as error:
        why = f"missing {error}" if isinstance(error, KeyError) else str(error)
        return Batch(unknown=(UnknownPayload("s3", why, payload),))


def _from_record(record: Mapping[str, Any]) -> Batch:
    version = str(record["eventVersion"])
    if version.split(".")[0] != "2":
        raise ValueError(f"eventVersion {version} is not 2.x")
    group, _, name = str(record["eventName"]).removeprefix("s3:").partition(":")
    if group != "ObjectCreated":
        return Batch(ignored=(f"{group}:{name}",))
    object_ = record["s3"]["object"]
    # Keys are form-encoded here, and only here: space as "+", "+" as "%2B".
    key = unquote_plus(_text(object_["key"]), errors="strict")
    return _upload(
        Upload(
            bucket=_text(record["s3"]["bucket"]["name"]),
            key=key,
            size=_size(object_.get("size")),
            etag=_text(object_.get("eTag", "")),
            version=_version(object_.get("versionId")),
            sequencer=_text(object_.get("sequencer", "")),
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
    object_ = detail["object"]
    return _upload(
        Upload(
            bucket=_text(detail["bucket"]["name"]),
            key=_text(object_["key"]),  # not encoded on the bus: a "+" is a plus
            size=_size(object_.get("size")),
            etag=_text(object_.get("etag", "")),
            version=_version(object_.get("version-id")),
            sequencer=_text(object_.get("sequencer", "")),
            creation=_CREATION_BY_REASON.get(detail.get("reason", ""), Creation.PUT),
            by=_text(detail.get("requester", "")),
        ),
        at=_time(payload["time"]),
        region=_text(payload.get("region", "")),
    )


def _upload(upload: Upload, *, at: datetime, region: str) -> Batch:
    if not upload.bucket or not upload.key:
        raise ValueError("bucket or key is empty")
    upload.key.encode()  # S3 keys are UTF-8; one that is not cannot be stored, looked up or shown
    # The sequencer is the same in the direct copy and the EventBridge copy of an event, and unique per key. The version is
    # not: with versioning suspended, one says "null" and the other nothing. Without a sequencer we need more facts.
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
