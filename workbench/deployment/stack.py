"""The CloudFormation stack of resources.yaml: see what would change, change it, take it away.

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
_NOTHING = ("didn't contain changes", "No updates are to be performed")


class StackError(Exception):
    """The stack could not be changed. One sentence."""


@dataclass(frozen=True, slots=True)
class Change:
    """What executing a plan would do to one resource."""

    action: str  # Add, Modify or Remove
    name: str
    type: str
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A change set, made and not yet executed; without changes there is none."""

    id: str
    new: bool
    changes: tuple[Change, ...]


class Stack:
    """One stage's stack. `client` is a boto3 CloudFormation client; `pause_s` lies between two looks at what is going on."""

    def __init__(self, client: Any, stage: str, *, pause_s: float = PAUSE_S, timeout_s: float = STACK_S) -> None:
        self.name = f"dropnote-{stage}-resources"
        self._client = client
        self._pause_s, self._timeout_s = pause_s, timeout_s

    def status(self) -> str:
        """Such as CREATE_COMPLETE; "" where there is no stack."""
        try:
            return str(self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackStatus"])
        except ClientError as error:
            if "does not exist" in str(error):
                return ""
            raise

    def outputs(self) -> dict[str, str]:
        """The stack's outputs, {} where there is no stack."""
        return self._pairs("Outputs", "OutputKey", "OutputValue")

    def parameters(self) -> dict[str, str]:
        """What the stack was last given, {} where there is no stack."""
        return self._pairs("Parameters", "ParameterKey", "ParameterValue")

    def plan(self, template: Path, parameters: Mapping[str, str]) -> Plan:
        """Ask CloudFormation what the template would change.

        Raises:
            StackError: the template was refused, or the stack is in a state that cannot be changed.
        """
        status = self.status()
        if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise StackError(f"The stack {self.name} is just being changed ({status}): try again when that is over.")
        if status.startswith("ROLLBACK"):
            raise StackError(
                f"The stack {self.name} was never made whole ({status}): delete it, "
                f"aws cloudformation delete-stack --stack-name {self.name}, and try again."
            )
        new = status in ("", "REVIEW_IN_PROGRESS")
        made = self._client.create_change_set(
            StackName=self.name,
            ChangeSetName=f"dropnote-{time.time_ns()}",
            ChangeSetType="CREATE" if new else "UPDATE",
            TemplateBody=template.read_text(),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )["Id"]
        told: dict[str, Any] = {}

        def ready() -> bool:
            told.update(self._client.describe_change_set(ChangeSetName=made, StackName=self.name))
            return told["Status"] in ("CREATE_COMPLETE", "FAILED")

        self._wait(ready, "looking at the changes")
        if told["Status"] == "FAILED":
            self._client.delete_change_set(ChangeSetName=made, StackName=self.name)
            if any(words in told.get("StatusReason", "") for words in _NOTHING):
                return Plan("", new, ())
            raise StackError(f"{template.name} was refused: {told.get('StatusReason', 'no reason given')}")
        return Plan(made, new, tuple(_change(each["ResourceChange"]) for each in told["Changes"]))

    def execute(self, plan: Plan, on_step: Callable[[str], object] = lambda step: None) -> None:
        """Do what a plan says, and wait for it; `on_step` hears of each resource.

        Raises:
            StackError: it did not work; CloudFormation has rolled it back.
        """
        if not plan.id:
            return
        seen = {event["EventId"] for event in self._events()}
        self._client.execute_change_set(ChangeSetName=plan.id, StackName=self.name)

        def over() -> bool:
            for event in reversed(self._events()):
                if event["EventId"] not in seen:
                    seen.add(event["EventId"])
                    on_step(f"{event.get('LogicalResourceId', self.name)}: {event.get('ResourceStatus', '')}".lower())
            return not self.status().endswith("_IN_PROGRESS")

        self._wait(over, "changing it")
        if (status := self.status()) not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise StackError(f"The stack {self.name} could not be changed ({status}): {self._first_failure()}")

    def drop(self, plan: Plan) -> None:
        """Do not do what a plan says; a stack that was only planned goes too."""
        if plan.id:
            self._client.delete_change_set(ChangeSetName=plan.id, StackName=self.name)
        if plan.new:
            self._client.delete_stack(StackName=self.name)

    def delete(self) -> None:
        """Take it away, and wait for it.

        Raises:
            StackError: something of it could not be taken away.
        """
        if not self.status():
            return
        self._client.delete_stack(StackName=self.name)
        self._wait(lambda: self.status() in ("", "DELETE_COMPLETE", "DELETE_FAILED"), "deleting it")
        if self.status() == "DELETE_FAILED":
            raise StackError(f"The stack {self.name} could not be deleted: {self._first_failure()}")

    def _wait(self, over: Callable[[], bool], what: str) -> None:
        if not wait_until(over, self._timeout_s, self._pause_s):
            raise StackError(f"The stack {self.name}: {what} was not done after {self._timeout_s:g} s.")

    def _pairs(self, what: str, key: str, value: str) -> dict[str, str]:
        if not self.status():
            return {}
        told = self._client.describe_stacks(StackName=self.name)["Stacks"][0].get(what, [])
        return {each[key]: each[value] for each in told}

    def _events(self) -> list[dict[str, Any]]:
        """The newest of what has happened to the stack, the newest first."""
        events: list[dict[str, Any]] = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return events

    def _first_failure(self) -> str:
        failed = [event for event in self._events() if event.get("ResourceStatus", "").endswith("FAILED")]
        return failed[-1].get("ResourceStatusReason", "no reason given") if failed else "no reason given"


def _change(told: Mapping[str, Any]) -> Change:
    return Change(told["Action"], told["LogicalResourceId"], told["ResourceType"], told.get("Replacement") == "True")
