"""What monitors tell, played in the local world: one thing of each kind breaks and is mended, and the inbox shows both."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import requests

from chalicelib.clock import utc_now

from .ministack import REGION
from .running import RunningWorld

FEED = "feed/today.csv"
_ACCOUNT = "000000000000"
_ALARM = "disk-nearly-full"
_FAILURES, _RECOVERIES = 3, 2  # of the http monitor


def put_feed(s3: Any, bucket: str) -> None:
    """The file that the freshness monitor of the settings waits for."""
    s3.put_object(Bucket=bucket, Key=FEED, Body=b"id,amount\n17,120\n")


def play(world: RunningWorld) -> Iterator[str]:
    """Break and mend one thing after the other; gives a line of what was done, as it is done."""
    watch_now = _invoking(world, "watch_now")
    requests.post(f"{world.shop}/mode?be=failing", timeout=5).raise_for_status()
    for _ in range(_FAILURES):
        watch_now({"monitor": "shop"})
    yield "the shop answered 503, three times in a row"
    requests.post(f"{world.shop}/mode?be=well", timeout=5).raise_for_status()
    for _ in range(_RECOVERIES):
        watch_now({"monitor": "shop"})
    yield "it is well again"

    s3 = world.client("s3")
    s3.delete_object(Bucket=world.bucket, Key=FEED)
    watch_now({"monitor": "feed"})
    yield "the feed is missing"
    put_feed(s3, world.bucket)
    watch_now({"monitor": "feed"})
    yield "it has come"

    told = _invoking(world, "bus")  # what the local AWS's alarms do not do: tell the bus
    told(alarm("ALARM", 1))
    yield "an alarm of CloudWatch went off"
    told(alarm("OK", 0))
    yield "and is over"


def alarm(state: str, minutes_ago: int) -> dict[str, Any]:
    """What CloudWatch puts on the bus (Amazon CloudWatch user guide, "Alarm events and EventBridge")."""
    at = utc_now() - timedelta(minutes=minutes_ago)
    how = "greater than" if state == "ALARM" else "not greater than"
    reason = f"Threshold Crossed: 1 datapoint [91.0] was {how} the threshold (85.0)."
    return {
        "version": "0",
        "id": f"{_ALARM}-{state}-{at:%Y%m%dT%H%M%S}",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": _ACCOUNT,
        "time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "region": REGION,
        "resources": [f"arn:aws:cloudwatch:{REGION}:{_ACCOUNT}:alarm:{_ALARM}"],
        "detail": {
            "alarmName": _ALARM,
            "configuration": {"description": "The disk of the shop's server.", "metrics": []},
            "previousState": {"value": "OK" if state == "ALARM" else "ALARM", "reason": "", "timestamp": ""},
            "state": {"value": state, "reason": reason, "timestamp": f"{at:%Y-%m-%dT%H:%M:%S.000+0000}"},
        },
    }


def _invoking(world: RunningWorld, handler: str) -> Callable[[dict[str, Any]], Any]:
    client, name = world.client("lambda"), f"dropnote-{world.stage}-{handler}"

    def invoke(payload: dict[str, Any]) -> Any:
        answer = client.invoke(FunctionName=name, Payload=json.dumps(payload))
        told = json.loads(answer["Payload"].read() or "null")
        if "FunctionError" in answer:
            raise RuntimeError(f"{name} failed: {told.get('errorMessage') if isinstance(told, dict) else told}")
        return told

    return invoke
