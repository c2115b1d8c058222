"""What monitors tell, played in the local world: one thing of each kind breaks and is mended, and the inbox shows both."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import requests

from chalicelib.platform.clock import utc_now

from ..ministack import REGION
from ..running import RunningEnvironment

FEED = "feed/today.csv"
INSTANCE = "i-0123456789abcdef0"  # of the settings
_ACCOUNT = "000000000000"
_ALARM = "disk-nearly-full"
_FAILURES, _RECOVERIES = 3, 2  # of the http monitor


def put_feed(s3: Any, bucket: str) -> None:
    """The file that the freshness monitor of the settings waits for."""
    s3.put_object(Bucket=bucket, Key=FEED, Body=b"id,amount\n17,120\n")


def play_incidents(world: RunningEnvironment) -> Iterator[str]:
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

    cloudwatch = world.client("cloudwatch")
    _heat(cloudwatch, 97.0)
    watch_now({"monitor": "web server"})
    yield "the web server's CPU was above 80 % for a quarter of an hour"
    _heat(cloudwatch, 3.0)  # the mean of both is 50
    watch_now({"monitor": "web server"})
    yield "it has cooled down"

    for status in ("paid", "refused"):
        order = {"id": {"S": "17"}, "status": {"S": status}, "total": {"N": "120"}}
        world.client("dynamodb").put_item(TableName="orders", Item=order)
    yield "an order was refused"

    told = _invoking(world, "bus")  # what the local AWS's alarms do not do: tell the bus
    told(alarm("ALARM", 1))
    yield "an alarm of CloudWatch went off"
    told(alarm("OK", 0))
    yield "and is over"


# What comes of it, by the words in the mails' subjects; the resolved ones answer the others.
SAID = (
    *("shop: answered 503", "feed: nothing of feed/*.csv", "web server cpu: cpu is 97 %", f"{_ALARM}: Threshold Crossed"),
    "Order 17 is refused",
)
ENDED = SAID[:4]


def missing(subjects: Iterable[str]) -> list[str]:
    """Which words of the story no mail has said yet."""
    told = list(subjects)
    opened = [each for each in told if not each.startswith("Re: ")]
    ended = [each for each in told if each.startswith("Re: ")]
    return [f"no mail said {words!r}" for words in SAID if not any(words in each for each in opened)] + [
        f"no mail said that {words!r} is over" for words in ENDED if not any(words in each for each in ended)
    ]


def _heat(cloudwatch: Any, cpu: float) -> None:
    """So much CPU in each of the last minutes, as CloudWatch has it of an instance."""
    now, dimensions = utc_now(), [{"Name": "InstanceId", "Value": INSTANCE}]
    data = [
        {"MetricName": "CPUUtilization", "Timestamp": now - timedelta(minutes=each), "Value": cpu, "Dimensions": dimensions}
        for each in range(30)
    ]
    cloudwatch.put_metric_data(Namespace="AWS/EC2", MetricData=data)


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


def _invoking(world: RunningEnvironment, handler: str) -> Callable[[dict[str, Any]], Any]:
    client, name = world.client("lambda"), f"dropnote-{world.stage}-{handler}"

    def invoke(payload: dict[str, Any]) -> Any:
        answer = client.invoke(FunctionName=name, Payload=json.dumps(payload))
        told = json.loads(answer["Payload"].read() or "null")
        if "FunctionError" in answer:
            raise RuntimeError(f"{name} failed: {told.get('errorMessage') if isinstance(told, dict) else told}")
        return told

    return invoke
