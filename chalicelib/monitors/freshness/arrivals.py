"""What freshness looks at: objects of a dated key, an item's timestamp, a metric; each with one request, or a few pages.

Sources: Amazon S3 API reference, "ListObjectsV2" (1,000 keys a page, in the order of their bytes); Amazon DynamoDB API
reference, "GetItem"; Amazon CloudWatch API reference, "GetMetricStatistics" (1,440 data points a request; by the age of the start
a period is a multiple of 60, 300 or 3,600 seconds; a point's time is the beginning of its period).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from msgspec import Struct

from ...domain.monitor import ProbeContext, ProbeError
from ...rules import globs

MOST_KEYS = 10_000  # listed in one look

_DATE = re.compile(r"\{date(?:([+-][0-9]{1,3})d)?:((?:[^{}%]|%-?[YymdjHMSbBaAVGWUu])+)\}")
_POINTS = 1440
_PERIODS = ((timedelta(days=15), 60), (timedelta(days=63), 300))
_LONGEST_PERIOD = 3600
_MILLISECONDS = (
    10**11
)  # a number so large is of milliseconds: as seconds it is the year 5138, and so much are milliseconds in 1973

Things = tuple[tuple[datetime, float], ...]  # when each came (UTC), and its bytes, or what it counts


class Ask(Struct, frozen=True):
    """What a target is asked for."""

    now: datetime
    begin: datetime  # what came before it is of no interest, where the target can tell
    walls: tuple[datetime, ...]  # the local times that {date:…} stands for, the newest first
    enough: Callable[[Things], bool] = lambda things: False  # whether the other walls are of interest


class Target(Protocol):
    """Where something is to arrive."""

    @property
    def what(self) -> str:
        """As the settings name it."""

    @property
    def windowed(self) -> bool:
        """Whether what it finds is held against the moment before which it is of no interest."""

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow."""

    def name(self, wall: datetime) -> str:
        """What is expected at a local time."""

    def place(self, wall: datetime) -> str:
        """Where it arrived."""

    def probe(self, reach: ProbeContext, ask: Ask) -> tuple[Things, bool]:
        """What is there, and whether there is more than is looked through.

        Raises:
            Unreadable: AWS does not say.
        """


class Objects(Struct, frozen=True):
    """Objects whose keys match a glob; {date:%Y-%m-%d} in it is the expected day, {date-1d:…} the day before."""

    bucket: str
    key: str

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow."""
        return (("s3:ListBucket", self.bucket),)

    @property
    def what(self) -> str:
        """The key as it is written, and the bucket."""
        return f"{self.key} in {self.bucket}"

    @property
    def windowed(self) -> bool:
        """A key without a day is the same every day: then the objects' own times tell."""
        return not _DATE.search(self.key)

    def name(self, wall: datetime) -> str:
        """The glob of a day: "etl/2026-03-02/part-*.parquet"."""
        return dated(self.key, wall)

    def place(self, wall: datetime) -> str:
        """The folder of a day: "etl/2026-03-02/"; the key itself where it names one file."""
        glob = self.name(wall)
        return glob if _prefix(glob) == glob else globs.literal_folder(glob) or glob

    def probe(self, reach: ProbeContext, ask: Ask) -> tuple[Things, bool]:
        """List what begins as the globs do. LastModified of a multipart upload is when it was begun (Amazon S3 user guide,
        "Working with object metadata")."""
        found: list[tuple[datetime, float]] = []
        left, more = MOST_KEYS, False
        for glob in dict.fromkeys(map(self.name, ask.walls)):
            pattern = globs.compiled(glob)
            for page, more in _pages(reach, self.bucket, _prefix(glob), left):  # noqa: B007
                left -= len(page)
                found += [(each["LastModified"].astimezone(UTC), each["Size"]) for each in page if pattern.fullmatch(each["Key"])]
            if more or ask.enough(tuple(found)):
                break
        return tuple(found), more


class Item(Struct, frozen=True):
    """A timestamp of a DynamoDB item: ISO 8601 (UTC where it names no zone), or seconds or milliseconds since 1970."""

    table: str
    key: Mapping[str, str | int]
    field: str

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow."""
        return (("dynamodb:GetItem", self.table),)

    @property
    def what(self) -> str:
        """The field, the item's key and the table."""
        return f"{self.field} of {self.name(datetime.min)}"

    @property
    def windowed(self) -> bool:
        """Its time tells."""
        return True

    def name(self, wall: datetime) -> str:
        """The item's key and the table."""
        return f"{' '.join(map(str, self.key.values()))} in {self.table}"

    place = name

    def probe(self, reach: ProbeContext, ask: Ask) -> tuple[Things, bool]:
        """Get the one field; nothing where there is no such item."""
        names = {f"#n{each}": name for each, name in enumerate({self.field: 0, next(iter(self.key)): 0})}
        with _readable():
            answer = reach.clients("dynamodb").get_item(
                TableName=self.table,
                Key={name: {"S": value} if isinstance(value, str) else {"N": str(value)} for name, value in self.key.items()},
                ProjectionExpression=", ".join(names),  # with a key, so that an item without the field is not taken for none
                ExpressionAttributeNames=names,
            )
        if "Item" not in answer:
            return (), False
        return ((_moment(answer["Item"].get(self.field, {}), self.field), 1),), False


class Metric(Struct, frozen=True):
    """A metric of CloudWatch whose Sum is what came."""

    namespace: str
    metric: str
    dimensions: Mapping[str, str]

    @property
    def permissions(self) -> tuple[tuple[str, str], ...]:
        """What IAM must allow."""
        return (("cloudwatch:GetMetricStatistics", "*"),)

    @property
    def what(self) -> str:
        """The metric's name, and its dimensions."""
        told = ", ".join(f"{name} {value}" for name, value in self.dimensions.items())
        return f"{self.namespace}/{self.metric}" + (f" of {told}" if told else "")

    @property
    def windowed(self) -> bool:
        """It is asked for a span."""
        return False

    def name(self, wall: datetime) -> str:
        """The same each day."""
        return self.what

    place = name

    def probe(self, reach: ProbeContext, ask: Ask) -> tuple[Things, bool]:
        """Get the sums since then that are more than nothing."""
        with _readable():
            answer = reach.clients("cloudwatch").get_metric_statistics(
                Namespace=self.namespace,
                MetricName=self.metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in self.dimensions.items()],
                StartTime=ask.begin,
                EndTime=ask.now,
                Period=period(ask.begin, ask.now),
                Statistics=["Sum"],
            )
        sums = [(each["Timestamp"].astimezone(UTC), each["Sum"]) for each in answer["Datapoints"]]
        return tuple(sorted(each for each in sums if each[1] > 0)), False


def dated(key: str, wall: datetime) -> str:
    """A key with the days put in."""
    return _DATE.sub(lambda found: f"{wall + timedelta(days=int(found[1] or 0)):{found[2]}}", key)


def too_many(name: str) -> str:
    """What is said where there is more than is looked through."""
    return f"it cannot be read: more than {MOST_KEYS:,} keys begin as {name} does before its first wildcard"


def is_dated_well(key: str) -> bool:
    """Whether each {date…} of a key can be read."""
    return "{date" not in _DATE.sub("", key)


def period(begin: datetime, now: datetime) -> int:
    """The seconds of a period of GetMetricStatistics: as few as it gives for all of this span in one answer."""
    length = now - begin
    unit = next((seconds for age, seconds in _PERIODS if length < age), _LONGEST_PERIOD)
    return unit * max(1, -(-int(length.total_seconds() + unit) // (_POINTS * unit)))  # the start is rounded down


def _prefix(glob: str) -> str:
    return re.split(r"[*?\[{]", glob, maxsplit=1)[0]


def _pages(reach: ProbeContext, bucket: str, prefix: str, most: int) -> Iterator[tuple[Sequence[Mapping[str, Any]], bool]]:
    """The pages of a listing, and of each whether there is more behind it; no more than are needed for so many keys."""
    client = reach.clients("s3")
    more: dict[str, str] = {}
    while most > 0:
        if reach.time_left() <= timedelta(0):
            raise ProbeError("there was no time to list it")
        with _readable():
            answer = client.list_objects_v2(Bucket=bucket, Prefix=prefix, **more)
        page = answer.get("Contents", [])
        yield page, bool(answer.get("IsTruncated"))
        most -= len(page)
        if not answer.get("IsTruncated"):
            return
        more = {"ContinuationToken": answer["NextContinuationToken"]}


def _moment(value: Mapping[str, Any], field: str) -> datetime:
    try:
        if "N" in value:
            number = float(value["N"])
            return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS else number, UTC)
        found = datetime.fromisoformat(value["S"])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        raise ProbeError(f"its {field} is no time" if value else f"it has no {field}") from None


@contextmanager
def _readable() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise ProbeError(f"AWS says {error.response['Error']['Code']}") from error
    except BotoCoreError as error:
        raise ProbeError(f"AWS does not answer ({type(error).__name__})") from error
