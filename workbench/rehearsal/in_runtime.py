"""Runs the uploaded zip in AWS's own Lambda runtime: each function with its role's credentials and its environment."""

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

from chalicelib.channels.mail_headers import DELIVERY_TAG
from chalicelib.counting.money import read_prices
from chalicelib.domain.delivery import Delivery, Receipt
from chalicelib.domain.event import Event, Kind
from chalicelib.domain.people import Channel
from chalicelib.platform.clock import utc_now
from chalicelib.platform.function_names import MAIL_EVENTS
from chalicelib.policy import outcome
from chalicelib.store.rows import Item, delivery_to_item

from ..local.lambda_runtime import Call, LambdaRuntime
from ..local.local_account import LocalAccount
from ..reports.cost import Work, billed_ms, cost_per_million
from .runner import Runner

WARM_CALLS = 5  # after the first


@dataclass(frozen=True, slots=True)
class FunctionMeasurement:
    """Time and memory of one function."""

    function: str
    memory_mb: int
    init_ms: float
    first_ms: float  # first call, start included
    warm_ms: float
    warm_cpu_ms: float
    peak_mb: float

    @property
    def billed_ms(self) -> int:
        """Billed time of a warm call, modelled."""
        return billed_ms(self.warm_ms, self.warm_cpu_ms, self.memory_mb)

    @property
    def per_million(self) -> float:
        """Dollars for a million warm calls, Lambda only, modelled."""
        return cost_per_million(Work(self.warm_ms, self.warm_cpu_ms), self.memory_mb, read_prices()).lambda_


def measure(
    account: LocalAccount, project: Path, functions: Mapping[str, Mapping[str, Any]], person: str, runner: Runner
) -> list[FunctionMeasurement]:
    """Call every function: once through the stage's own endpoint, then measured, cold and warm, directly at the account."""
    first = next(iter(functions.values()))
    package = _package(project, first["CodeSha256"])
    runner.fact("all functions run the zip built from this checkout",
        {function["CodeSha256"] for function in functions.values()}, {first["CodeSha256"]} if package else set())  # fmt: skip
    folder = project.parent / "package"
    zipfile.ZipFile(io.BytesIO(package)).extractall(folder)
    before = _files(folder)
    measurements = []
    for name, function in functions.items():
        calls: list[Call] = []
        variables, credentials = function["Environment"]["Variables"], _credentials(account, function["Role"])
        with _runtime(folder, function, {**credentials, **variables}) as recorded:  # its requests pass through the proxy
            first_call = recorded.invoke(_payload(name, function, person))
        with _runtime(folder, function, {**variables, **credentials}) as runtime:  # directly: the proxy would take time
            calls += (runtime.invoke(_payload(name, function, person)) for _ in range(1 + WARM_CALLS))
        runner.fact(f"{name}: every call succeeds", [call.error for call in (first_call, *calls) if call.error], [])
        warm = sorted(calls[1:], key=lambda call: call.cpu_ms)[WARM_CALLS // 2]
        measurements.append(
            FunctionMeasurement(
                name, function["MemorySize"], runtime.init_ms, calls[0].wall_ms, warm.wall_ms, warm.cpu_ms, runtime.peak_mb
            )
        )
    runner.fact("no function wrote files next to the code", _files(folder) - before, set())
    return measurements


def _runtime(folder: Path, function: Mapping[str, Any], environment: Mapping[str, str]) -> LambdaRuntime:
    return LambdaRuntime(
        folder,
        function["Handler"],
        environment=environment,
        memory_mb=function["MemorySize"],
        timeout_s=function["Timeout"],
        function=function["FunctionName"],
    )


def _package(project: Path, sha256: str) -> bytes:
    """The zip with this hash from Chalice's deployments folder; b"" if it is not there."""
    for file in (project / ".chalice" / "deployments").glob("*.zip"):
        if b64encode(hashlib.sha256(content := file.read_bytes()).digest()).decode() == sha256:
            return content
    return b""


def _files(folder: Path) -> set[str]:
    return {str(file) for file in folder.rglob("*")}


def _credentials(account: LocalAccount, role: str) -> dict[str, str]:
    credentials = account.client("sts").assume_role(RoleArn=role, RoleSessionName="rehearsal")["Credentials"]
    return {
        "AWS_ENDPOINT_URL": account.ministack.endpoint,
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


def _sent(person: str) -> Item:
    """The row of a text that Twilio just accepted."""
    id_, now = uuid.uuid4().hex, utc_now()
    event, expires_at = Event(Kind.TEST, id_, now), now + timedelta(hours=1)
    delivery = Delivery(id_, event, "test", person, Channel.SMS, created_at=now, expires_at=expires_at, segments=1)
    return delivery_to_item(outcome.mark_sent(delivery, Receipt("rehearsed"), now))


def _payload(name: str, function: Mapping[str, Any], person: str) -> object:
    """A payload that the function processes completely."""
    bucket = function["Environment"]["Variables"]["UPLOAD_BUCKET"]
    object_ = {"key": f"rehearsal/second/{uuid.uuid4()}.pdf", "size": 9, "eTag": "0", "sequencer": uuid.uuid4().hex[:18].upper()}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventTime": "2026-11-23T12:00:00.000Z",
        "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": object_}}  # fmt: skip
    direct = {"Records": [record]}
    delivered = {"eventType": "Delivery", "mail": {"messageId": "0", "tags": {DELIVERY_TAG: ["0" * 32]}}}
    topic = function["Environment"]["Variables"].get(MAIL_EVENTS, "")
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
        "mail_events": {
            "Records": [{"EventSource": "aws:sns", "Sns": {"TopicArn": topic, "Message": json.dumps(delivered)}}]
        },
        "sweep": {},
        "watch": {},
    }  # fmt: skip
    return payloads.get(name, direct)
