"""What instances, databases, alarms and the account's other services say of themselves on the bus.

The fields are those of the page that chalicelib/settings/bus_rules.py names for each ready-made event. A describer
gives None where the event is not as its page says; then it is told as any other event.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from . import jobs
from .service_phrases import About, Description, because, cut, is_bad, last_of, quoted, word

_DATAPOINTS = re.compile(r" \[[^]]*\]")


def _instance(event: About) -> Description | None:
    name, state = event.text("instance-id"), event.text("state")
    if not (name and state):
        return None
    return Description(f"instance {name}", state, {"Instance": name}, _instance_page(event, name))


def _spot(event: About) -> Description | None:
    name, action = event.text("instance-id"), event.text("instance-action")
    if not name:
        return None
    says = f"EC2 takes this Spot Instance back in two minutes: {action or 'interrupted'}"
    return Description(f"instance {name}", says, {"Instance": name}, _instance_page(event, name), bad=True)


def _instance_page(event: About, name: str) -> str:
    return f"ec2/home?region={event.region}#InstanceDetails:instanceId={quoted(name)}"


def _scaling(event: About) -> Description | None:
    group = event.text("AutoScalingGroupName")
    if not group:
        return None
    what = event.type.removeprefix("EC2 ").removeprefix("Auto Scaling ")
    says = because(what[:1].lower() + what[1:], event.text("StatusMessage"))
    facts = {"Instance": event.text("EC2InstanceId"), "Cause": event.text("Cause")}
    page = f"ec2/home?region={event.region}#AutoScalingGroupDetails:id={quoted(group)};view=activity"
    return Description(
        f"Auto Scaling group {group}", says, facts, page, bad="Unsuccessful" in event.type or "Failed" in event.type
    )


def _alarm(event: About) -> Description | None:
    name, state = event.text("alarmName"), event.text("state", "value")
    if not (name and state):
        return None
    facts = {
        "Before": event.text("previousState", "value"),
        "Measured": last_datapoint(event.detail),
        "About": event.text("configuration", "description"),
    }
    page = f"cloudwatch/home?region={event.region}#alarmsV2:alarm/{quoted(name)}"
    return Description(name, because(f"is in {state}", reason_of_alarm(event.detail)), facts, page, bad=state == "ALARM")


def reason_of_alarm(detail: Mapping[str, Any]) -> str:
    """AWS's reason for an alarm's state without its datapoints and the rule at its end, which people take for values."""
    state = detail.get("state")
    reason = state.get("reason") if isinstance(state, Mapping) else ""
    reason = reason if isinstance(reason, str) else ""
    return cut(_DATAPOINTS.sub("", reason.partition(" (minimum ")[0]).rstrip("."))


def last_datapoint(detail: Mapping[str, Any]) -> str:
    """The newest value that an alarm was decided by, short; "" for alarms that do not tell."""
    state = detail.get("state")
    raw = state.get("reasonData") if isinstance(state, Mapping) else None
    try:
        data = json.loads(raw) if isinstance(raw, str) else {}
    except ValueError:
        return ""
    points = data.get("recentDatapoints") if isinstance(data, Mapping) else None
    known = [point for point in points or () if isinstance(point, int | float)] if isinstance(points, list) else []
    return f"{known[-1]:.4g}" if known else ""


def _database(event: About) -> Description | None:
    name, number = event.text("SourceIdentifier"), event.text("EventID")
    if not name:
        return None
    categories = event.detail.get("EventCategories")
    categories = [each for each in categories if isinstance(each, str)] if isinstance(categories, list) else []
    cluster = "CLUSTER" in event.text("SourceType").upper()
    page = f"rds/home?region={event.region}#database:id={quoted(name)};is-cluster={str(cluster).lower()}"
    says = cut(event.text("Message")).rstrip(".") or event.type
    facts = {"Event": number, "Category": ", ".join(categories)}
    return Description(f"database {name}", says, facts, page, bad=bool({"failure", "failover", "low storage"} & set(categories)))


def _secret(event: About) -> Description | None:
    what, arn = event.text("eventName"), event.text("additionalEventData", "SecretId")
    if what != "RotationFailed" or not arn:
        return None
    name = last_of(arn)
    page = f"secretsmanager/secret?name={quoted(arn)}&region={event.region}"
    return Description(f"secret {name}", because("rotation failed", event.text("errorMessage")), {}, page, bad=True)


def _backup(event: About) -> Description | None:
    state, of = event.text("state"), last_of(event.text("resourceArn"))
    if not (state and of):
        return None
    job = event.text("backupJobId")
    facts = {"Vault": event.text("backupVaultName"), "Kind": event.text("resourceType"), "Job": job}
    page = f"backup/home?region={event.region}#/jobs/backup/details/{quoted(job)}"
    says = because(word(state), event.text("statusMessage").strip('"'))
    return Description(f"backup of {of}", says, facts, page, bad=is_bad(state))


def _certificate(event: About) -> Description | None:
    name = event.text("CommonName") or (last_of(event.resources[0]) if event.resources else "")
    if not name:
        return None
    days = event.text("DaysToExpiry")
    says = "has expired" if event.type.endswith("Expired") else f"expires in {days or 'a few'} days"
    page = f"acm/home?region={event.region}#/certificates/{quoted(last_of(event.resources[0]))}" if event.resources else ""
    return Description(f"certificate {name}", says, {}, page, bad=True)


def _health(event: About) -> Description | None:
    code, service = event.text("eventTypeCode"), event.text("service")
    if not code:
        return None
    described = event.detail.get("eventDescription")
    texts = (
        [each.get("latestDescription") for each in described if isinstance(each, Mapping)] if isinstance(described, list) else []
    )
    affected = event.detail.get("affectedEntities")
    named = (
        [str(each.get("entityValue", "")) for each in affected if isinstance(each, Mapping)] if isinstance(affected, list) else []
    )
    facts = {
        "Category": event.text("eventTypeCategory"),
        "Region": event.text("eventRegion"),
        "Affected": ", ".join(named),
        "Starts": event.text("startTime"),
        "Ends": event.text("endTime"),
    }
    says = because(code, next((text for text in texts if isinstance(text, str)), ""))
    page = f"health/home#/account/event-log?eventID={quoted(event.text('eventArn'))}"
    return Description(
        f"AWS Health, {service or 'your account'}", says, facts, page, bad=event.text("eventTypeCategory") == "issue"
    )


_DESCRIBERS: Mapping[str, Callable[[About], Description | None]] = {
    "CloudWatch Alarm State Change": _alarm,
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


def described(event: About) -> Description | None:
    """What an event of a service says; None where nobody here knows its kind."""
    if event.type.startswith(("EC2 Instance Launch", "EC2 Instance Terminate", "EC2 Auto Scaling")):
        return _scaling(event)
    describer = _DESCRIBERS.get(event.type)
    return describer(event) if describer else None
