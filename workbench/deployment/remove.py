"""Removes everything that set-up, deploy and finish created for a stage. The tables, which contain data, go only on request."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.settings import Trigger

from .config import read_stage, remove_policies, stages
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
        """The Parameter Store prefix of the stage's secrets."""
        return f"/dropnote/{self.stage}/"

    def log_groups(self) -> list[str]:
        """The log groups of the stage's functions. `chalice delete` only resets their retention."""
        prefix = f"/aws/lambda/dropnote-{self.stage}"
        pages = self.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        names = (group["logGroupName"] for page in pages for group in page["logGroups"])
        return [name for name in names if name == prefix or name.startswith(f"{prefix}-")]

    def dead_letter_count(self) -> int:
        """How many events are in the dead-letter queue and would be lost with it."""
        queues = self.client("sqs")
        try:
            url = queues.get_queue_url(QueueName=f"dropnote-{self.stage}-dead-events")["QueueUrl"]
        except ClientError as error:
            if "NonExistentQueue" in error.response["Error"]["Code"]:
                return 0
            raise
        queue = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(queue["Attributes"]["ApproximateNumberOfMessages"])

    def run(self, *, tables: bool) -> Iterator[str]:
        """Remove the stage. Yield a line for each removed resource."""
        setup = Setup(self.project, self.stage, self.client)
        for name in self.log_groups():
            self.client("logs").delete_log_group(logGroupName=name)
            yield f"removed: log group {name}"
        for name in self._secrets():
            self.client("ssm").delete_parameter(Name=name)
            yield f"removed: secret {name}"
        if setup.stack.status():
            setup.stack.delete()
            yield f"removed: stack {setup.stack.name}"
        if tables:
            for name in setup.existing_tables():
                self.client("dynamodb").delete_table(TableName=name)
                yield f"removed: table {name}"
        if self.stage in stages(self.project):
            remove_policies(self.project, self.stage)
            yield f"removed: .chalice/policies/{self.stage}"

    def kept(self) -> list[str]:
        """What remains and how to remove it, one line each."""
        setup = Setup(self.project, self.stage, self.client)
        lines = [f"table {name}; to remove it: dropnote remove --stage {self.stage} --tables" for name in setup.existing_tables()]
        if self.stage in stages(self.project):
            bucket = read_stage(self.project, self.stage)["environment_variables"].get("UPLOAD_BUCKET")
            lines += [f"your bucket {bucket} and its files"] if bucket else []
            lines += self._shared()
            lines.append(f"the values of stage {self.stage} in .chalice/config.json, for the next set-up")
        return [*lines, "your verified senders in SES and your Twilio numbers"]

    def _shared(self) -> list[str]:
        """What Dropnote shares with other applications of the buckets' owner, who may still need it."""
        setup = Setup(self.project, self.stage, self.client)
        try:
            settings = setup.settings(setup.variables())
        except SetupError:  # settings with errors do not stop a removal
            return []
        buckets = settings.buckets_by(Trigger.EVENTBRIDGE)
        lines = [f"EventBridge stays on for the bucket {bucket}: other rules of the account may use it" for bucket in buckets]
        return [*lines, *(f"the topic {arn}" for arn in settings.topics), *(f"the queue {arn}" for arn in settings.queues)]

    def is_deployed(self) -> bool:
        """Whether this checkout deployed functions that `chalice delete` would remove."""
        try:
            return bool(deployed(self.project, self.stage))
        except SetupError:
            return False

    def _secrets(self) -> list[str]:
        client: Any = self.client("ssm")
        pages = client.get_paginator("get_parameters_by_path").paginate(Path=self.prefix, Recursive=True)
        names = [parameter["Name"] for page in pages for parameter in page["Parameters"]]
        return [name for name in names if name != f"{self.prefix}public-url"]  # that one belongs to the stack
