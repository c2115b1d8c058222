"""Rules for a bucket's notifications: whether its uploads reach the bot in the way that the settings say. Pure.

Source: Amazon S3 API reference, "PutBucketNotificationConfiguration" (one configuration per bucket: a write replaces all of it).
"""

from collections.abc import Mapping
from typing import Any

from ..domain.settings import BucketSettings, Settings, Trigger
from ..rules.upload_bindings import KeyFilter, needed_filters
from .notifications import Notification, eventbridge_is_on, read_notifications, uncovered
from .rules import Problem, on_stage, redeploy_hint


def bucket(settings: Settings, name: str, configuration: Mapping[str, Any] | None, function: str, stage: str) -> list[Problem]:
    """Whether a bucket's uploads reach the bot. `configuration` is the bucket's, None if it does not exist; `function` is the ARN
    that the bucket's own function has, if its trigger is direct.
    """
    if configuration is None:
        text = f"The bucket {name}, which a rule uses, does not exist."
        fix = f"create it, or name another in .chalice/config.json; then {redeploy_hint(stage)}"
        return [Problem("bucket", name, text, fix)]
    chosen, needed = settings.bucket(name), needed_filters(settings.rules, name)
    problem = _PROBLEMS[chosen.trigger](chosen, configuration, needed, function, stage)
    if problem is None:
        return []
    text, fix = problem
    backfill = on_stage(f"backfill s3://{name}/ --since 2d", stage)
    return [Problem("bucket", name, text, f"{fix}; then find missed uploads: {backfill}")]


_Found = tuple[str, str] | None  # the problem and the next step


def _direct(
    chosen: BucketSettings, configuration: Mapping[str, Any], needed: list[KeyFilter], function: str, stage: str
) -> _Found:
    own = [entry for entry in read_notifications(configuration) if entry.arn == function and entry.reports_every_upload]
    short = function.rpartition(":")[2]
    if own:
        return _partial(chosen.name, f"the bucket notifies {short}", own, needed, redeploy_hint(stage))
    reach = "reach the bot only through EventBridge" if eventbridge_is_on(configuration) else "do not reach the bot"
    text = (
        f"Uploads to {chosen.name} {reach}: the bucket's notifications have no entry for {short}. "
        "Another tool overwrote them, or the rule was added after the last deploy."
    )
    return text, redeploy_hint(stage)


def _eventbridge(
    chosen: BucketSettings, configuration: Mapping[str, Any], needed: list[KeyFilter], function: str, stage: str
) -> _Found:
    if eventbridge_is_on(configuration):
        return None
    text = f"Uploads to {chosen.name} do not reach the bot: EventBridge is off in the bucket's notifications."
    switch_on = f"{on_stage('setup', stage)} switches it on and changes nothing else"
    return text, redeploy_hint(stage) if stage == "local" else switch_on


def _topic(
    chosen: BucketSettings, configuration: Mapping[str, Any], needed: list[KeyFilter], function: str, stage: str
) -> _Found:
    entries = [entry for entry in read_notifications(configuration) if entry.arn == chosen.topic]
    return _by_destination(chosen, f"the topic {chosen.topic.rpartition(':')[2]}", entries, needed)


def _queue(
    chosen: BucketSettings, configuration: Mapping[str, Any], needed: list[KeyFilter], function: str, stage: str
) -> _Found:
    notifications = read_notifications(configuration)
    by_topic = any(entry.kind == "topic" and entry.reports_uploads for entry in notifications)
    if by_topic or eventbridge_is_on(configuration):
        return None  # a topic or a rule may write to the queue: the bucket's notifications do not say
    entries = [entry for entry in notifications if entry.arn == chosen.queue]
    return _by_destination(chosen, f"the queue {chosen.queue.rpartition(':')[2]}", entries, needed)


def _by_destination(chosen: BucketSettings, destination: str, entries: list[Notification], needed: list[KeyFilter]) -> _Found:
    fix = f'let the bucket notify {destination} of s3:ObjectCreated:*, or set trigger = "eventbridge" for the bucket'
    if entries:
        return _partial(chosen.name, f"the bucket notifies {destination}", entries, needed, fix)
    return f"Uploads to {chosen.name} do not reach the bot: the bucket does not notify {destination}.", fix


def _partial(name: str, cause: str, entries: list[Notification], needed: list[KeyFilter], fix: str) -> _Found:
    """A problem if the entries do not report all keys that the rules need."""
    missing = uncovered(entries, needed)
    if not missing:
        return None
    reported = " and ".join(f"{' and '.join(entry.events)} for {entry.keys}" for entry in entries)
    return f"Some uploads to {name} do not reach the bot: {cause} only of {reported}; the rules need {missing[0]}.", fix


_PROBLEMS = {Trigger.DIRECT: _direct, Trigger.EVENTBRIDGE: _eventbridge, Trigger.TOPIC: _topic, Trigger.QUEUE: _queue}
