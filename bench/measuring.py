"""One variant's container, run and measured: a cold first upload, then warm ones."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import mean
from typing import Any

from bench.packages import Package
from tests.support.payloads import s3_notification, s3_record
from workbench.local.lambda_runtime import Call, LambdaRuntime
from workbench.local.ministack import MiniStack
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Seen

_METHODS = {"PutItem": "put_item", "UpdateItem": "update_item", "GetItem": "get_item"}
_WRITES, _READS = {"PutItem", "UpdateItem"}, {"GetItem"}
_NOT_DYNAMODB = {"SendEmail", "GetParameter"}
IN_TURN = 3  # warm uploads to one container before the next has its turn
WARMING = 5  # uploads that are not counted: connections, caches and the like


@dataclass(frozen=True, slots=True)
class Variant:
    """Something to measure."""

    name: str
    told: str
    package: Package
    environment: Mapping[str, str]
    function: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What one container took; CPU is user and system."""

    init_ms: float
    init_cpu_ms: float
    cold_ms: float  # start and first upload, by the clock
    cold_cpu_ms: float
    warm_ms: float  # an upload
    warm_cpu_ms: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class Used:
    """What one warm upload asks AWS for, and what DynamoDB bills for it."""

    calls: tuple[str, ...]
    first_calls: tuple[str, ...]  # the cold upload's
    write_units: float
    read_units: float
    mails: int


class Uploads:
    """Uploads, each a new one."""

    def __init__(self) -> None:
        self._count = 0

    def next(self) -> bytes:
        """The payload that S3 sends for one object, of a name as people give them."""
        self._count += 1
        record = s3_record(f"in/2026/report {self._count}.pdf", version="2.6", size=48_213, sequencer=f"{self._count:018X}")
        return json.dumps(s3_notification(record)).encode()


class Container:
    """A variant's container, while a round lasts."""

    def __init__(self, runtime: LambdaRuntime, uploads: Uploads) -> None:
        """The first upload is made here: cold."""
        self._runtime, self._uploads = runtime, uploads
        self._cold = _upload(runtime, uploads)
        self._warm: list[Call] = []

    def warm_up(self, count: int) -> None:
        """Upload that often, not to be counted."""
        for _ in range(count):
            _upload(self._runtime, self._uploads)

    def warm(self, count: int) -> None:
        """Upload that often."""
        self._warm += [_upload(self._runtime, self._uploads) for _ in range(count)]

    def sample(self) -> Sample:
        """What was measured."""
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
    """One round: start each and upload once, then a few uploads to each in turn until there are `warm` of them: what is
    compared is measured within a second, since the machine changes its speed.

    Raises:
        RuntimeError: an upload failed.
    """
    with ExitStack() as stack:
        running = {each.name: Container(stack.enter_context(_container(each, endpoint)), uploads) for each in variants}
        for container in running.values():
            container.warm_up(WARMING)
        for done in range(0, warm, IN_TURN):
            for container in running.values():
                container.warm(min(IN_TURN, warm - done))
        return {name: container.sample() for name, container in running.items()}


def count(variant: Variant, ministack: MiniStack, uploads: Uploads) -> Used:
    """Look at what a cold and a warm upload ask AWS for.

    Raises:
        RuntimeError: an upload failed.
    """
    with Proxy(ministack.endpoint) as proxy, _container(variant, proxy.url) as runtime:
        _upload(runtime, uploads)
        first = proxy.operations()
        proxy.forget()
        _upload(runtime, uploads)
        seen = proxy.requests()
    writes, reads = _bill(seen, ministack.client("dynamodb"))
    calls = tuple(each.operation for each in seen)
    return Used(calls, tuple(first), writes, reads, calls.count("SendEmail"))


def _container(variant: Variant, endpoint: str) -> LambdaRuntime:
    environment = {**variant.environment, "AWS_ENDPOINT_URL": endpoint}
    return LambdaRuntime(variant.package.folder, "app.on_upload", environment=environment, function=variant.function)


def _upload(runtime: LambdaRuntime, uploads: Uploads) -> Call:
    call = runtime.invoke(uploads.next())
    if call.error:
        raise RuntimeError(f"An upload failed: {call.error}\n" + "\n".join(runtime.output[-20:]))
    return call


def _bill(seen: Sequence[Seen], dynamodb: Any) -> tuple[float, float]:
    """The write and read units of requests that came: made once more, in their order, and DynamoDB asked what they cost.

    Raises:
        RuntimeError: one of them is of a kind that is not known here.
    """
    asked = [(each.operation, json.loads(each.body)) for each in seen if each.operation in _WRITES | _READS]
    if others := {each.operation for each in seen} - _WRITES - _READS - _NOT_DYNAMODB:
        raise RuntimeError(f"Nobody knows what these cost: {', '.join(sorted(others))}")
    for operation, request in asked:
        if operation == "PutItem":
            key = {name: request["Item"][name] for name in ("pk", "sk")}
            dynamodb.delete_item(TableName=request["TableName"], Key=key)
    units = {"write": 0.0, "read": 0.0}
    for operation, request in asked:
        method = getattr(dynamodb, _METHODS[operation])
        answer = method(**{**request, "ReturnConsumedCapacity": "TOTAL"})
        units["write" if operation in _WRITES else "read"] += answer["ConsumedCapacity"]["CapacityUnits"]
    return units["write"], units["read"]
