"""Plans, applies and deletes the CloudFormation stack of resources.yaml.

Source: AWS CloudFormation user guide, "Update stacks using change sets"; API reference, "CreateChangeSet", "DescribeStacks".
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from ..waiting import wait_until

STACK_S = 900.0
PAUSE_S = 2.0
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


class StackError(Exception):
    """The stack could not be changed. One sentence."""


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a plan on one resource."""

    action: str  # Add, Modify or Remove
    name: str
    type: str
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A change set that is not executed yet. Without changes, `id` is ""."""

    id: str
    new: bool
    changes: tuple[Change, ...]


class Stack:
    """The stack of a stage. `client` is a boto3 CloudFormation client; `pause_s` is the polling interval."""

    def __init__(self, client: Any, stage: str, *, pause_s: float = PAUSE_S, timeout_s: float = STACK_S) -> None:
        self.name = f"dropnote-{stage}-resources"
        self._client = client
        self._pause_s, self._timeout_s = pause_s, timeout_s

    def status(self) -> str:
        """The stack's status, for example CREATE_COMPLETE; "" if it does not exist."""
        try:
            return str(self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"])
        except ClientError as error:
            if "does not exist" in str(error):
                return ""
            raise

    def outputs(self) -> dict[str, str]:
        """The stack's outputs; {} if it does not exist."""
        return self._pairs("Outputs", "OutputKey", "OutputValue")

    def parameters(self) -> dict[str, str]:
        """The stack's current parameters; {} if it does not exist."""
        return self._pairs("Parameters", "ParameterKey", "ParameterValue")

    def plan(self, template: Path, parameters: Mapping[str, str]) -> Plan:
        """Let CloudFormation compute the changes that the template would make.

        Raises:
            StackError: CloudFormation rejected the template, or the stack's state does not allow changes.
        """
        status = self.status()
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise StackError(f"the stack {self.name} is being changed ({status}); try again when that has ended")
        if status.startswith("ROLLBACK"):
            raise StackError(
                f"the stack {self.name} was not created successfully ({status}); delete it with "
                f"aws cloudformation delete-stack --stack-name {self.name} and try again"
            )
        new = status in ("", "REVIEW_IN_PROGRESS")
        change_set = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"dropnote-{time.time_ns()}",
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateBody=template.read_text(),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )["Id"]
        description: dict[str, Any] = {}

        def computed() -> bool:
            description.update(self._client.describe_change_set(ChangeSetName=change_set, StackName=self.name))
            return description["Status"] in ("CREATE_COMPLETE", "FAILED")

        self._wait(computed, "computing its changes")
        if description["Status"] == "FAILED":
            self._client.delete_change_set(ChangeSetName=change_set, StackName=self.name)
            if any(text in description.get("StatusReason", "") for text in _NO_CHANGES):
                return Plan("", new, ())
            raise StackError(f"CloudFormation rejected {template.name}: {description.get('StatusReason', 'no reason given')}")
        return Plan(change_set, new, tuple(_change(change["ResourceChange"]) for change in description["Changes"]))

    def execute(self, plan: Plan, on_step: Callable[[str], object] = lambda step: None) -> None:
        """Execute a plan and wait until it has ended; `on_step` receives a line for each event of a resource.

        Raises:
            StackError: it failed, and CloudFormation rolled it back.
        """
        if not plan.id:
            return
        known = {event["EventId"] for event in self._events()}
        self._client.execute_change_set(ChangeSetName=plan.id, StackName=self.name)

        def ended() -> bool:
            for event in reversed(self._events()):
                if event["EventId"] not in known:
                    known.add(event["EventId"])
                    on_step(f"{event.get('LogicalResourceId', self.name)}: {event.get('ResourceStatus', '')}".lower())
            return not self.status().endswith("_IN_PROGRESS")

        self._wait(ended, "changing it")
        if (status := self.status()) not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError(f"the stack {self.name} could not be changed ({status}): {self._first_failure()}")

    def discard(self, plan: Plan) -> None:
        """Delete a plan, and the stack too if the plan would have created it."""
        if plan.id:
            self._client.delete_change_set(ChangeSetName=plan.id, StackName=self.name)
        if plan.new:
            self._client.delete_stack(StackName=self.name)

    def delete(self) -> None:
        """Delete the stack and wait until it is gone.

        Raises:
            StackError: a resource could not be deleted.
        """
        if not self.status():
            return
        self._client.delete_stack(StackName=self.name)
        self._wait(lambda: self.status() in ("", "DELETE_COMPLETE", "DELETE_FAILED"), "deleting it")
        if self.status() == "DELETE_FAILED":
            raise StackError(f"the stack {self.name} could not be deleted: {self._first_failure()}")

    def _wait(self, ended: Callable[[], bool], action: str) -> None:
        if not wait_until(ended, self._timeout_s, self._pause_s):
            raise StackError(f"the stack {self.name}: {action} took longer than {self._timeout_s:g} s")

    def _pairs(self, field: str, key: str, value: str) -> dict[str, str]:
        if not self.status():
            return {}
        pairs = self._client.describe_stacks(StackName=self.name)["Stacks"][0].get(field, [])
        return {pair[key]: pair[value] for pair in pairs}

    def _events(self) -> list[dict[str, Any]]:
        """The newest events of the stack, newest first."""
        events: list[dict[str, Any]] = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return events

    def _first_failure(self) -> str:
        failed = [event for event in self._events() if event.get("ResourceStatus", "").endswith("FAILED")]
        return failed[-1].get("ResourceStatusReason", "no reason given") if failed else "no reason given"


def _change(change: Mapping[str, Any]) -> Change:
    return Change(change["Action"], change["LogicalResourceId"], change["ResourceType"], change.get("Replacement") == "True")
