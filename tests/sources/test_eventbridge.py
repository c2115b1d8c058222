"""Events of the event bus: what EventBridge delivers is converted, described for people, and trimmed for storage."""

import json
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.event import Event, Kind, Severity
from chalicelib.domain.payloads import BusEvent
from chalicelib.settings.kinds.bus_rules import EVENTS
from chalicelib.sources.alarms import alarm_result
from chalicelib.sources.eventbridge import MAX_DETAIL_BYTES, MAX_FACT_LENGTH, MAX_FACTS, from_bus, payload_of, trim_detail
from chalicelib.sources.queues import unwrap
from tests.support.bus_payloads import EXAMPLES, ORDER_REFUSED, alarm, event_of, execution, instance, task
from tests.support.payloads import bus_event


def converted(payload: Any) -> Event:
    (event,) = from_bus(payload).events
    return event


def bus_of(payload: Any) -> BusEvent:
    bus = converted(payload).bus
    assert bus is not None
    return bus


# descriptions


DESCRIPTIONS = {
    "alarm": (
        "ServerCpuTooHigh: is in ALARM: Threshold Crossed: 1 out of the last 1 datapoints was greater than the threshold (50.0)"
    ),
    "instance state": "instance i-0abcd1111: pending",
    "instance running": "instance i-0abcd1111: running",
    "instance stopped": "instance i-0abcd1111: stopped",
    "spot warning": "instance i-1234567890abcdef0: EC2 reclaims this Spot Instance in two minutes: terminate",
    "autoscaling failed": (
        "Auto Scaling group my-auto-scaling-group: instance Launch Unsuccessful: There is no Spot capacity available"
    ),
    "database event": "database orders-db: DB instance restarted",
    "database failover": "database orders-db: A Multi-AZ failover has completed",
    "database failed": "database orders-db: The DB instance has exhausted its allocated storage",
    "container stopped": "task web: stopped: Essential container in task exited",
    "container failed": "task web: stopped: OutOfMemoryError (exit 137)",
    "deployment failed": "service servicetest: deployment failed: ECS deployment circuit breaker: task failed to start",
    "batch failed": "Batch job event-test: failed: Essential container in task exited",
    "glue failed": (
        "Glue job load-orders: failed: JobName:load-orders and JobRunId:jr_0123 failed to execute with exception Role not found"
    ),
    "workflow failed": "workflow nightly: failed: States.Timeout",
    "pipeline failed": "pipeline release: failed",
    "build failed": "build of my-sample-project: failed",
    "secret rotation failed": "secret orders-a1b2c3: rotation failed: Error when executing lambda during setSecret step",
    "backup failed": "backup of orders-db: failed: Backup job failed because the backup vault does not exist",
    "certificate expires": "certificate example.com: expires in 31 days",
    "health": "AWS Health, EC2: AWS_EC2_OPERATIONAL_ISSUE: We are investigating increased error rates",
}


@pytest.mark.parametrize("name", EVENTS)
def test_documented_event_is_described_in_plain_english(name: str) -> None:
    bus = bus_of(EXAMPLES[name])
    assert f"{bus.subject}: {bus.says}" == DESCRIPTIONS[name]


def test_only_failures_are_warnings() -> None:
    warnings = {name for name in EVENTS if converted(EXAMPLES[name]).severity is Severity.WARNING}
    harmless = {"instance state", "instance running", "instance stopped", "database event", "container stopped"}
    assert warnings == set(EVENTS) - harmless
    assert converted(alarm("OK")).severity is Severity.INFO


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("ap-south-1", "ap-south-1.console.aws.amazon.com"),
    ],
)
def test_link_leads_to_the_console_of_the_events_partition(region: str, host: str) -> None:
    link = bus_of({**instance("stopped"), "region": region}).link
    assert link == f"https://{host}/ec2/home?region={region}#InstanceDetails:instanceId=i-0abcd1111"


def test_invalid_region_makes_no_link() -> None:
    assert bus_of({**instance("stopped"), "region": "evil.example/#"}).link == ""


def test_own_event_is_described_by_its_type_and_plain_fields() -> None:
    bus = bus_of(ORDER_REFUSED)
    assert (bus.subject, bus.says, bus.link) == ("acme.orders", "Order refused", "")
    assert bus.facts == {"order.id": "A-17", "amount": "120", "express": "true"}
    assert bus_of({**ORDER_REFUSED, "resources": ["arn:acme:orders:::order/A-17"]}).subject == "A-17"


def test_event_of_another_source_is_not_mistaken_for_a_services() -> None:
    bus = bus_of({**instance("stopped"), "source": "acme.fake"})
    assert (bus.says, bus.link) == ("EC2 Instance State-change Notification", "")


def test_facts_are_few_and_short_whatever_the_event() -> None:
    bus = bus_of(event_of("acme", "x", {f"{'n' * 100}{number}": "v" * 1000 for number in range(100)}))
    assert len(bus.facts) <= MAX_FACTS
    assert all(len(name) <= 60 and len(value) <= MAX_FACT_LENGTH for name, value in bus.facts.items())


def test_task_that_did_not_start_says_why() -> None:
    payload = task(None, "CannotPullContainerError: pull image manifest has been retried 5 times", "TaskFailedToStart")
    bus = bus_of(payload)
    assert f"{bus.subject}: {bus.says}" == "task web: stopped: CannotPullContainerError"
    assert converted(payload).severity is Severity.WARNING


@pytest.mark.parametrize("name", EVENTS)
def test_known_event_without_its_fields_is_described_like_any_other(name: str) -> None:
    bus = bus_of({**EXAMPLES[name], "detail": {"new": "shape"}, "resources": []})
    assert (bus.says, dict(bus.facts)) == (EXAMPLES[name]["detail-type"], {"new": "shape"})


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(some.sampled_from(list(EXAMPLES)), some.data())
def test_no_detail_makes_a_describer_raise(name: str, data: Any) -> None:
    payload = deepcopy(EXAMPLES[name])
    for field in list(payload["detail"]):
        payload["detail"][field] = data.draw(json_values | some.just(payload["detail"][field]))
    event = converted(payload)
    assert event.bus is not None
    assert event.bus.subject
    assert alarm_result(event) is None or name == "alarm"


# conversion


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": None}, "None is not text"),
        ({"id": ""}, "id, source or detail-type is empty"),
        ({"detail": "x"}, "detail is not an object but a str"),
        ({"resources": "x"}, "resources is not a list but a str"),
        ({"time": "yesterday"}, "Invalid isoformat"),
        ({"detail": {"x": "\ud800"}}, "surrogates"),
    ],
)
def test_malformed_event_is_unknown_and_says_why(change: dict[str, Any], why: str) -> None:
    (unknown,) = from_bus({**instance("stopped"), **change}).unknown
    assert why in unknown.why


@pytest.mark.parametrize(("payload", "why"), [([], "not an object but a list"), ({}, "missing 'id'")])
def test_payload_that_is_not_an_event_is_unknown(payload: Any, why: str) -> None:
    (unknown,) = from_bus(payload).unknown
    assert (unknown.source, unknown.why) == ("bus", why)


def test_dead_lettered_or_parked_event_keeps_its_identity() -> None:
    (event,) = unwrap({"requestContext": {}, "requestPayload": instance("stopped")}).events
    assert event.identity == converted(instance("stopped")).identity
    assert unwrap(json.dumps(instance("stopped"))).events == (event,)
    assert unwrap(bus_event("in/a.txt")).events[0].kind is Kind.UPLOAD


def test_stored_event_is_read_back_unchanged() -> None:
    for payload in EXAMPLES.values():
        event = converted(payload)
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_payload_for_patterns_is_the_one_delivered() -> None:
    for payload in EXAMPLES.values():
        assert payload_of(converted(payload)) == payload


# trimming


def test_short_detail_is_not_trimmed() -> None:
    assert trim_detail(converted(instance("stopped"))) == converted(instance("stopped"))


@given(some.dictionaries(some.text(max_size=5), some.text(max_size=3000), max_size=10))
def test_stored_detail_is_bounded(detail: dict[str, str]) -> None:
    bus = trim_detail(converted(event_of("acme", "x", detail))).bus
    assert bus is not None
    assert len(json.dumps(bus.detail, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_DETAIL_BYTES


def test_input_of_a_workflow_is_not_among_the_facts() -> None:
    assert "hunter2" not in str(bus_of(execution("FAILED")).facts)
