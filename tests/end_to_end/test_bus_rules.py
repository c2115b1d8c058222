"""Rules on the event bus, from what EventBridge delivers to the messages people receive."""

from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest
from chalice.test import Client
from msgspec import structs

from chalicelib.domain.event import Severity
from chalicelib.domain.message import Message
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.platform.sms_text import count_segments
from chalicelib.rendering.renderer import Renderer
from chalicelib.rules.event_patterns import combine_patterns
from chalicelib.rules.index import RuleIndex, mismatch_reason
from chalicelib.settings.kinds.bus_rules import EVENTS
from chalicelib.sources.eventbridge import from_bus, trim_detail
from tests.settings.test_bus_rules import RULE, settings_with
from tests.sources.test_eventbridge import bus_of, converted
from tests.support.builders import ENVIRON, some_settings
from tests.support.bus_payloads import EXAMPLES, ORDER_REFUSED, alarm, event_of, execution, instance
from tests.support.providers import Answer
from tests.support.stages import memory_stage, plenty
from workbench.deployment.finish import retries_for
from workbench.deployment.grants import Grants, StageLocation
from workbench.paths import PROJECT

ORDERS = RULE + 'pattern = { source = ["acme.orders"], detail = { amount = [{ numeric = [">", 100] }] } }\n'


# matching


def test_rule_raises_the_severity_and_an_urgent_one_does_not_lower_it() -> None:
    for fields, severity in (('severity = "critical"', Severity.CRITICAL), ("urgent = true", Severity.WARNING)):
        (match,) = RuleIndex(settings_with(f'event = "workflow failed"\n{fields}\n').rules).match(converted(execution("FAILED")))
        assert (match.event.severity, match.event.urgent) == (severity, True)


def test_long_detail_is_matched_completely_and_stored_in_part() -> None:
    event = converted(event_of("acme", "x", {"first": "a", "long": "b" * 10_000, "last": "c"}))
    settings = settings_with(f'pattern = {{ detail = {{ long = ["{"b" * 1000}", {{ suffix = "bbb" }}] }} }}\n')
    (match,) = RuleIndex(settings.rules).match(event)
    assert match.event.bus is not None
    assert match.event.bus.cut
    assert match.event.bus.detail == {"first": "a", "last": "c"}


def test_rule_that_does_not_match_says_why() -> None:
    settings = settings_with('event = "instance stopped"\n')
    uploads, cloud = settings.rules
    assert mismatch_reason(cloud, converted(instance("running"))) == "detail.state does not match the rule's pattern"
    assert mismatch_reason(cloud, converted(instance("stopped"))) == ""
    assert mismatch_reason(uploads, converted(instance("stopped"))) == "not an upload to the bucket acme-drops"
    assert settings.buckets == ("acme-drops",)


# messages


def message(payload: Any, channel: Channel = Channel.EMAIL) -> Message:
    settings = settings_with('event = "instance state"\n')
    rendered = Renderer(settings, stage="prod").render(
        "bus", channel=channel, event=trim_detail(converted(payload)), rule="cloud", person=settings.people["asha"]
    )
    assert not rendered.problem
    return rendered.message


@pytest.mark.parametrize("name", EVENTS)
def test_documented_event_has_a_message_on_each_channel(name: str) -> None:
    text = message(EXAMPLES[name], Channel.SMS).text
    assert count_segments(text).segments <= 2, text
    mail, bus = message(EXAMPLES[name]), bus_of(EXAMPLES[name])
    assert bus.subject in mail.text
    assert bus.subject in mail.html
    assert f'href="{bus.link.replace("&", "&amp;")}"' in mail.html
    assert bus.link.startswith(f"https://{EXAMPLES[name]['region']}.console.aws.amazon.com/")
    assert "\n" not in mail.subject


def test_text_of_an_own_event_lists_its_plain_fields() -> None:
    assert "Order refused, order .id A-17, amount 120" in message(ORDER_REFUSED, Channel.SMS).text


def test_untrusted_text_is_sanitized() -> None:
    event = event_of("acme", "<b>Order</b> \u202e refused", {"<i>": "<script>"}, "arn:x:evil.com\n.")
    mail = message(event)
    assert "&lt;b&gt;Order&lt;/b&gt; \\u202e refused" in mail.html
    assert "&lt;script&gt;" in mail.html
    assert "<i>" not in mail.html
    assert "evil .com" in message(event, Channel.SMS).text


def test_input_of_a_workflow_is_not_shown() -> None:
    assert "hunter2" not in message(execution("FAILED")).text


# sending


def test_redelivered_event_sends_once() -> None:
    stage = memory_stage(settings_with('event = ["instance stopped", "workflow failed"]\n'))
    for payload in (instance("stopped"), instance("stopped"), {**execution("FAILED"), "id": "another"}):
        stage.bot.take(from_bus(payload), plenty)
    assert [mail.message.subject for mail in stage.mail.accepted] == [
        "instance i-0abcd1111: stopped",
        "[WARNING] workflow nightly: failed: States.Timeout",
    ]
    assert len(stage.text.accepted) == 2


def test_rule_with_a_pattern_sends_matching_events_only() -> None:
    stage = memory_stage(some_settings(ORDERS))
    for position, amount in enumerate((120, 100)):
        detail = {**ORDER_REFUSED["detail"], "amount": amount}
        stage.bot.take(from_bus({**ORDER_REFUSED, "id": str(position), "detail": detail}), plenty)
    assert [mail.message.subject for mail in stage.mail.accepted] == ["acme.orders: Order refused"]


def test_failed_message_is_retried_with_everything_it_needs() -> None:
    stage = memory_stage(settings_with('event = "workflow failed"\n'))
    stage.answer(Answer.UNREACHABLE)
    stage.bot.take(from_bus(execution("FAILED")), plenty)
    assert stage.states("cloud") == {"email": "retry", "sms": "retry"}
    stage.sweep_for(hours=1)
    assert stage.states("cloud") == {"email": "sent", "sms": "sent"}
    assert "workflow nightly: failed" in stage.mail.accepted[-1].message.text


def test_malformed_event_is_parked_and_the_owner_notified() -> None:
    stage = memory_stage(settings_with('event = "instance stopped"\n'))
    stage.bot.take(from_bus({**instance("stopped"), "detail": "x"}), plenty)
    (mail,) = stage.mail.accepted
    assert "could not be parsed" in mail.message.text
    assert "detail is not an object but a str" in mail.message.text


def test_alarm_opens_and_resolves_an_incident_in_any_order_of_its_events() -> None:
    stage = memory_stage(settings_with('event = "alarm"\n'))
    opened, ended = alarm("ALARM"), alarm("OK", "2026-03-02T12:10:00.000+0000", id="another")
    for payload in (opened, opened):
        stage.bot.take(from_bus(payload), plenty)
    assert [mail.message.subject.partition(": ")[0] for mail in stage.mail.accepted] == ["[CRITICAL] ServerCpuTooHigh"]
    for payload in (ended, {**opened, "id": "late"}, ended):
        stage.bot.take(from_bus(payload), plenty)
    _, resolved = stage.mail.accepted
    assert "ServerCpuTooHigh resolved after 10 minutes" in resolved.message.text
    assert resolved.message.subject.startswith("Re: [CRITICAL] ServerCpuTooHigh: ")
    assert "Threshold Crossed" in stage.text.accepted[0].message.text


# deployment


def app_with(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """app.py as it is with these settings."""
    monkeypatch.setattr("chalicelib.bot.assembly.load_settings", lambda environ, monitors: settings)
    spec = spec_from_file_location("app_with_settings", PROJECT / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_handler_is_bound_for_all_rules_on_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with('event = "instance stopped"\n' + ORDERS.replace('"cloud"', '"orders"'))
    app, stage = app_with(settings, monkeypatch), memory_stage(settings)
    (binding,) = (source for source in app.app.event_sources if source.name == "bus")
    assert binding.event_pattern == combine_patterns([EVENTS["instance stopped"], settings.rules[2].bus.pattern])  # type: ignore[union-attr]
    app.bot, app.time_left = lambda: stage.bot, lambda context: plenty
    with Client(app.app) as client:
        client.lambda_.invoke("bus", instance("stopped"))
        client.lambda_.invoke("bus", instance("running"))
        client.lambda_.invoke("bus", {**ORDER_REFUSED, "id": "another"})
        client.lambda_.invoke("bus", {})
    subjects = [mail.message.subject for mail in stage.mail.accepted]
    assert subjects == ["instance i-0abcd1111: stopped", "acme.orders: Order refused", "acme-drops has a problem"]


def test_no_handler_is_bound_without_a_rule_on_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = some_settings()
    assert "bus" not in app_with(uploads, monkeypatch).app.handler_map
    only_bus = structs.replace(uploads, rules=settings_with('event = "alarm"\n').rules[1:])
    handlers = set(app_with(only_bus, monkeypatch).app.handler_map) - {"upload_page"}  # a page of the console
    assert {"bus"} == {name for name in handlers if name.startswith(("bus", "upload"))}


def test_function_on_the_bus_has_the_permissions_of_an_upload_function() -> None:
    variables = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dead", "DROPNOTE_SECRETS": "/s/", "DROPNOTE_COUNTERS": "counters"}
    location = StageLocation("prod", "123456789012", "us-east-1")
    grants = Grants(settings_with('event = "alarm"\n'), variables, location).by_function()
    assert grants["bus"] == grants["upload_events"]
    assert "bus" not in Grants(some_settings(), variables, location).by_function()
    assert retries_for("bus") == retries_for("upload_events")
