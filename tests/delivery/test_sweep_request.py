"""What a sweep is asked to do, and starting further sweeps."""

import json
from typing import Any

from chalicelib.bot.assembly import make_bot
from chalicelib.delivery.pacing.request import SweepRequest, parse_request, sweep_starter
from chalicelib.delivery.sweep import EVERYTHING
from tests.support.builders import ENVIRON, some_settings


class Functions:
    """Records invocations, in place of a Lambda client."""

    def __init__(self, error: Exception | None = None) -> None:
        self.invocations: list[dict[str, Any]] = []
        self.error = error

    def __call__(self, service: str, **_: Any) -> "Functions":
        return self

    def invoke(self, **request: Any) -> None:
        if self.error:
            raise self.error
        self.invocations.append(request)


def test_schedule_and_manual_invocations_ask_for_everything() -> None:
    assert parse_request({"detail-type": "Scheduled Event", "source": "aws.events"}) == EVERYTHING
    assert parse_request({}) == parse_request(None) == EVERYTHING


def test_request_is_read_as_it_was_sent() -> None:
    functions = Functions()
    for request in (SweepRequest((1, 3), 0.5), SweepRequest(temporary=True)):
        sweep_starter(functions, "dropnote-prod-sweep")(request)
        assert parse_request(json.loads(functions.invocations[-1]["Payload"])) == request
    first = functions.invocations[0]
    assert (first["FunctionName"], first["InvocationType"]) == ("dropnote-prod-sweep", "Event")
    assert json.loads(first["Payload"]) == {"shards": [1, 3], "share": 0.5}


def test_failure_to_start_a_sweep_is_no_failure_of_the_upload() -> None:
    sweep_starter(Functions(RuntimeError("no permission")), "dropnote-prod-sweep")(SweepRequest(temporary=True))


def test_only_functions_that_take_many_events_start_a_sweep() -> None:
    starts = {}
    for name in ("upload_acme_drops", "upload_events", "bus", "items_orders", "test", "watch", "count"):
        functions = Functions()
        environ = ENVIRON | {"AWS_LAMBDA_FUNCTION_NAME": f"dropnote-prod-{name}"}
        make_bot(some_settings(), environ, functions).deliverer.hand_over.start_sweep()
        starts[name] = len(functions.invocations)
    assert starts == {"upload_acme_drops": 1, "upload_events": 1, "bus": 1, "items_orders": 1, "test": 0, "watch": 0, "count": 0}
