"""Fields of a rule on the event bus: read, and each mistake names its field and how to fix it."""

import pytest

from chalicelib.domain.event import Kind
from chalicelib.domain.settings import Settings, SettingsError
from tests.support.builders import some_settings

RULE = '[[rules]]\nname = "cloud"\non = "bus"\nnotify = ["email:asha", "sms:asha"]\n'


def settings_with(fields: str) -> Settings:
    return some_settings(RULE + fields)


def test_rule_on_the_bus_is_read() -> None:
    rule = settings_with('event = ["alarm", "health"]\nremind = "2h"\n').rules[1]
    assert (rule.on, rule.template) == (Kind.BUS, "bus")
    assert rule.bus is not None
    assert rule.bus.named == "alarm, health"
    assert rule.remind is not None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ("", "event: missing; set it, for example event = "),
        ('event = "alarm"\npattern = { source = ["a"] }', "event: 'event' and 'pattern' cannot be combined; remove one"),
        ('event = "instance stoped"', "unknown event 'instance stoped'; did you mean 'instance stopped'?"),
        ('event = ["alarm", "qqqq"]', "unknown event 'qqqq'; use one of: alarm, "),
        ("event = []", "event: empty; use one of: alarm, "),
        ('event = "instance stopped"\nremind = "2h"', "remind: only alarms have reminders"),
        ('event = "alarm"\nremind = "soon"', "remind: invalid duration 'soon'"),
        ('pattern = "aws.ec2"', "pattern: must be a table"),
        ('pattern = { source = "aws.ec2" }', 'pattern: source: "aws.ec2" is not a list; write ["aws.ec2"]'),
        ("pattern = { source = [2026-01-01] }", "pattern: source: JSON has no dates"),
        ('event = "alarm"\nbucket = "acme-drops"', "bucket: unknown field"),
    ],
)
def test_mistake_names_its_field_and_how_to_fix_it(fields: str, error: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_with(fields + "\n")
    assert error in str(caught.value)
    assert "[[rules]] 'cloud'" in str(caught.value)
