"""Plays sample incidents in the local environment: one monitor of each kind fails and recovers, and the inbox shows both."""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import requests

from chalicelib.platform.clock import utc_now

from ..ministack import REGION
from ..running import RunningEnvironment

FEED = "feed/today.csv"
INSTANCE = "i-0123456789abcdef0"  # in the shipped settings
_ACCOUNT = "000000000000"
_ALARM = "disk-nearly-full"
_FAILURES, _RECOVERIES = 3, 2  # defaults of an http monitor


def put_feed(s3: Any, bucket: str) -> None:
    """Upload the file that the freshness monitor of the shipped settings expects."""
    s3.put_object(Bucket=bucket, Key=FEED, Body=b"id,amount\n17,120\n")


def play_incidents(running: RunningEnvironment) -> Iterator[str]:
    """Break and fix one thing after another; yield a line after each step."""
    watch_now = _function(running, "watch_now")
    requests.post(f"{running.shop}/mode?be=failing", timeout=5).raise_for_status()
    for _ in range(_FAILURES):
        watch_now({"monitor": "shop"})
    yield "The shop returned 503 three times in a row"
    requests.post(f"{running.shop}/mode?be=well", timeout=5).raise_for_status()
    for _ in range(_RECOVERIES):
        watch_now({"monitor": "shop"})
    yield "The shop is up again"

    s3 = running.client("s3")
    s3.delete_object(Bucket=running.bucket, Key=FEED)
    watch_now({"monitor": "feed"})
    yield "The feed is late"
    put_feed(s3, running.bucket)
    watch_now({"monitor": "feed"})
    yield "The feed arrived"

    cloudwatch = running.client("cloudwatch")
    _put_cpu(cloudwatch, 97.0)
    watch_now({"monitor": "web server"})
    yield "The web server's CPU was above 80 % for 15 minutes"
    _put_cpu(cloudwatch, 3.0)  # the average of both is 50 %
    watch_now({"monitor": "web server"})
    yield "The web server has cooled down"

    for status in ("paid", "rejected"):
        order = {"id": {"S": "17"}, "status": {"S": status}, "total": {"N": "120"}}
        running.client("dynamodb").put_item(TableName="orders", Item=order)
    yield "An order was rejected"

    send_event = _function(running, "bus")  # the local AWS emulator's alarms do not send events
    send_event(alarm("ALARM", 1))
    yield "A CloudWatch alarm went off"
    send_event(alarm("OK", 0))
    yield "The CloudWatch alarm is resolved"


# Texts in the subjects of the e-mails. The e-mails about a recovery are replies.
OPENED = (
    *("shop: returned 503", "feed: no feed/*.csv", "web server cpu: cpu is 97 %", f"{_ALARM}: Threshold Crossed"),
    "Order 17 is rejected",
)
RESOLVED = OPENED[:4]


def missing(subjects: Iterable[str]) -> list[str]:
    """Name the e-mails of the sample incidents that have not been sent yet."""
    sent = list(subjects)
    replies = [subject for subject in sent if subject.startswith("Re: ")]
    first_mails = [subject for subject in sent if not subject.startswith("Re: ")]
    return [f"no e-mail about {text!r}" for text in OPENED if not any(text in subject for subject in first_mails)] + [
        f"no e-mail about the end of {text!r}" for text in RESOLVED if not any(text in subject for subject in replies)
    ]


def _put_cpu(cloudwatch: Any, cpu: float) -> None:
    """Put CPU values for the last 30 minutes, as an instance reports them."""
    now, dimensions = utc_now(), [{"Name": "InstanceId", "Value": INSTANCE}]
    data = [
        {"MetricName": "CPUUtilization", "Timestamp": now - timedelta(minutes=ago), "Value": cpu, "Dimensions": dimensions}
        for ago in range(30)
    ]
    cloudwatch.put_metric_data(Namespace="AWS/EC2", MetricData=data)


def alarm(state: str, minutes_ago: int) -> dict[str, Any]:
    """Return an alarm's event (Amazon CloudWatch user guide, "Alarm events and EventBridge")."""
    at = utc_now() - timedelta(minutes=minutes_ago)
    comparison = "greater than" if state == "ALARM" else "not greater than"
    reason = f"Threshold Crossed: 1 datapoint [91.0] was {comparison} the threshold (85.0)."
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


def _function(running: RunningEnvironment, handler: str) -> Callable[[dict[str, Any]], Any]:
    """Return a function that invokes a Lambda function of the local environment."""
    client, name = running.client("lambda"), f"dropnote-{running.stage}-{handler}"

    def invoke(payload: dict[str, Any]) -> Any:
        response = client.invoke(FunctionName=name, Payload=json.dumps(payload))
        answer = json.loads(response["Payload"].read() or "null")
        if "FunctionError" in response:
            raise RuntimeError(f"{name} failed: {answer.get('errorMessage') if isinstance(answer, dict) else answer}")
        return answer

    return invoke
