"""What a sweep is asked to do, and starting a further sweep."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from ...platform import log
from ...platform.aws import ClientFactory

# The functions that take many events: a throttled one of these starts a sweep. Others leave that to the schedule.
STARTING = ("upload", "bus", "items")


class SweepRequest(Struct, frozen=True, omit_defaults=True):
    """The schedule's sweep does everything. Others only send: a part of the shards, or until the schedule's next sweep."""

    shards: tuple[int, ...] = ()  # with a share of the rate; () for all
    share: float = 1.0
    temporary: bool = False  # started by an upload that was throttled: gives way to the schedule's sweep


StartSweep = Callable[[SweepRequest], None]


def parse_request(payload: object) -> SweepRequest:
    """Read a sweep's payload; that of the schedule is an event of EventBridge and asks for everything."""
    if not isinstance(payload, dict) or "detail-type" in payload:
        return SweepRequest()
    return msgspec.convert(payload, SweepRequest, strict=False)


def start_nothing(request: SweepRequest) -> None:
    """Start no further sweep."""


def sweep_starter(clients: ClientFactory, function: str) -> StartSweep:
    """Return a function that starts the sweep function asynchronously. A failure is logged: the schedule's next sweep follows."""

    def start(request: SweepRequest) -> None:
        try:
            invoke(clients("lambda"), function, request)
        except Exception as error:  # noqa: BLE001  a sweep that starts later is no reason to fail here
            log.warning("sweep-not-started", error=type(error).__name__, detail=str(error))

    return start


def invoke(client: Any, function: str, request: SweepRequest) -> None:
    """Invoke the sweep function without waiting for it. Source: AWS Lambda API reference, "Invoke", InvocationType."""
    client.invoke(FunctionName=function, InvocationType="Event", Payload=msgspec.json.encode(request))
