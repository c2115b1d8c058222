"""Reads the fields of a rule that is on the event bus: which of its events it wants.

The ready-made events are from the services' own pages:
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

from ..domain.conditions import BusFilter, Pattern
from ..platform.fields import values
from ..platform.fields.table import Table
from ..platform.phrases import did_you_mean
from ..rules.event_patterns import OR
from ..rules.pattern_check import check

ALARM = "alarm"


def _of(source: str, types: str | list[str], **detail: Any) -> Pattern:
    found: dict[str, Any] = {"source": [f"aws.{source}"], "detail-type": [types] if isinstance(types, str) else types}
    return found | ({"detail": detail} if detail else {})


_INSTANCE, _TASK = "EC2 Instance State-change Notification", "ECS Task State Change"
_DATABASE = ["RDS DB Instance Event", "RDS DB Cluster Event"]
_SCALING = ["EC2 Instance Launch Unsuccessful", "EC2 Instance Terminate Unsuccessful", "EC2 Auto Scaling Instance Refresh Failed"]

EVENTS: Mapping[str, Pattern] = {
    ALARM: _of("cloudwatch", "CloudWatch Alarm State Change"),
    "instance state": _of("ec2", _INSTANCE),
    "instance running": _of("ec2", _INSTANCE, state=["running"]),
    "instance stopped": _of("ec2", _INSTANCE, state=["stopped", "terminated"]),
    "spot warning": _of("ec2", "EC2 Spot Instance Interruption Warning"),
    "autoscaling failed": _of("autoscaling", _SCALING),
    "database event": _of("rds", _DATABASE),
    "database failover": _of("rds", _DATABASE, EventCategories=["failover"]),
    "database failed": _of("rds", _DATABASE, EventCategories=["failure", "low storage"]),
    "container stopped": _of("ecs", _TASK, lastStatus=["STOPPED"]),
    "container failed": _of(
        "ecs",
        _TASK,
        lastStatus=["STOPPED"],
        **{OR: [{"stopCode": ["TaskFailedToStart"]}, {"containers": {"exitCode": [{"anything-but": 0}]}}]},
    ),
    "deployment failed": _of("ecs", "ECS Deployment State Change", eventName=["SERVICE_DEPLOYMENT_FAILED"]),
    "batch failed": _of("batch", "Batch Job State Change", status=["FAILED"]),
    "glue failed": _of(
        "glue", ["Glue Job State Change", "Glue Crawler State Change"], state=["FAILED", "TIMEOUT", "ERROR", "Failed"]
    ),
    "workflow failed": _of("states", "Step Functions Execution Status Change", status=["FAILED", "TIMED_OUT", "ABORTED"]),
    "pipeline failed": _of("codepipeline", "CodePipeline Pipeline Execution State Change", state=["FAILED"]),
    "build failed": _of("codebuild", "CodeBuild Build State Change", **{"build-status": ["FAILED", "FAULT", "TIMED_OUT"]}),
    "secret rotation failed": _of("secretsmanager", "AWS Service Event via CloudTrail", eventName=["RotationFailed"]),
    "backup failed": _of("backup", "Backup Job State Change", state=["FAILED", "ABORTED", "EXPIRED"]),
    "certificate expires": _of("acm", ["ACM Certificate Approaching Expiration", "ACM Certificate Expired"]),
    "health": _of("health", "AWS Health Event"),
}


def read(table: Table) -> Mapping[str, Any]:
    """The fields of the Rule; what is wrong is written down in the table."""
    if table.has("event") == table.has("pattern"):
        problem = "give either event or pattern" if table.has("event") else "neither event nor pattern says what the rule wants"
        table.wrong("event", problem, 'such as event = "alarm"; a pattern is for what has no name here')
        return {}
    wanted = _named(table) if table.has("event") else _pattern(table)
    remind = table.parsed("remind", None, values.span)
    if remind and wanted and wanted.named and ALARM not in wanted.named.split(", "):
        table.wrong("remind", "only alarms are still so after a while", f'it goes with event = "{ALARM}"')
    return {"bus": wanted, "remind": remind}


def _named(table: Table) -> BusFilter | None:
    names = tuple(dict.fromkeys(table.texts("event")))
    for name in names:
        if name not in EVENTS:
            table.wrong("event", f"there is no event {name!r}", did_you_mean(name, EVENTS) or _NAMES)
    patterns = [EVENTS[name] for name in names if name in EVENTS]
    if not names:
        table.wrong("event", "it names nothing", _NAMES)
    if not patterns:
        return None
    return BusFilter(patterns[0] if len(patterns) == 1 else {OR: patterns}, ", ".join(names))


def _pattern(table: Table) -> BusFilter | None:
    raw = table.raw("pattern")

    def checked() -> BusFilter:
        check(raw)
        return BusFilter(raw)

    return table.attempt("pattern", None, checked)


_NAMES = f"there are: {', '.join(EVENTS)}"
