"""Sample events of the event bus, as EventBridge delivers them: a failed task, a new state, custom events and a hostile one."""

from typing import Any

from chalicelib.domain.event import Event
from chalicelib.sources.eventbridge import from_bus

_ACCOUNT = "123456789012"
_TASK = f"arn:aws:ecs:eu-west-1:{_ACCOUNT}:task/shop/c13b4cb40f1f4fe4a2971f76ae5a47ad"


def sample_bus() -> dict[str, Event]:
    """Return one event of each kind, by name."""
    killed = {"name": "web", "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}
    task = {
        "clusterArn": f"arn:aws:ecs:eu-west-1:{_ACCOUNT}:cluster/shop",
        "containers": [killed],
        "group": "service:web",
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited",
        "taskArn": _TASK,
    }
    hostile = "\u202e<img src=x onerror=alert(1)> evil.com {{ 7 * 7 }}\r\nBcc: eve@example.net"
    return {
        "bus": _event("aws.ecs", "ECS Task State Change", task, _TASK),
        "bus-state": _event("aws.ec2", "EC2 Instance State-change Notification", {"instance-id": "i-0abc1", "state": "running"}),
        "bus-own": _event("acme.orders", "Order refused", {"order": {"id": "A-17"}, "amount": 120, "express": True}),
        "bus-bare": _event("acme.orders", "Queue empty", {}),
        "bus-hostile": _event(hostile, hostile, {hostile: hostile}, f"arn:{hostile}"),
    }


def _event(source: str, type_: str, detail: dict[str, Any], *resources: str) -> Event:
    payload = {
        "version": "0",
        "id": f"sample-{type_}",
        "detail-type": type_,
        "source": source,
        "account": _ACCOUNT,
        "time": "2026-03-02T09:20:00Z",
        "region": "eu-west-1",
        "resources": list(resources),
        "detail": detail,
    }
    (event,) = from_bus(payload).events
    return event
