"""S3 objects whose keys match a glob, which may contain the due day.

Source: Amazon S3 API reference, "ListObjectsV2" (1,000 keys per page, in byte order).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct

from ...domain.monitor import ProbeContext, ProbeError
from ...rules import globs
from .targets import ArrivalQuery, Arrivals, aws_errors

MAX_KEYS = 10_000  # listed per check

_DATE = re.compile(r"\{date(?:([+-][0-9]{1,3})d)?:((?:[^{}%]|%-?[YymdjHMSbBaAVGWUu])+)\}")


class Objects(Struct, frozen=True):
    """Objects whose keys match a glob. In it, {date:%Y-%m-%d} is the due day and {date-1d:…} the day before."""

    bucket: str
    key: str

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """List the bucket."""
        return (("s3:ListBucket", self.bucket),)

    @property
    def description(self) -> str:
        """The key as written in the settings, and the bucket."""
        return f"{self.key} in {self.bucket}"

    @property
    def needs_time_filter(self) -> bool:
        """A key without {date} is the same every day, so only the objects' own times tell days apart."""
        return not _DATE.search(self.key)

    def name(self, local_time: datetime) -> str:
        """The glob of a day: "etl/2026-03-02/part-*.parquet"."""
        return insert_dates(self.key, local_time)

    def location(self, local_time: datetime) -> str:
        """The folder of a day: "etl/2026-03-02/"; the key itself if it names one file."""
        glob = self.name(local_time)
        return glob if _prefix(glob) == glob else globs.literal_folder(glob) or glob

    def probe(self, context: ProbeContext, query: ArrivalQuery) -> tuple[Arrivals, bool]:
        """List the prefix of each glob. LastModified of a multipart upload is its start (Amazon S3 user guide, "Working with
        object metadata")."""
        arrivals: list[tuple[datetime, float]] = []
        remaining, truncated = MAX_KEYS, False
        for glob in dict.fromkeys(map(self.name, query.local_times)):
            pattern = globs.to_regex(glob)
            for page, truncated in _pages(context, self.bucket, _prefix(glob), remaining):  # noqa: B007
                remaining -= len(page)
                matches = [entry for entry in page if pattern.fullmatch(entry["Key"])]
                arrivals += [(entry["LastModified"].astimezone(UTC), entry["Size"]) for entry in matches]
            if truncated or query.is_enough(tuple(arrivals)):
                break
        return tuple(arrivals), truncated


def insert_dates(key: str, local_time: datetime) -> str:
    """Replace each {date…} of a key."""
    return _DATE.sub(lambda match: f"{local_time + timedelta(days=int(match[1] or 0)):{match[2]}}", key)


def has_valid_dates(key: str) -> bool:
    """Whether every {date…} of a key can be parsed."""
    return "{date" not in _DATE.sub("", key)


def too_many_keys(name: str) -> str:
    """The message for a truncated listing."""
    return f"cannot be read: more than {MAX_KEYS:,} keys start like {name} up to its first wildcard"


def _prefix(glob: str) -> str:
    return re.split(r"[*?\[{]", glob, maxsplit=1)[0]


def _pages(context: ProbeContext, bucket: str, prefix: str, max_keys: int) -> Iterator[tuple[Sequence[Mapping[str, Any]], bool]]:
    """Yield the pages of a listing, each with whether more follow, until there are at least `max_keys` keys."""
    client = context.clients("s3")
    position: dict[str, str] = {}
    while max_keys > 0:
        if context.time_left() <= timedelta(0):
            raise ProbeError("no time left to list the objects")
        with aws_errors():
            response = client.list_objects_v2(Bucket=bucket, Prefix=prefix, **position)
        page = response.get("Contents", [])
        yield page, bool(response.get("IsTruncated"))
        max_keys -= len(page)
        if not response.get("IsTruncated"):
            return
        position = {"ContinuationToken": response["NextContinuationToken"]}
