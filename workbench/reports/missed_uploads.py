"""Uploads whose event never came: found by listing the bucket, compared with the ledger, left to the sweep to announce.

A listing has no sequencer, so an upload found late has an identity of its own; should its event come after all, the control
item tells the functions to look for that one first (Deliverer._told_as_late).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.bot import Bot
from chalicelib.domain.bundle import Bundle
from chalicelib.domain.delivery import Delivery, Reason
from chalicelib.domain.event import Event, Kind, Upload, late_identity
from chalicelib.platform.clock import Clock
from chalicelib.store.control import FRESH

UNDER_WAY = timedelta(minutes=15)  # an event may still be on its way that long
_EARLIER = timedelta(hours=1)  # clocks differ: the ledger is read from a little before


@dataclass(frozen=True, slots=True)
class Scope:
    """Where and of which time uploads are looked for."""

    bucket: str
    prefix: str
    since: datetime
    until: datetime


def scope(address: str, since: datetime, until: datetime) -> Scope:
    """Read "s3://bucket/prefix".

    Raises:
        ValueError: it is no such address, or the time ends before it begins.
    """
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    if not address.startswith("s3://") or not bucket:
        raise ValueError(f"{address!r} is no place in S3: write s3://bucket/prefix")
    if since >= until:
        raise ValueError("the time ends before it begins: events of the last 15 minutes may still be on their way")
    return Scope(bucket, prefix, since, until)


def objects(client: Any, where: Scope) -> Iterator[Event]:
    """The objects of the bucket that were created in that time, each as the event that should have come.

    A version that was overwritten since is not in a listing (Amazon S3 API reference, "ListObjectsV2").
    """
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=where.prefix):
        for thing in page.get("Contents", []):
            if where.since <= thing["LastModified"] <= where.until:
                upload = Upload(where.bucket, thing["Key"], thing["Size"], etag=thing["ETag"].strip('"'))
                yield Event(Kind.UPLOAD, late_identity(upload), thing["LastModified"], upload=upload, detail="found late")


def missed(found: Iterable[Event], bot: Bot, where: Scope) -> list[Event]:
    """Those that a rule wants and the ledger knows nothing of, by bucket, key and eTag."""
    wanted = [event for event in found if bot.intake.matches(event)]
    known = set()
    for row in bot.deliverer.ledger.newest(where.since - _EARLIER, bot.deliverer.clock()) if wanted else ():
        if isinstance(row, Bundle) and row.rule:
            uploads = [member.event.upload for member in bot.deliverer.deferrer.bundles.members(row)]
        else:
            uploads = [row.event.upload] if isinstance(row, Delivery) else []
        known |= {(upload.bucket, upload.key, upload.etag) for upload in uploads if upload}
    return [event for event in wanted if event.upload and (event.upload.bucket, event.upload.key, event.upload.etag) not in known]


def warn(bot: Bot, where: Scope) -> datetime:
    """Let the functions know that events of that time may have been announced; gives the moment when all of them do."""
    control = bot.deliverer.control
    until = max(where.until, control.now().backfilled_until.get(where.bucket, where.until))
    control.record_backfill(where.bucket, until)
    return bot.deliverer.clock() + FRESH


def announce(bot: Bot, event: Event) -> list[Delivery]:
    """Leave an upload that was found late to the sweep; [] for what was left to it before."""
    return bot.intake.hold(event, Reason.LATE)


def wait_for(moment: datetime, clock: Clock, sleep: Callable[[float], object]) -> None:
    """Wait until then."""
    while (left := (moment - clock()).total_seconds()) > 0:
        sleep(min(left, 1.0))
