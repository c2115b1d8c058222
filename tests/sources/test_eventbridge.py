"""Events of the bus: from what EventBridge delivers to the message a person gets."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import msgspec
import pytest
from chalice.test import Client
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs

from chalicelib.domain.event import Event, Kind, Severity
from chalicelib.domain.message import Message
from chalicelib.domain.payloads import Level
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings, SettingsError
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import Renderer
from chalicelib.rules.event_patterns import combined
from chalicelib.rules.index import RuleIndex, mismatch_reason
from chalicelib.settings.bus_rules import EVENTS
from chalicelib.sources.alarms import alarm_result
from chalicelib.sources.eventbridge import LONGEST_FACT, MOST_DETAIL, MOST_FACTS, from_bus, payload_of, trimmed
from chalicelib.sources.queues import unwrap
from tests.support.builders import ENVIRON, some_settings
from tests.support.bus_payloads import ALARM, EXAMPLES, ORDER_REFUSED, alarm, event_of, execution, instance, task
from tests.support.payloads import bus_event
from tests.support.providers import Answer
from tests.support.stages import memory_stage, plenty
from workbench.deployment.finish import retries_of
from workbench.deployment.grants import Grants, Place
from workbench.paths import PROJECT

RULE = '[[rules]]\nname = "cloud"\non = "bus"\nnotify = ["email:asha", "sms:asha"]\n'
ORDERS = RULE + 'pattern = { source = ["acme.orders"], detail = { amount = [{ numeric = [">", 100] }] } }\n'


def settings_with(fields: str) -> Settings:
    return some_settings(RULE + fields)


def converted(payload: Any) -> Event:
    (event,) = from_bus(payload).events
    return event


def line_of(payload: Any) -> str:
    bus = converted(payload).bus
    assert bus is not None
    return f"{bus.subject}: {bus.says}"


def message(payload: Any, channel: Channel = Channel.EMAIL, fields: str = 'event = "instance state"\n') -> Message:
    settings = settings_with(fields)
    rendered = Renderer(settings, stage="prod").render(
        "bus", channel=channel, event=trimmed(converted(payload)), rule="cloud", person=settings.people["asha"]
    )
    assert not rendered.trouble
    return rendered.message


SAYS = {
    "alarm": (
        "ServerCpuTooHigh: is in ALARM: Threshold Crossed: 1 out of the last 1 datapoints was greater than the threshold (50.0)"
    ),
    "instance state": "instance i-0abcd1111: pending",
    "instance running": "instance i-0abcd1111: running",
    "instance stopped": "instance i-0abcd1111: stopped",
    "spot warning": "instance i-1234567890abcdef0: EC2 takes this Spot Instance back in two minutes: terminate",
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
def test_each_documented_event_says_in_plain_words_what_happened(name: str) -> None:
    assert line_of(EXAMPLES[name]) == SAYS[name]


@pytest.mark.parametrize("name", EVENTS)
def test_each_documented_event_makes_a_message_for_each_channel(name: str) -> None:
    text = message(EXAMPLES[name], Channel.SMS).text
    assert count_segments(text).segments <= 2, text
    mail = message(EXAMPLES[name])
    bus = converted(EXAMPLES[name]).bus
    assert bus is not None
    assert bus.subject in mail.text
    assert bus.subject in mail.html
    assert f'href="{bus.link.replace("&", "&amp;")}"' in mail.html
    assert bus.link.startswith(f"https://{EXAMPLES[name]['region']}.console.aws.amazon.com/")
    assert "\n" not in mail.subject


def test_what_failed_is_a_warning_and_what_did_not_is_none() -> None:
    bad = {name for name in EVENTS if converted(EXAMPLES[name]).severity is Severity.WARNING}
    assert bad == set(EVENTS) - {"instance state", "instance running", "instance stopped", "database event", "container stopped"}
    assert converted(alarm("OK")).severity is Severity.INFO


def test_rule_may_make_more_of_it_and_urgency_makes_no_less() -> None:
    for fields, severity in (('severity = "critical"', Severity.CRITICAL), ("urgent = true", Severity.WARNING)):
        (match,) = RuleIndex(settings_with(f'event = "workflow failed"\n{fields}\n').rules).match(converted(execution("FAILED")))
        assert (match.event.severity, match.event.urgent) == (severity, True)


def test_link_leads_to_the_console_of_the_events_partition() -> None:
    for region, host in (
        ("cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("ap-south-1", "ap-south-1.console.aws.amazon.com"),
    ):
        bus = converted({**instance("stopped"), "region": region}).bus
        assert bus is not None
        assert bus.link == f"https://{host}/ec2/home?region={region}#InstanceDetails:instanceId=i-0abcd1111"


def test_region_that_is_none_makes_no_link() -> None:
    bus = converted({**instance("stopped"), "region": "evil.example/#"}).bus
    assert bus is not None
    assert bus.link == ""


def test_own_event_is_told_by_its_type_and_its_plain_fields() -> None:
    bus = converted(ORDER_REFUSED).bus
    assert bus is not None
    assert (bus.subject, bus.says, bus.link) == ("acme.orders", "Order refused", "")
    assert bus.facts == {"order.id": "A-17", "amount": "120", "express": "true"}
    assert "Order refused, order .id A-17, amount 120" in message(ORDER_REFUSED, Channel.SMS).text
    named = converted({**ORDER_REFUSED, "resources": ["arn:acme:orders:::order/A-17"]}).bus
    assert named is not None
    assert named.subject == "A-17"


def test_source_of_somebody_else_is_not_taken_for_a_service() -> None:
    bus = converted({**instance("stopped"), "source": "acme.fake"}).bus
    assert bus is not None
    assert (bus.says, bus.link) == ("EC2 Instance State-change Notification", "")


def test_facts_are_few_and_short_whatever_the_event() -> None:
    bus = converted(event_of("acme", "x", {f"{'n' * 100}{each}": "v" * 1000 for each in range(100)})).bus
    assert bus is not None
    assert len(bus.facts) <= MOST_FACTS
    assert all(len(name) <= 60 and len(value) <= LONGEST_FACT for name, value in bus.facts.items())


def test_strangers_text_is_made_fit_to_show() -> None:
    event = event_of("acme", "<b>Order</b> \u202e refused", {"<i>": "<script>"}, "arn:x:evil.com\n.")
    mail = message(event)
    assert "&lt;b&gt;Order&lt;/b&gt; \\u202e refused" in mail.html
    assert "&lt;script&gt;" in mail.html
    assert "<i>" not in mail.html
    assert "evil .com" in message(event, Channel.SMS).text


def test_input_of_a_workflow_is_not_shown() -> None:
    assert "hunter2" not in message(execution("FAILED")).text


def test_task_that_did_not_start_says_why() -> None:
    payload = task(None, "CannotPullContainerError: pull image manifest has been retried 5 times", "TaskFailedToStart")
    assert line_of(payload) == "task web: stopped: CannotPullContainerError"
    assert converted(payload).severity is Severity.WARNING


@pytest.mark.parametrize("name", EVENTS)
def test_known_event_without_its_fields_is_told_as_any_other(name: str) -> None:
    bus = converted({**EXAMPLES[name], "detail": {"new": "shape"}, "resources": []}).bus
    assert bus is not None
    assert (bus.says, dict(bus.facts)) == (EXAMPLES[name]["detail-type"], {"new": "shape"})


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(some.sampled_from(list(EXAMPLES)), some.data())
def test_no_detail_is_so_strange_that_it_raises(name: str, data: Any) -> None:
    payload = deepcopy(EXAMPLES[name])
    for field in list(payload["detail"]):
        payload["detail"][field] = data.draw(json_values | some.just(payload["detail"][field]))
    (event,) = from_bus(payload).events
    assert event.bus is not None
    assert event.bus.subject
    assert alarm_result(event) is None or name == "alarm"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": None}, "is not text"),
        ({"id": ""}, "is empty"),
        ({"detail": "x"}, "its detail is a str"),
        ({"resources": "x"}, "its resources are a str"),
        ({"time": "yesterday"}, "Invalid isoformat"),
        ({"detail": {"x": "\ud800"}}, "surrogates"),
    ],
)
def test_strange_payload_is_parked(change: dict[str, Any], why: str) -> None:
    stage = memory_stage(settings_with('event = "instance stopped"\n'))
    stage.bot.take(from_bus({**instance("stopped"), **change}), plenty)
    assert "was not understood" in stage.mail.taken[0].message.text
    assert why in stage.mail.taken[0].message.text
    assert [unknown.source for unknown in (*from_bus([]).unknown, *from_bus({}).unknown)] == ["bus", "bus"]


def test_redelivered_event_sends_once() -> None:
    stage = memory_stage(settings_with('event = ["instance stopped", "workflow failed"]\n'))
    for payload in (instance("stopped"), instance("stopped"), {**execution("FAILED"), "id": "another"}):
        stage.bot.take(from_bus(payload), plenty)
    assert [sent.message.subject for sent in stage.mail.taken] == [
        "instance i-0abcd1111: stopped",
        "[WARNING] workflow nightly: failed: States.Timeout",
    ]
    assert len(stage.text.taken) == 2


def test_rule_of_a_pattern_gets_what_it_asks_for() -> None:
    stage = memory_stage(some_settings(ORDERS))
    for position, amount in enumerate((120, 100)):
        detail = {**ORDER_REFUSED["detail"], "amount": amount}
        stage.bot.take(from_bus({**ORDER_REFUSED, "id": str(position), "detail": detail}), plenty)
    assert [sent.message.subject for sent in stage.mail.taken] == ["acme.orders: Order refused"]


def test_failed_send_is_tried_again_with_all_that_its_message_needs() -> None:
    stage = memory_stage(settings_with('event = "workflow failed"\n'))
    stage.answer(Answer.LATER)
    stage.bot.take(from_bus(execution("FAILED")), plenty)
    assert stage.states("cloud") == {"email": "retry", "sms": "retry"}
    stage.sweep_for(hours=1)
    assert stage.states("cloud") == {"email": "sent", "sms": "sent"}
    assert "workflow nightly: failed" in stage.mail.taken[-1].message.text


def test_event_is_the_same_after_it_was_written_down() -> None:
    for payload in EXAMPLES.values():
        event = converted(payload)
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_dead_or_parked_event_is_known_again() -> None:
    (event,) = unwrap({"requestContext": {}, "requestPayload": instance("stopped")}).events
    assert event.identity == converted(instance("stopped")).identity
    assert unwrap(json.dumps(instance("stopped"))).events == (event,)
    assert unwrap(bus_event("in/a.txt")).events[0].kind is Kind.UPLOAD


def test_long_detail_is_matched_whole_and_kept_in_part() -> None:
    detail = {"first": "a", "long": "b" * 10_000, "last": "c"}
    event = converted(event_of("acme", "x", detail))
    settings = settings_with(f'pattern = {{ detail = {{ long = ["{"b" * 1000}", {{ suffix = "bbb" }}] }} }}\n')
    (match,) = RuleIndex(settings.rules).match(event)
    assert match.event.bus is not None
    assert match.event.bus.cut
    assert match.event.bus.detail == {"first": "a", "last": "c"}
    assert trimmed(converted(instance("stopped"))) == converted(instance("stopped"))


@given(some.dictionaries(some.text(max_size=5), some.text(max_size=3000), max_size=10))
def test_what_is_kept_of_a_detail_is_bounded(detail: dict[str, str]) -> None:
    event = trimmed(converted(event_of("acme", "x", detail)))
    assert event.bus is not None
    assert len(json.dumps(event.bus.detail, ensure_ascii=False, separators=(",", ":")).encode()) <= MOST_DETAIL


def test_payload_is_as_it_was_delivered() -> None:
    for payload in EXAMPLES.values():
        assert payload_of(converted(payload)) == payload


def test_why_a_rule_does_not_want_an_event_is_told() -> None:
    settings = settings_with('event = "instance stopped"\n')
    uploads, cloud = settings.rules
    assert mismatch_reason(cloud, converted(instance("running"))) == "its detail.state is not what the rule asks for"
    assert mismatch_reason(cloud, converted(instance("stopped"))) == ""
    assert mismatch_reason(uploads, converted(instance("stopped"))) == "it is not about the bucket acme-drops"
    assert settings.buckets == ("acme-drops",)


def test_alarm_says_its_state_as_a_result() -> None:
    for state, level in (("ALARM", Level.ERROR), ("INSUFFICIENT_DATA", Level.UNKNOWN), ("OK", Level.OK)):
        told = alarm_result(converted(alarm(state)))
        assert told is not None
        name, result = told
        assert (name, result.level, result.value) == (ALARM, level, "99.5")
        assert result.since == datetime(2026, 3, 2, 11, 59, 58, 985_000, UTC)
        assert result.says.endswith("was greater than the threshold (50.0)")
    assert alarm_result(converted(instance("stopped"))) is None
    assert alarm_result(converted(alarm("BROKEN"))) is None


def test_alarm_opens_an_incident_and_resolves_it_whatever_order_its_events_come_in() -> None:
    stage = memory_stage(settings_with('event = "alarm"\n'))
    opened, ended = alarm("ALARM"), alarm("OK", "2026-03-02T12:10:00.000+0000", id="another")
    for payload in (opened, opened):
        stage.bot.take(from_bus(payload), plenty)
    assert [sent.message.subject.partition(": ")[0] for sent in stage.mail.taken] == ["[CRITICAL] ServerCpuTooHigh"]
    for payload in (ended, {**opened, "id": "late"}, ended):
        stage.bot.take(from_bus(payload), plenty)
    _, resolved = stage.mail.taken
    assert "ServerCpuTooHigh resolved after 10 minutes" in resolved.message.text
    assert resolved.message.subject.startswith("Re: [CRITICAL] ServerCpuTooHigh: ")
    assert "Threshold Crossed" in stage.text.taken[0].message.text


def test_alarm_without_a_reason_or_a_time_is_told_all_the_same() -> None:
    payload = alarm()
    payload["detail"]["state"] = {"value": "ALARM"}
    told = alarm_result(converted({**payload, "resources": []}))
    assert told is not None
    assert (told[0], told[1].says, told[1].since) == ("ServerCpuTooHigh", "is ALARM", converted(payload).at)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ("", "event: neither event nor pattern says what the rule wants"),
        ('event = "alarm"\npattern = { source = ["a"] }', "event: give either event or pattern"),
        ('event = "instance stoped"', "there is no event 'instance stoped'; did you mean 'instance stopped'?"),
        ('event = ["alarm", "qqqq"]', "there is no event 'qqqq'; there are: alarm, "),
        ("event = []", "event: it names nothing"),
        ('event = "instance stopped"\nremind = "2h"', "remind: only alarms are still so after a while"),
        ('event = "alarm"\nremind = "soon"', "remind: 'soon' is not a span of time"),
        ('pattern = "aws.ec2"', "pattern: it is not a table"),
        ('pattern = { source = "aws.ec2" }', 'pattern: source: "aws.ec2" is not a list; write ["aws.ec2"]'),
        ("pattern = { source = [2026-01-01] }", "pattern: source: a date is no JSON"),
        ('event = "alarm"\nbucket = "acme-drops"', "bucket: there is no such field"),
    ],
)
def test_mistake_names_its_field_and_the_next_step(fields: str, told: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        settings_with(fields + "\n")
    assert told in str(wrong.value)
    assert "rules[2] 'cloud'" in str(wrong.value)


def app_with(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """app.py as it is with these settings."""
    monkeypatch.setattr("chalicelib.assembly.load_settings", lambda environ, monitors: settings)
    spec = spec_from_file_location("app_with_settings", PROJECT / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_handler_is_bound_for_all_rules_on_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with('event = "instance stopped"\n' + ORDERS.replace('"cloud"', '"orders"'))
    app, stage = app_with(settings, monkeypatch), memory_stage(settings)
    (bound,) = (each for each in app.app.event_sources if each.name == "bus")
    assert bound.event_pattern == combined([EVENTS["instance stopped"], settings.rules[2].bus.pattern])  # type: ignore[union-attr]
    app.bot, app.time_left = lambda: stage.bot, lambda context: plenty
    with Client(app.app) as client:
        client.lambda_.invoke("bus", instance("stopped"))
        client.lambda_.invoke("bus", instance("running"))
        client.lambda_.invoke("bus", {**ORDER_REFUSED, "id": "another"})
        client.lambda_.invoke("bus", {})
    subjects = [sent.message.subject for sent in stage.mail.taken]
    assert subjects == ["instance i-0abcd1111: stopped", "acme.orders: Order refused", "acme-drops is in trouble"]


def test_no_handler_is_bound_without_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = some_settings()
    assert "bus" not in app_with(uploads, monkeypatch).app.handler_map
    only_bus = structs.replace(uploads, rules=settings_with('event = "alarm"\n').rules[1:])
    assert {"bus"} == {name for name in app_with(only_bus, monkeypatch).app.handler_map if name.startswith(("bus", "upload"))}


def test_function_may_do_what_an_upload_may() -> None:
    variables = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dead", "DROPNOTE_SECRETS": "/s/", "DROPNOTE_COUNTERS": "counters"}
    place = Place("prod", "123456789012", "us-east-1")
    with_bus = Grants(settings_with('event = "alarm"\n'), variables, place).of_functions()
    assert with_bus["bus"] == with_bus["upload_events"]
    assert "bus" not in Grants(some_settings(), variables, place).of_functions()
    assert retries_of("bus") == retries_of("upload_events")


def test_rule_on_the_bus_is_read() -> None:
    rule = settings_with('event = ["alarm", "health"]\nremind = "2h"\n').rules[1]
    assert (rule.on, rule.template) == (Kind.BUS, "bus")
    assert rule.bus is not None
    assert rule.bus.named == "alarm, health"
    assert rule.remind is not None
