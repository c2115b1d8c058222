"""The local environment with everything its functions send recorded, for tests/end_to_end/test_grants.py."""

import json
import re
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from chalicelib.bot.assembly import load_settings, make_bot
from chalicelib.domain.delivery import Delivery, State
from chalicelib.domain.event import Event, Kind, Upload, identity_of
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from tests.support.payloads import s3_notification, s3_record
from workbench.local.environment import LocalEnvironment
from workbench.local.ministack import ACCOUNT, REGION, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer, RecordedRequest
from workbench.waiting import wait_until

SWEPT_S = 90  # a message that an upload leaves to the sweep waits up to a minute for the schedule
SERVICES = {
    "CLOUDWATCH": "cloudwatch", "DYNAMODB": "dynamodb", "LAMBDA": "lambda",
    "SESV2": "ses", "SQS": "sqs", "SSM": "ssm", "S3": "s3",
}  # fmt: skip
THROTTLED = Answer(429, b'{"message": "slow down"}', (("x-amzn-ErrorType", "TooManyRequestsException"),))
QUEUE = "dropnote-local-uploads"
TRIGGERS = f"""
[[buckets]]
name = "by-topic"
trigger = "topic"
topic = "arn:aws:sns:{REGION}:{ACCOUNT}:news"
[[buckets]]
name = "by-queue"
trigger = "queue"
queue = "arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"
[webhooks.ops-room]
format = "slack"
[webhooks.warehouse]
format = "json"
[[upload_links]]
bucket = "by-queue"
folder = "partner-a/"
""" + "".join(
    f'[[rules]]\nname = "{bucket}"\nbucket = "{bucket}"\nkey = "!asked/**"\nlink = "7d"\n'
    'notify = ["email:asha", "webhook:ops-room", "webhook:warehouse"]\n'
    for bucket in ("by-topic", "by-queue")
)
ASKING = """
[[rules]]
name = "asking"
bucket = "by-topic"
key = "asked/**"
notify = "email:asha"
any = [{ content_type = "image/png" }, { tags = { class = "secret" } }, { previous = "> 1d" }]
"""
IN_FOLDERS = ("LinkedObjects", "Logs", "ObjectHeads", "ObjectTags", "UploadLinks")  # what they name is not known in advance
TRANSACTIONS = {"PutItem", "UpdateItem"}  # IAM has no action for transactions: each write in one is authorized separately
BY_FULL_PATH = {"/BUCKET?notification": "GetBucketNotification", "/v2/email/account": "GetAccount"}
BY_PART_OF_PATH = {
    "/BUCKET?versions": "ListBucketVersions",
    "/BUCKET?list-type=2": "ListBucket",
    "/operation/GetMetricData": "GetMetricData",
    "/invocations": "InvokeFunction",
}


def object_actions(request: RecordedRequest) -> set[str]:
    """The actions of a request about an object (Amazon S3 user guide, "Required permissions for Amazon S3 API operations")."""
    action = ("GetObjectVersion" if "versionId=" in request.path else "GetObject") + "Tagging" * ("tagging" in request.path)
    return {action, "ListBucket"} if request.status == 404 else {action}  # only with ListBucket, S3 says that it does not exist


class ObservedEnvironment:
    """A local environment whose functions reach each AWS service through a proxy, which records who calls what."""

    def __init__(self, local: LocalEnvironment, proxies: dict[str, Proxy], project: Path) -> None:
        self.local, self.proxies = local, proxies
        self.variables = local.variables
        self.settings = load_settings(self.variables, project / "chalicelib" / "dropnote.toml")
        client = local.ministack.client
        self.bot = make_bot(self.settings, self.variables, lambda service, **_: client(service))

    def used_actions(self) -> dict[str, set[str]]:
        """The actions that each function has used so far."""
        used: dict[str, set[str]] = defaultdict(set)
        for service, proxy in self.proxies.items():
            for request in proxy.requests():
                if function := re.search(r"dropnote-local-?(\w*)", request.agent):
                    path = re.sub("|".join(self.settings.buckets), "BUCKET", request.path)
                    by_part = (name for part, name in BY_PART_OF_PATH.items() if part in path)
                    operation = BY_FULL_PATH.get(path) or next(by_part, request.operation)
                    actions = TRANSACTIONS if operation == "TransactWriteItems" else {operation}
                    if path.startswith("/BUCKET/"):
                        actions = object_actions(request)
                    used[function[1] or "api_handler"] |= {f"{service}:{action}" for action in actions}
        return used

    def invoke(self, handler: str, payload: object) -> Any:
        """Invoke a function and return its result."""
        name = f"dropnote-local-{handler}"
        client = local_client(self.local.ministack.endpoint, "lambda", read_timeout=150)  # a sweep may use its whole minute
        response = client.invoke(FunctionName=name, Payload=json.dumps(payload))
        result = json.loads(response["Payload"].read() or "null")
        assert "FunctionError" not in response, result
        return result

    def make_check_due(self) -> None:
        """Let the next watch check the bot's own health."""
        two_hours_ago = msgspec.json.encode(utc_now() - timedelta(hours=2)).decode()
        self.bot.deliverer.control._store.put("checked", two_hours_ago)

    def check_health(self) -> int:
        """Run the watch with its health check; returns how many problems it found."""
        self.make_check_due()
        return int(self.invoke("watch", {})["troubles"])

    def rows(self) -> list[Delivery]:
        now = utc_now()
        rows = self.bot.deliverer.ledger.newest(now.replace(hour=0, minute=0), now)
        return [row for row in rows if isinstance(row, Delivery)]

    def row(self, key: str, channel: Channel) -> Delivery | None:
        rows = (row for row in self.rows() if row.event.upload and row.event.upload.key == key and row.channel is channel)
        return next(rows, None)

    def wait_for(self, key: str, channel: Channel, *states: State) -> Delivery:
        assert wait_until(lambda: (row := self.row(key, channel)) and row.state in states, within_s=SWEPT_S), (key, states)
        row = self.row(key, channel)
        assert row is not None
        return row


def upload_event(env: ObservedEnvironment, key: str, size: int = 5) -> Event:
    upload = Upload(env.local.running.bucket, key, size, sequencer="0001")
    return Event(Kind.UPLOAD, identity_of("upload", key), utc_now(), REGION, upload)


def notification(env: ObservedEnvironment, key: str, bucket: str = "") -> dict[str, Any]:
    payload = s3_notification(s3_record(key, sequencer="0001"))
    payload["Records"][0]["s3"]["bucket"]["name"] = bucket or env.local.running.bucket
    return payload
