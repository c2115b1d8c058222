"""Describes events of AWS services: instances, databases, secrets, backups, certificates and AWS Health.

Their fields are documented on the page that chalicelib/settings/kinds/bus_rules.py names for each ready-made event. A describer
returns None if the event is not as its page documents it; the event is then described like any other.
"""

from collections.abc import Callable, Mapping
from typing import Any

from . import jobs
from .alarms import describe_alarm
from .service_phrases import (
    Description,
    EventFields,
    is_failure,
    last_segment,
    readable,
    truncate,
    url_quote,
    with_reason,
)


def _instance(event: EventFields) -> Description | None:
    name, state = event.text("instance-id"), event.text("state")
    if not (name and state):
        return None
    return Description(f"instance {name}", state, {"Instance": name}, _instance_page(event, name))


def _spot(event: EventFields) -> Description | None:
    name, action = event.text("instance-id"), event.text("instance-action")
    if not name:
        return None
    says = f"EC2 reclaims this Spot Instance in two minutes: {action or 'interrupted'}"
    return Description(f"instance {name}", says, {"Instance": name}, _instance_page(event, name), is_problem=True)


def _instance_page(event: EventFields, name: str) -> str:
    return f"ec2/home?region={event.region}#InstanceDetails:instanceId={url_quote(name)}"


def _scaling(event: EventFields) -> Description | None:
    group = event.text("AutoScalingGroupName")
    if not group:
        return None
    activity = event.type.removeprefix("EC2 ").removeprefix("Auto Scaling ")
    says = with_reason(activity[:1].lower() + activity[1:], event.text("StatusMessage"))
    facts = {"Instance": event.text("EC2InstanceId"), "Cause": event.text("Cause")}
    page = f"ec2/home?region={event.region}#AutoScalingGroupDetails:id={url_quote(group)};view=activity"
    is_problem = "Unsuccessful" in event.type or "Failed" in event.type
    return Description(f"Auto Scaling group {group}", says, facts, page, is_problem)


def _database(event: EventFields) -> Description | None:
    name = event.text("SourceIdentifier")
    if not name:
        return None
    categories = [category for category in _list(event, "EventCategories") if isinstance(category, str)]
    cluster = "CLUSTER" in event.text("SourceType").upper()
    page = f"rds/home?region={event.region}#database:id={url_quote(name)};is-cluster={str(cluster).lower()}"
    says = truncate(event.text("Message")).rstrip(".") or event.type
    facts = {"Event": event.text("EventID"), "Category": ", ".join(categories)}
    is_problem = bool({"failure", "failover", "low storage"} & set(categories))
    return Description(f"database {name}", says, facts, page, is_problem)


def _secret(event: EventFields) -> Description | None:
    name, arn = event.text("eventName"), event.text("additionalEventData", "SecretId")
    if name != "RotationFailed" or not arn:
        return None
    page = f"secretsmanager/secret?name={url_quote(arn)}&region={event.region}"
    says = with_reason("rotation failed", event.text("errorMessage"))
    return Description(f"secret {last_segment(arn)}", says, {}, page, is_problem=True)


def _backup(event: EventFields) -> Description | None:
    state, resource = event.text("state"), last_segment(event.text("resourceArn"))
    if not (state and resource):
        return None
    job = event.text("backupJobId")
    facts = {"Vault": event.text("backupVaultName"), "Kind": event.text("resourceType"), "Job": job}
    page = f"backup/home?region={event.region}#/jobs/backup/details/{url_quote(job)}"
    says = with_reason(readable(state), event.text("statusMessage").strip('"'))
    return Description(f"backup of {resource}", says, facts, page, is_failure(state))


def _certificate(event: EventFields) -> Description | None:
    certificate = last_segment(event.resources[0]) if event.resources else ""
    name = event.text("CommonName") or certificate
    if not name:
        return None
    days = event.text("DaysToExpiry")
    says = "has expired" if event.type.endswith("Expired") else f"expires in {days or 'a few'} days"
    page = f"acm/home?region={event.region}#/certificates/{url_quote(certificate)}" if certificate else ""
    return Description(f"certificate {name}", says, {}, page, is_problem=True)


def _health(event: EventFields) -> Description | None:
    code, service = event.text("eventTypeCode"), event.text("service")
    if not code:
        return None
    texts = [text.get("latestDescription") for text in _list(event, "eventDescription") if isinstance(text, Mapping)]
    entities = [str(entity.get("entityValue", "")) for entity in _list(event, "affectedEntities") if isinstance(entity, Mapping)]
    category = event.text("eventTypeCategory")
    facts = {
        "Category": category,
        "Region": event.text("eventRegion"),
        "Affected": ", ".join(entities),
        "Starts": event.text("startTime"),
        "Ends": event.text("endTime"),
    }
    says = with_reason(code, next((text for text in texts if isinstance(text, str)), ""))
    page = f"health/home#/account/event-log?eventID={url_quote(event.text('eventArn'))}"
    return Description(f"AWS Health, {service or 'your account'}", says, facts, page, category == "issue")


def _list(event: EventFields, name: str) -> list[Any]:
    """A list of the detail; [] if it is missing or something else."""
    value = event.detail.get(name)
    return value if isinstance(value, list) else []


_DESCRIBERS: Mapping[str, Callable[[EventFields], Description | None]] = {
    "CloudWatch Alarm State Change": describe_alarm,
    "EC2 Instance State-change Notification": _instance,
    "EC2 Spot Instance Interruption Warning": _spot,
    "RDS DB Instance Event": _database,
    "RDS DB Cluster Event": _database,
    "AWS Service Event via CloudTrail": _secret,
    "Backup Job State Change": _backup,
    "ACM Certificate Approaching Expiration": _certificate,
    "ACM Certificate Expired": _certificate,
    "AWS Health Event": _health,
    **jobs.DESCRIBERS,
}


def describe_service_event(event: EventFields) -> Description | None:
    """Describe an event of an AWS service; None for a type that has no describer."""
    if event.type.startswith(("EC2 Instance Launch", "EC2 Instance Terminate", "EC2 Auto Scaling")):
        return _scaling(event)
    describer = _DESCRIBERS.get(event.type)
    return describer(event) if describer else None
