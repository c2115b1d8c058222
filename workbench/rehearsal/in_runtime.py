"""The very zip that was uploaded, unpacked and run in AWS's own runtime, each function as its role and with its environment."""

import hashlib
import io
import json
import uuid
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.domain.delivery import Delivery, Receipt
from chalicelib.domain.event import Event, Kind
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.policy import outcome
from chalicelib.store.rows import Item, item_of_delivery

from ..local.lambda_runtime import Call, LambdaRuntime
from ..local.local_account import LocalAccount
from ..reports.cost import Work, billed_ms, cost_per_million, read_prices
from .script import Script

WARM = 5  # calls after the first


@dataclass(frozen=True, slots=True)
class Measured:
    """What one function took."""

    function: str
    memory_mb: int
    init_ms: float
    first_ms: float  # start and first call
    warm_ms: float
    warm_cpu_ms: float
    peak_mb: float

    @property
    def billed_ms(self) -> int:
        """A warm call, as modelled."""
        return billed_ms(self.warm_ms, self.warm_cpu_ms, self.memory_mb)

    @property
    def per_million(self) -> float:
        """Dollars for a million warm calls, Lambda alone, as modelled."""
        return cost_per_million(Work(self.warm_ms, self.warm_cpu_ms), self.memory_mb, read_prices()).lambda_


def measure(
    account: LocalAccount, project: Path, functions: Mapping[str, Mapping[str, Any]], person: str, script: Script
) -> list[Measured]:
    """Run every function: once cold, then warm."""
    first = next(iter(functions.values()))
    package = _package(project, first["CodeSha256"])
    script.fact("all functions run the zip that this checkout made", {each["CodeSha256"] for each in functions.values()},
        {first["CodeSha256"]} if package else set())  # fmt: skip
    folder = project.parent / "package"
    zipfile.ZipFile(io.BytesIO(package)).extractall(folder)
    before = _files(folder)
    found = []
    for name, function in functions.items():
        calls: list[Call] = []
        runtime = LambdaRuntime(
            folder,
            function["Handler"],
            environment={**_credentials(account, function["Role"]), **function["Environment"]["Variables"]},
            memory_mb=function["MemorySize"],
            timeout_s=function["Timeout"],
            function=function["FunctionName"],
        )
        with runtime:
            calls += (runtime.invoke(_payload(name, function, person)) for _ in range(1 + WARM))
        script.fact(f"{name} answers", [call.error for call in calls if call.error], [])
        warm = sorted(calls[1:], key=lambda call: call.cpu_ms)[WARM // 2]
        found.append(
            Measured(name, function["MemorySize"], runtime.init_ms, calls[0].wall_ms, warm.wall_ms, warm.cpu_ms, runtime.peak_mb)
        )
    script.fact("nothing was written beside the code", _files(folder) - before, set())
    return found


def _package(project: Path, sha256: str) -> bytes:
    """The zip of that hash among those that Chalice keeps; b"" where there is none."""
    for file in (project / ".chalice" / "deployments").glob("*.zip"):
        if b64encode(hashlib.sha256(content := file.read_bytes()).digest()).decode() == sha256:
            return content
    return b""


def _files(folder: Path) -> set[str]:
    return {str(file) for file in folder.rglob("*")}


def _credentials(account: LocalAccount, role: str) -> dict[str, str]:
    told = account.client("sts").assume_role(RoleArn=role, RoleSessionName="rehearsal")["Credentials"]
    return {
        "AWS_ENDPOINT_URL": account.ministack.endpoint,
        "AWS_ACCESS_KEY_ID": told["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": told["SecretAccessKey"],
        "AWS_SESSION_TOKEN": told["SessionToken"],
    }


def _sent(person: str) -> Item:
    """The row of a text that was just accepted."""
    id_, now = uuid.uuid4().hex, utc_now()
    event, until = Event(Kind.TEST, id_, now), now + timedelta(hours=1)
    begun = Delivery(id_, event, "test", person, Channel.SMS, created_at=now, expires_at=until, segments=1)
    return item_of_delivery(outcome.sent(begun, Receipt("rehearsed"), now))


def _payload(name: str, function: Mapping[str, Any], person: str) -> object:
    """Something that the function has work with."""
    bucket = function["Environment"]["Variables"]["UPLOAD_BUCKET"]
    object_ = {"key": f"rehearsal/second/{uuid.uuid4()}.pdf", "size": 9, "eTag": "0", "sequencer": uuid.uuid4().hex[:18].upper()}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-11-23T12:00:00.000Z",
        "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": object_}}  # fmt: skip
    direct = {"Records": [record]}
    payloads: dict[str, object] = {
        "upload_events": {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-23T12:00:00Z",
            "region": "us-east-1", "detail": {"bucket": {"name": bucket}, "object": object_, "reason": "PutObject"}},
        "upload_queue": {"Records": [{"messageId": "1", "body": json.dumps(direct), "eventSource": "aws:sqs"}]},
        "test": {"to": person},
        "resend": {"id": "0" * 32, "who": person},
        "redrive": {"since": "1h", "who": person},
        "api_handler": {"resource": "/health", "path": "/health", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
            "multiValueQueryStringParameters": None, "pathParameters": None, "stageVariables": None, "body": None,
            "isBase64Encoded": False, "requestContext": {"resourcePath": "/health", "httpMethod": "GET"}},
        "count": {"Records": [{"eventName": "MODIFY", "dynamodb": {"NewImage": _sent(person), "SequenceNumber": "1"}}]},
        "sweep": {},
        "watch": {},
    }  # fmt: skip
    return payloads.get(name, direct)
