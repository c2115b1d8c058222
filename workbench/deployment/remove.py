"""Taking a stage back, all that set-up, deploy and finish made, but what holds people's data unless that is told too."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from .config import forget_policies, read_stage, stages
from .finish import deployed
from .setup import Client, Setup, SetupError


@dataclass(frozen=True)
class Removal:
    """The removal of one stage, after `chalice delete`."""

    project: Path
    stage: str
    client: Client

    @property
    def prefix(self) -> str:
        """Where the stage's secrets are."""
        return f"/dropnote/{self.stage}/"

    def log_groups(self) -> list[str]:
        """The log groups of the stage's functions: Chalice takes only their retention back."""
        begin = f"/aws/lambda/dropnote-{self.stage}"
        pages = self.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=begin)
        names = (group["logGroupName"] for page in pages for group in page["logGroups"])
        return [name for name in names if name == begin or name.startswith(f"{begin}-")]

    def dead_events(self) -> int:
        """How many events wait in the dead-event queue, and would be lost with it."""
        queues = self.client("sqs")
        try:
            url = queues.get_queue_url(QueueName=f"dropnote-{self.stage}-dead-events")["QueueUrl"]
        except ClientError as error:
            if "NonExistentQueue" in error.response["Error"]["Code"]:
                return 0
            raise
        told = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(told["Attributes"]["ApproximateNumberOfMessages"])

    def run(self, *, tables: bool) -> Iterator[str]:
        """Take it back, and tell each thing that is gone."""
        setup = Setup(self.project, self.stage, self.client)
        for name in self.log_groups():
            self.client("logs").delete_log_group(logGroupName=name)
            yield f"gone: log group {name}"
        for name in self._secrets():
            self.client("ssm").delete_parameter(Name=name)
            yield f"gone: secret {name}"
        if setup.stack.status():
            setup.stack.delete()
            yield f"gone: stack {setup.stack.name}"
        if tables:
            for name in setup.tables():
                self.client("dynamodb").delete_table(TableName=name)
                yield f"gone: table {name}"
        if self.stage in stages(self.project):
            forget_policies(self.project, self.stage)
            yield f"gone: .chalice/policies/{self.stage}"

    def left(self) -> list[str]:
        """What stays, and how it goes: one line each."""
        setup = Setup(self.project, self.stage, self.client)
        found = [f"table {name}: dropnote remove --stage {self.stage} --tables" for name in setup.tables()]
        if self.stage in stages(self.project):
            bucket = read_stage(self.project, self.stage)["environment_variables"].get("UPLOAD_BUCKET")
            found += [f"bucket {bucket}: yours, and all that is in it"] if bucket else []
            found.append(f"the values of stage {self.stage} in .chalice/config.json, for the next set-up")
        return [*found, "the senders that you verified in SES, and your numbers at Twilio: yours"]

    def is_deployed(self) -> bool:
        """Does this checkout know of functions that `chalice delete` would take away?"""
        try:
            return bool(deployed(self.project, self.stage))
        except SetupError:
            return False

    def _secrets(self) -> list[str]:
        client: Any = self.client("ssm")
        pages = client.get_paginator("get_parameters_by_path").paginate(Path=self.prefix, Recursive=True)
        found = [each["Name"] for page in pages for each in page["Parameters"]]
        return [name for name in found if name != f"{self.prefix}public-url"]  # that one is the stack's
