"""Finds uploads whose event never arrived: lists the bucket, compares it with the ledger, and lets the sweep notify.

A listing has no sequencer, so an upload found late has an identity of its own. If its event arrives after all, the control item
makes the functions look for that identity first (Deliverer._announced_by_backfill).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.bot.bot import Bot
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, Reason
from chalicelib.domain.event import Event, Kind, Upload, late_identity
from chalicelib.platform.clock import Clock
from chalicelib.store.control import CACHE_TIME

IN_TRANSIT = "15m"  # an event may take that long to arrive
_CLOCK_SKEW = timedelta(hours=1)  # clocks differ: the ledger is read from this much earlier


@dataclass(frozen=True, slots=True)
class Scope:
    """Which uploads to check: by bucket, prefix and time."""

    bucket: str
    prefix: str
    since: datetime
    until: datetime


def parse_scope(address: str, since: datetime, until: datetime) -> Scope:
    """Read "s3://bucket/prefix".

    Raises:
        ValueError: the address is invalid, or the end is not after the start.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise ValueError(f"{address!r} is not an S3 address; use s3://bucket/prefix")
    if since >= until:
        raise ValueError("--since must be before --until (by default 15 minutes ago: later events may be in transit)")
    return Scope(bucket, prefix, since, until)


def list_uploads(client: Any, scope: Scope) -> Iterator[Event]:
    """Yield the objects created in the scope, each as the event that should have arrived.

    A listing does not include overwritten versions (Amazon S3 API reference, "ListObjectsV2").
    """
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=scope.bucket, Prefix=scope.prefix):
        for entry in page.get("Contents", []):
            if scope.since <= entry["LastModified"] <= scope.until:
                upload = Upload(scope.bucket, entry["Key"], entry["Size"], etag=entry["ETag"].strip('"'))
                yield Event(Kind.UPLOAD, late_identity(upload), entry["LastModified"], upload=upload, detail="found late")


def find_missed(uploads: Iterable[Event], bot: Bot, scope: Scope) -> list[Event]:
    """Return the uploads that a rule matches and the ledger does not have, compared by bucket, key and eTag."""
    matching = [event for event in uploads if bot.intake.matches(event)]
    known = set()
    for row in bot.deliverer.ledger.newest(scope.since - _CLOCK_SKEW, bot.deliverer.clock()) if matching else ():
        if isinstance(row, Bundle) and row.rule:
            in_ledger = [member.event.upload for member in bot.deliverer.deferrer.bundles.members(row)]
        else:
            in_ledger = [row.event.upload] if isinstance(row, Delivery) else []
        known |= {(upload.bucket, upload.key, upload.etag) for upload in in_ledger if upload}
    return [
        event for event in matching if event.upload and (event.upload.bucket, event.upload.key, event.upload.etag) not in known
    ]


def record_backfill(bot: Bot, scope: Scope) -> datetime:
    """Record in the control item that uploads of the scope may be sent as found late; return when every container knows."""
    control = bot.deliverer.control
    until = max(scope.until, control.now().backfilled_until.get(scope.bucket, scope.until))
    control.record_backfill(scope.bucket, until)
    return bot.deliverer.clock() + CACHE_TIME


def announce(bot: Bot, event: Event) -> list[Delivery]:
    """Queue an upload found late for the sweep; returns [] if it was queued before."""
    return bot.intake.hold(event, Reason.LATE)


def wait_for(moment: datetime, clock: Clock, sleep: Callable[[float], object]) -> None:
    """Sleep until a moment."""
    while (remaining := (moment - clock()).total_seconds()) > 0:
        sleep(min(remaining, 1.0))
