"""Finds what a stage still has in an account by its names, and deletes what a deploy that broke off leaves behind.

Chalice records what it deployed only when all of it is deployed, so `chalice delete` knows nothing of a deploy that failed.
Source: AWS API references, "ListFunctions", "ListEventSourceMappings", "ListRoles", "ListRules", "GetRestApis", "GetResources".
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ...deployment.grants import APP
from ...deployment.sources import Client


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that still exists."""

    kind: str
    name: str
    id: str = ""  # if AWS identifies it by something else

    def __str__(self) -> str:
        """As printed."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Leftovers:
    """What a stage has in an account."""

    client: Client
    stage: str

    @property
    def prefix(self) -> str:
        """The beginning of each name, and the whole name of the function behind the API."""
        return f"{APP}-{self.stage}"

    def of_chalice(self) -> Iterator[Leftover]:
        """What `chalice deploy` creates: in an order in which it can be deleted."""
        mappings = self._all("lambda", "list_event_source_mappings", "EventSourceMappings")
        for mapping in mappings:
            if self._is_ours(name := mapping["FunctionArn"].rpartition(":")[2]):
                yield Leftover("stream or queue trigger", name, mapping["UUID"])
        for api in self._all("apigateway", "get_rest_apis", "items"):
            if api["name"] == APP and self._invokes_ours(api["id"]):
                yield Leftover("REST API", APP, api["id"])
        named = (
            ("EventBridge rule", "events", "list_rules", "Rules", "Name"),
            ("function", "lambda", "list_functions", "Functions", "FunctionName"),
            ("role", "iam", "list_roles", "Roles", "RoleName"),
        )
        for kind, service, operation, field, key in named:
            for entry in self._all(service, operation, field):
                if self._is_ours(entry[key]):
                    yield Leftover(kind, entry[key])

    def of_setup(self) -> Iterator[Leftover]:
        """What `dropnote setup` creates."""
        groups = self._all("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=f"/aws/lambda/{self.prefix}")
        for name in (group["logGroupName"] for group in groups):
            if self._is_ours(name.rpartition("/")[2]):
                yield Leftover("log group", name)
        for parameter in self._all("ssm", "get_parameters_by_path", "Parameters", Path=f"/{APP}/{self.stage}/"):
            yield Leftover("parameter", parameter["Name"])
        for table in (f"{self.prefix}-ledger", f"{self.prefix}-counters"):
            with suppress(self.client("dynamodb").exceptions.ResourceNotFoundException):
                self.client("dynamodb").describe_table(TableName=table)
                yield Leftover("table", table)
        stack = f"{self.prefix}-resources"
        try:
            status = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            return
        if status != "DELETE_COMPLETE":
            yield Leftover("stack", stack)  # has the queue, the alarms and their topic

    def delete(self, leftover: Leftover) -> None:
        """Delete something of of_chalice(); what is already gone is no error."""
        try:
            getattr(self, f"_delete_{leftover.kind.split()[-1].lower()}")(leftover)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "NotFoundException", "NoSuchEntity"):
                raise

    def _delete_trigger(self, leftover: Leftover) -> None:
        self.client("lambda").delete_event_source_mapping(UUID=leftover.id)

    def _delete_api(self, leftover: Leftover) -> None:
        self.client("apigateway").delete_rest_api(restApiId=leftover.id)

    def _delete_rule(self, leftover: Leftover) -> None:
        self.client("events").remove_targets(Rule=leftover.name, Ids=["1"])  # Chalice's only target
        self.client("events").delete_rule(Name=leftover.name)

    def _delete_function(self, leftover: Leftover) -> None:
        self.client("lambda").delete_function(FunctionName=leftover.name)

    def _delete_role(self, leftover: Leftover) -> None:
        iam = self.client("iam")
        for policy in iam.list_role_policies(RoleName=leftover.name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=leftover.name, PolicyName=policy)
        iam.delete_role(RoleName=leftover.name)

    def _is_ours(self, name: str) -> bool:
        return name == self.prefix or name.startswith(f"{self.prefix}-")

    def _invokes_ours(self, api: str) -> bool:
        """Whether an API invokes this stage's function: every stage's API has the same name."""
        resources = self._all("apigateway", "get_resources", "items", restApiId=api, embed=["methods"])
        methods = [method for resource in resources for method in resource.get("resourceMethods", {}).values()]
        return any(f":function:{self.prefix}/" in method.get("methodIntegration", {}).get("uri", "") for method in methods)

    def _all(self, service: str, operation: str, field: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Every entry of a list, page by page."""
        pages = self.client(service).get_paginator(operation).paginate(**parameters)
        return (entry for page in pages for entry in page[field])
