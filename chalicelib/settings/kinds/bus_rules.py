"""Reads the fields of a rule on the event bus: which events match.

The named events follow the services' own documentation:
- "instance …", "spot warning": Amazon EC2, "Automate Amazon EC2 using EventBridge" and "Spot Instance interruption notices"
- "database …": Amazon RDS user guide, "Creating a rule that triggers on an Amazon RDS event", "Amazon RDS event categories"
- "container …", "deployment failed": Amazon ECS developer guide, "Amazon ECS task state change events", "… service deployment …"
- "batch failed": AWS Batch user guide, "Job state change events"
- "glue failed": AWS Glue developer guide, "Automating AWS Glue with EventBridge"
- "workflow failed": AWS Step Functions developer guide, "Automating Step Functions event delivery with EventBridge"
- "alarm": Amazon CloudWatch user guide, "Alarm events and EventBridge"
- "health": AWS Health user guide, "Reference: AWS Health events Amazon EventBridge schema"
- "autoscaling failed": Amazon EC2 Auto Scaling user guide, "Amazon EC2 Auto Scaling event reference"
- "pipeline failed": AWS CodePipeline user guide, "Monitoring CodePipeline events"
- "build failed": AWS CodeBuild user guide, "Build notifications input format reference"
- "secret rotation failed": AWS Secrets Manager user guide, "AWS CloudTrail entries for Secrets Manager"
- "backup failed": AWS Backup developer guide, "Monitoring AWS Backup events using Amazon EventBridge"
- "certificate expires": AWS Certificate Manager user guide, "Amazon EventBridge support for ACM"
"""

from collections.abc import Mapping
from typing import Any

from ...domain.conditions import BusFilter, Pattern
from ...platform.fields import values
from ...platform.fields.table import Table
from ...platform.phrases import did_you_mean
from ...rules.event_patterns import OR
from ...rules.pattern_check import check

ALARM = "alarm"


def _pattern_for(source: str, types: str | list[str], **detail: Any) -> Pattern:
    pattern: dict[str, Any] = {"source": [f"aws.{source}"], "detail-type": [types] if isinstance(types, str) else types}
    return pattern | ({"detail": detail} if detail else {})


_INSTANCE, _TASK = "EC2 Instance State-change Notification", "ECS Task State Change"
_DATABASE = ["RDS DB Instance Event", "RDS DB Cluster Event"]
_SCALING = ["EC2 Instance Launch Unsuccessful", "EC2 Instance Terminate Unsuccessful", "EC2 Auto Scaling Instance Refresh Failed"]

EVENTS: Mapping[str, Pattern] = {
    ALARM: _pattern_for("cloudwatch", "CloudWatch Alarm State Change"),
    "instance state": _pattern_for("ec2", _INSTANCE),
    "instance running": _pattern_for("ec2", _INSTANCE, state=["running"]),
    "instance stopped": _pattern_for("ec2", _INSTANCE, state=["stopped", "terminated"]),
    "spot warning": _pattern_for("ec2", "EC2 Spot Instance Interruption Warning"),
    "autoscaling failed": _pattern_for("autoscaling", _SCALING),
    "database event": _pattern_for("rds", _DATABASE),
    "database failover": _pattern_for("rds", _DATABASE, EventCategories=["failover"]),
    "database failed": _pattern_for("rds", _DATABASE, EventCategories=["failure", "low storage"]),
    "container stopped": _pattern_for("ecs", _TASK, lastStatus=["STOPPED"]),
    "container failed": _pattern_for(
        "ecs",
        _TASK,
        lastStatus=["STOPPED"],
        **{OR: [{"stopCode": ["TaskFailedToStart"]}, {"containers": {"exitCode": [{"anything-but": 0}]}}]},
    ),
    "deployment failed": _pattern_for("ecs", "ECS Deployment State Change", eventName=["SERVICE_DEPLOYMENT_FAILED"]),
    "batch failed": _pattern_for("batch", "Batch Job State Change", status=["FAILED"]),
    "glue failed": _pattern_for(
        "glue", ["Glue Job State Change", "Glue Crawler State Change"], state=["FAILED", "TIMEOUT", "ERROR", "Failed"]
    ),
    "workflow failed": _pattern_for(
        "states", "Step Functions Execution Status Change", status=["FAILED", "TIMED_OUT", "ABORTED"]
    ),
    "pipeline failed": _pattern_for("codepipeline", "CodePipeline Pipeline Execution State Change", state=["FAILED"]),
    "build failed": _pattern_for(
        "codebuild", "CodeBuild Build State Change", **{"build-status": ["FAILED", "FAULT", "TIMED_OUT"]}
    ),
    "secret rotation failed": _pattern_for("secretsmanager", "AWS Service Event via CloudTrail", eventName=["RotationFailed"]),
    "backup failed": _pattern_for("backup", "Backup Job State Change", state=["FAILED", "ABORTED", "EXPIRED"]),
    "certificate expires": _pattern_for("acm", ["ACM Certificate Approaching Expiration", "ACM Certificate Expired"]),
    "health": _pattern_for("health", "AWS Health Event"),
}


_ALL_NAMES = f"use one of: {', '.join(EVENTS)}"


def read(table: Table) -> Mapping[str, Any]:
    """The arguments of Rule. Errors are added to the table."""
    if table.has("event") and table.has("pattern"):
        table.add_error("event", "'event' and 'pattern' cannot be combined", "remove one")
        return {}
    if not table.has("event") and not table.has("pattern"):
        hint = 'set it, for example event = "alarm", or set pattern for an event that has no name here'
        table.add_error("event", "missing", hint)
        return {}
    bus = _by_name(table) if table.has("event") else _by_pattern(table)
    remind = table.parsed("remind", None, values.parse_duration)
    if remind and bus and bus.named and ALARM not in bus.named.split(", "):
        table.add_error("remind", "only alarms have reminders", f'use it with event = "{ALARM}", or remove it')
    return {"bus": bus, "remind": remind}


def _by_name(table: Table) -> BusFilter | None:
    names = table.texts("event")
    for position, name in enumerate(names):
        if name not in EVENTS:
            table.add_error("event", f"unknown event {name!r}", did_you_mean(name, EVENTS) or _ALL_NAMES, (position,))
    names = tuple(dict.fromkeys(names))
    patterns = [EVENTS[name] for name in names if name in EVENTS]
    if table.raw("event") == []:
        table.add_error("event", "empty", _ALL_NAMES)
    if not patterns:
        return None
    return BusFilter(patterns[0] if len(patterns) == 1 else {OR: patterns}, ", ".join(names))


def _by_pattern(table: Table) -> BusFilter | None:
    raw = table.raw("pattern")

    def checked() -> BusFilter:
        check(raw)
        return BusFilter(raw)

    return table.attempt("pattern", None, checked)
