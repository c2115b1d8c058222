"""Freshness monitors run over days against a double of AWS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.monitor import AlertPolicy, CheckResult, MonitorDefaults, MonitorState, ProbeContext
from chalicelib.monitors.freshness.settings import read
from chalicelib.platform.fields.table import Finding, Table
from chalicelib.policy.incident import mark_delivered, step
from tests.policy.zones import utc

INDIA = MonitorDefaults("Asia/Kolkata", {"india": ("2026-01-26", "12-25")})
ETL = {"bucket": "acme-drops", "key": "etl/{date:%Y-%m-%d}/part-*.parquet", "expect": "weekdays by 06:00"}
AGE = {"bucket": "acme-drops", "key": "feeds/*.csv", "newest": {"warn": "3h", "error": "6h"}}
ITEM = {"table": "feeds", "item": {"pk": "feed#orders"}, "field": "updated_at", "expect": "daily by 06:00"}
METRIC = {"metric": "Acme/Feeds/Rows", "dimensions": {"FeedName": "orders"}, "expect": "daily by 06:00"}
MB = 1024**2
MINUTE = timedelta(minutes=1)


def check(raw: Mapping[str, Any], **more: Any) -> Any:
    findings: list[Finding] = []
    check = read(Table({**raw, **more}, "monitors 'etl'", findings, {}, ()), INDIA)[""]
    assert not findings
    return check


def without(raw: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in fields}


@dataclass
class AwsDouble:
    """A double of the used parts of S3, DynamoDB and CloudWatch; it records the requests."""

    objects: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    items: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: list[tuple[datetime, float]] = field(default_factory=list)
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def client(self, service: str, **_: Any) -> "AwsDouble":
        assert service in ("s3", "dynamodb", "cloudwatch")
        return self

    def list_objects_v2(self, **parameters: Any) -> dict[str, Any]:
        self._record(parameters)
        prefix, after = parameters["Prefix"], parameters.get("ContinuationToken", "")
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        page = [{"Key": key, "LastModified": self.objects[key][0], "Size": self.objects[key][1]} for key in keys[:1000]]
        more = {"IsTruncated": True, "NextContinuationToken": keys[999]} if len(keys) > 1000 else {"IsTruncated": False}
        return {"Contents": page, **more} if page else more

    def get_item(self, **parameters: Any) -> dict[str, Any]:
        self._record(parameters)
        item = self.items.get(parameters["Key"]["pk"]["S"])
        names = parameters["ExpressionAttributeNames"].values()
        return {"Item": {name: value for name, value in item.items() if name in names}} if item else {}

    def get_metric_statistics(self, **parameters: Any) -> dict[str, Any]:
        self._record(parameters)
        points = [(at, amount) for at, amount in reversed(self.points) if parameters["StartTime"] <= at < parameters["EndTime"]]
        return {"Datapoints": [{"Timestamp": at, "Sum": amount} for at, amount in points]}

    def _record(self, parameters: Mapping[str, Any]) -> None:
        self.requests.append(parameters)
        if self.error:
            raise self.error


@dataclass
class Story:
    """A monitor that is checked at the times it asks for, and the messages it sends."""

    check: Any
    now: datetime
    alert_policy: AlertPolicy = field(default_factory=AlertPolicy)
    aws: AwsDouble = field(default_factory=AwsDouble)
    state: MonitorState = field(default_factory=lambda: MonitorState("etl"))
    sent: list[str] = field(default_factory=list)
    checked_at: list[datetime] = field(default_factory=list)

    def put(self, key: str, size: int, at: str = "") -> None:
        self.aws.objects[key] = (utc(at) if at else self.now, size)

    def parts(self, day: str, count: int, size: int = MB, at: str = "") -> None:
        for number in range(count):
            self.put(f"etl/{day}/part-{number:02}.parquet", size, at)

    def run_check(self) -> CheckResult:
        context = ProbeContext(self.aws.client, lambda: timedelta(minutes=1))
        observation = self.check.probe(context, self.now, self.state.memory)
        result: CheckResult = self.check.evaluate(observation, self.now, self.state.memory)
        self.state = step(self.state, result, self.alert_policy, self.now, self.check.description)
        self.checked_at.append(self.now)
        event = self.state.pending
        if event and event.news:
            self.sent.append(f"{self.now:%d %H:%M} {event.news.change} {event.news.level}: {event.news.says}")
            self.state = mark_delivered(self.state)
        return result

    def until(self, text: str) -> list[str]:
        """Run every check that is due until then; return the messages sent meanwhile."""
        end, before = utc(text), len(self.sent)
        while (at := max(self.state.next_check_at or self.now, self.now)) <= end:
            self.now = at
            self.run_check()
        self.now = end
        return self.sent[before:]


def etl(at: str = "2026-03-01 12:00", **more: Any) -> Story:
    """The nightly files, monitored since a Sunday; they are due at 00:30 UTC."""
    story = Story(check({**ETL, **more}), utc(at))
    story.run_check()
    return story
