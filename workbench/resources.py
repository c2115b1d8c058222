"""What a stage needs in the account before it is deployed, put into the local one."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from string import Template
from typing import Any

from .ministack import MiniStack
from .waiting import wait_until

STACK_S = 60.0


class ResourcesError(Exception):
    """resources.yaml could not be applied. One sentence."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the local world takes from the settings; their rules are checked by the deploy, not here."""

    mail_from: str = ""
    text_from: str = ""
    people: Mapping[str, str] = field(default_factory=dict)  # address or number to name
    buckets: tuple[str, ...] = ()  # those that a rule names


def read_addresses(project: Path, variables: Mapping[str, str]) -> Addresses:
    """The senders, people and buckets of `chalicelib/dropnote.toml`; none of them when it cannot be read."""
    try:
        text = (project / "chalicelib" / "dropnote.toml").read_text()
        settings = tomllib.loads(Template(text).safe_substitute(variables))
        people = settings.get("people", {})
        return Addresses(
            parseaddr(settings.get("email", {}).get("from", ""))[1],
            settings.get("sms", {}).get("from", ""),
            {given[kind]: name for name, given in people.items() for kind in ("email", "sms") if given.get(kind)},
            tuple(rule["bucket"] for rule in settings.get("rules", []) if rule.get("bucket")),
        )
    except (OSError, ValueError, AttributeError, TypeError):
        return Addresses()


def apply_stack(ministack: MiniStack, template: Path, stage: str, timeout_s: float = STACK_S) -> dict[str, str]:
    """Create the CloudFormation stack `dropnote-<stage>-resources` and wait for it; gives its outputs.

    Raises:
        ResourcesError: it did not become CREATE_COMPLETE.
    """
    client, name = ministack.client("cloudformation"), f"dropnote-{stage}-resources"
    client.create_stack(
        StackName=name,
        TemplateBody=template.read_text(),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    if not wait_until(lambda: _status(client, name) != "CREATE_IN_PROGRESS", timeout_s, pause_s=0.05):
        raise ResourcesError(f"{template.name} was not applied within {timeout_s:g} s")
    if (status := _status(client, name)) != "CREATE_COMPLETE":
        raise ResourcesError(f"{template.name} was not applied ({status}): {_first_failure(client, name)}")
    outputs = client.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def make_bucket(ministack: MiniStack, bucket: str) -> None:
    """A bucket that also tells EventBridge what happens in it."""
    client = ministack.client("s3")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})


def put_secrets(ministack: MiniStack, prefix: str, secrets: Mapping[str, str]) -> None:
    """SecureString parameters `<prefix><name>`."""
    for name, value in secrets.items():
        ministack.client("ssm").put_parameter(Name=f"{prefix}{name}", Value=value, Type="SecureString")


def verify_sender(ministack: MiniStack, address: str) -> None:
    """Let SES send from the address; it refuses senders nobody verified."""
    if address:
        ministack.client("sesv2").create_email_identity(EmailIdentity=address)


def _status(client: Any, stack: str) -> str:
    status: str = client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    return status


def _first_failure(client: Any, stack: str) -> str:
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event.get("ResourceStatus", "").endswith("FAILED")]
    return failed[-1].get("ResourceStatusReason", "no reason given") if failed else "no reason given"
