"""Sends test messages, marked [TEST], to a person, a group or everybody a rule notifies, like real messages."""

from typing import Any

from ..domain.delivery import Delivery, delivery_summary
from ..domain.event import Event, Kind, Upload, identity_of
from ..domain.message import Notice
from ..domain.rule import Rule
from ..domain.settings import Settings
from ..platform.phrases import did_you_mean
from ..rules.recipients import direct_notice, notices_for_person, notices_for_rule
from .deliver import Deliverer, TimeLeft

_KEY = "example/test-upload.txt"
_SIZE = 12_345


class UnknownTarget(ValueError):
    """The settings do not have the requested name; the text suggests one that they have."""


def handle_test(deliverer: Deliverer, payload: object, request: str, time_left: TimeLeft) -> dict[str, Any]:
    """Respond to {"to": "asha"} with the deliveries, or with {"error": one sentence}."""
    target = payload.get("to") if isinstance(payload, dict) else None
    if not isinstance(target, str):
        return {"error": 'pass the recipient: {"to": "a person, a group or a rule"}'}
    try:
        deliveries = send_test(deliverer, target, request, time_left)
    except UnknownTarget as error:
        return {"error": str(error)}
    return {"deliveries": [delivery_summary(delivery) for delivery in deliveries]}


def send_test(deliverer: Deliverer, target: str, request: str, time_left: TimeLeft) -> list[Delivery]:
    """Send a test to a person, a group, or everybody a rule notifies.

    `request` is the id of the request: a repeated request with the same id sends nothing more.

    Raises:
        UnknownTarget: the settings have no such person, group or rule, or the rule notifies nobody.
    """
    rule = next((rule for rule in deliverer.settings.rules if rule.name == target), None)
    event = Event(
        Kind.TEST,
        identity_of("test", target, request),
        deliverer.clock(),
        upload=Upload(rule.bucket, _KEY, _SIZE) if rule and rule.on is Kind.UPLOAD else None,
        detail=f"requested with: test {target}",
    )
    notices = _notices(deliverer.settings, event, rule, target)
    return [delivery for notice in notices for delivery in deliverer.deliver(notice, time_left)]


def _notices(settings: Settings, event: Event, rule: Rule | None, target: str) -> list[Notice]:
    if rule is not None and not rule.recipients:
        raise UnknownTarget(f"rule {target!r} notifies nobody: it only counts")
    if rule is not None and rule.on is not Kind.UPLOAD:  # its template needs an event of its kind: send the plain test message
        return [direct_notice(event, recipient) for recipient in rule.recipients]
    if rule is not None:
        return notices_for_rule(event, rule)
    names = settings.groups.get(target, (target,) if target in settings.people else ())
    if not names:
        known = [*settings.people, *settings.groups, *(rule.name for rule in settings.rules)]
        hint = did_you_mean(target, known)
        raise UnknownTarget(f"unknown person, group or rule {target!r}{'; ' if hint else ''}{hint}")
    return [notice for name in names for notice in notices_for_person(event, settings.people[name])]
