"""The hourly check as tests run it, and what a healthy account answers."""

from typing import Any

from botocore.exceptions import ClientError

from chalicelib.health.check import HealthCheck
from tests.support.builders import ENVIRON
from tests.support.stages import Stage, plenty
from workbench.local.ministack import MiniStack

ARN = "arn:aws:lambda:us-east-1:000000000000:function:dropnote-prod-"
UPLOAD = ARN + "upload_acme_drops"
OURS = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": UPLOAD, "Events": ["s3:ObjectCreated:*"]}]}
HEALTHY = {"EnforcementStatus": "HEALTHY", "SendingEnabled": True, "SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 9.0}}


class CountingStore:
    """A control item that counts reads, and writes of one attribute."""

    def __init__(self, store: Any, counted: str = "swept") -> None:
        self._store, self._counted, self.reads, self.writes = store, counted, 0, 0

    def read(self) -> dict[str, str]:
        self.reads += 1
        item: dict[str, str] = self._store.read()
        return item

    def put(self, name: str, value: str) -> None:
        self.writes += name == self._counted
        self._store.put(name, value)


def refuse(*_: Any, **__: Any) -> Any:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Some")


def overwrite(ministack: MiniStack, notifications: Any) -> None:
    """Replace the bucket's notifications, as another tool would: S3 has one configuration per bucket."""
    client = ministack.client("s3")
    client.put_bucket_notification_configuration(
        Bucket="acme-drops", NotificationConfiguration=notifications, SkipDestinationValidation=True
    )


def watch(stage: Stage, clients: Any, *, arn: str = ARN + "watch") -> list[str]:
    environ = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dropnote-prod-dead-events"}
    return [problem.kind for problem in HealthCheck(stage.deliverer, environ, clients).run(arn, plenty)]
