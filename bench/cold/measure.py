"""Runs a variant's container and measures it: a cold first upload, then warm ones."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import mean
from typing import Any

from bench.cold.packages import Package
from bench.units import reported_units
from tests.support.payloads import s3_notification, s3_record
from workbench.local.lambda_runtime import Call, LambdaRuntime
from workbench.local.ministack import MiniStack
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import RecordedRequest

_METHODS = {
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "TransactWriteItems": "transact_write_items",
    "GetItem": "get_item",
}
_WRITES, _READS = {"PutItem", "UpdateItem", "TransactWriteItems"}, {"GetItem"}
_NOT_DYNAMODB = {"SendEmail", "GetParameters"}
IN_TURN = 3  # warm uploads to one container before it is the next one's turn
WARMING = 5  # uploads that are not measured: they open connections and fill caches


@dataclass(frozen=True, slots=True)
class Variant:
    """A bot to measure."""

    name: str
    title: str
    package: Package
    environment: Mapping[str, str]
    function: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one container. CPU is user plus system time."""

    init_ms: float
    init_cpu_ms: float
    cold_ms: float  # first upload, start included; elapsed time
    cold_cpu_ms: float
    warm_ms: float  # per upload
    warm_cpu_ms: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Used:
    """The AWS calls of one warm upload, and DynamoDB's units for them."""

    calls: tuple[str, ...]
    first_calls: tuple[str, ...]  # of the cold upload
    write_units: float
    read_units: float
    mails: int


class Uploads:
    """Generates uploads, each of a new object."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> bytes:
        """S3's payload for the next object."""
        self._count += 1
        record = s3_record(f"in/2026/report {self._count}.pdf", version="2.6", size=48_213, sequencer=f"{self._count:018X}")
        return json.dumps(s3_notification(record)).encode()


class Container:
    """A variant's container during one round."""

    def __init__(self, runtime: LambdaRuntime, uploads: Uploads) -> None:
        """Make the first, cold upload."""
        self._runtime, self._uploads = runtime, uploads
        self._cold = _upload(runtime, uploads)
        self._warm: list[Call] = []

    def warm_up(self, count: int) -> None:
        """Make uploads that are not measured."""
        for _ in range(count):
            _upload(self._runtime, self._uploads)

    def upload(self, count: int) -> None:
        """Make measured uploads."""
        self._warm += [_upload(self._runtime, self._uploads) for _ in range(count)]

    def sample(self) -> Sample:
        """The measurements."""
        return Sample(
            init_ms=self._runtime.init_ms,
            init_cpu_ms=self._runtime.init_cpu_ms,
            cold_ms=self._cold.wall_ms,
            cold_cpu_ms=self._cold.cpu_ms,
            warm_ms=mean(call.wall_ms for call in self._warm),
            warm_cpu_ms=mean(call.cpu_ms for call in self._warm),
            peak_mb=self._runtime.peak_mb,
        )


def measure(variants: Sequence[Variant], endpoint: str, uploads: Uploads, warm: int) -> dict[str, Sample]:
    """Run one round: start each variant with a cold upload, then make a few uploads to each in turn until there are `warm` of
    them. Compared values are thus measured within a second, because the machine's speed changes.

    Raises:
        RuntimeError: an upload failed.
    """
    with ExitStack() as stack:
        containers = {
            variant.name: Container(stack.enter_context(_container(variant, endpoint)), uploads) for variant in variants
        }
        for container in containers.values():
            container.warm_up(WARMING)
        for made in range(0, warm, IN_TURN):
            for container in containers.values():
                container.upload(min(IN_TURN, warm - made))
        return {name: container.sample() for name, container in containers.items()}


def count_calls(variant: Variant, ministack: MiniStack, uploads: Uploads) -> Used:
    """Record the AWS calls of a cold and a warm upload.

    Raises:
        RuntimeError: an upload failed.
    """
    with Proxy(ministack.endpoint) as proxy, _container(variant, proxy.url) as runtime:
        _upload(runtime, uploads)
        first_calls = proxy.operations()
        proxy.clear()
        _upload(runtime, uploads)
        requests = proxy.requests()
    writes, reads = _units(requests, ministack.client("dynamodb"))
    calls = tuple(request.operation for request in requests)
    return Used(calls, tuple(first_calls), writes, reads, calls.count("SendEmail"))


def _container(variant: Variant, endpoint: str) -> LambdaRuntime:
    environment = {**variant.environment, "AWS_ENDPOINT_URL": endpoint}
    return LambdaRuntime(variant.package.folder, "app.on_upload", environment=environment, function=variant.function)


def _upload(runtime: LambdaRuntime, uploads: Uploads) -> Call:
    call = runtime.invoke(uploads.next())
    if call.error:
        raise RuntimeError(f"an upload failed: {call.error}\n" + "\n".join(runtime.output[-20:]))
    return call


def _units(requests: Sequence[RecordedRequest], dynamodb: Any) -> tuple[float, float]:
    """The write and read units of recorded requests: repeats them in order and lets DynamoDB report their units.

    Raises:
        RuntimeError: the units of an operation are not known.
    """
    if others := {request.operation for request in requests} - _WRITES - _READS - _NOT_DYNAMODB:
        raise RuntimeError(f"unknown cost of {', '.join(sorted(others))}")
    bodies = [(request.operation, json.loads(request.body)) for request in requests if request.operation in _WRITES | _READS]
    for operation, body in bodies:
        body.pop("ClientRequestToken", None)  # DynamoDB would recognize the repeated transaction and write nothing
        actions = (
            body["TransactItems"] if operation == "TransactWriteItems" else [{"Put": body}] if operation == "PutItem" else []
        )
        for put in (action["Put"] for action in actions if "Put" in action):
            key = {name: put["Item"][name] for name in ("pk", "sk")}
            dynamodb.delete_item(TableName=put["TableName"], Key=key)
    units = {"write": 0.0, "read": 0.0}
    for operation, body in bodies:
        method = getattr(dynamodb, _METHODS[operation])
        response = method(**{**body, "ReturnConsumedCapacity": "TOTAL"})
        units["write" if operation in _WRITES else "read"] += reported_units(response)
    return units["write"], units["read"]
