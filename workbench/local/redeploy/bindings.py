"""What settings change outside the functions' code: triggers, policies, resources. A change of it needs a complete deploy."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from chalicelib.domain.settings import Settings
from chalicelib.rules import triggers
from chalicelib.rules.event_patterns import combine_patterns

from ...deployment.grants import StageLocation, policies, secret_names


class _RecordingApp:
    """Takes the place of the Chalice app: records what is bound."""

    def __init__(self) -> None:
        self.bound: list[Any] = []

    def __getattr__(self, method: str) -> Any:
        def bind(*arguments: Any, **options: Any) -> None:
            self.bound.append((method, arguments, options))

        return bind


def fingerprint(settings: Settings, variables: Mapping[str, str], location: StageLocation) -> str:
    """Everything that a deploy sets up besides code, as text to compare: it is the same if only code has to be replaced."""
    app, owner = _RecordingApp(), settings.people.get(settings.bot.owner)
    for trigger in (triggers.direct(app, settings), triggers.eventbridge(app, settings), triggers.topics(app, settings)):
        list(trigger)
    list(triggers.queues(app, settings, variables))
    list(triggers.streams(app, settings, variables))
    facts = {
        "triggers": app.bound,
        "bus": combine_patterns(rule.bus.pattern for rule in settings.rules if rule.bus),
        "items": sorted({(rule.item.table, rule.item.did) for rule in settings.rules if rule.item}),  # filters of streams
        "watch": settings.watch_interval_minutes,
        "policies": policies(settings, variables, location),
        "secrets": sorted(secret_names(settings)),
        "buckets": [msgspec.to_builtins(settings.bucket(name)) for name in settings.buckets],
        "tables": settings.tables,
        "sender": settings.email and (settings.email.from_, settings.email.region),
        "texts": settings.sms and (settings.sms.account, settings.sms.from_),
        "owner": owner.email if owner else "",  # of CloudWatch's alarms
    }
    return json.dumps(facts, sort_keys=True, default=str)
