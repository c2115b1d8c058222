"""Looks at each bucket's notifications before a deploy, explains what will happen to them, and switches EventBridge on.

Never removes or changes a notification. Source: Amazon S3 API reference, "PutBucketNotificationConfiguration" (a write replaces
the configuration, and S3 sends a test message to its topics and queues unless validation is skipped); Amazon S3 user guide,
"Configuring event notifications using object key name filtering" and "Enabling Amazon EventBridge".
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.domain.settings import Settings, Trigger
from chalicelib.health import buckets as bucket_rules
from chalicelib.health.check import bucket_notifications
from chalicelib.health.notifications import Notification, eventbridge_is_on, read_notifications, uncovered
from chalicelib.platform.function_names import function_name
from chalicelib.rules.upload_bindings import common_filter, needed_filters

from ..waiting import wait_until
from .errors import SetupError
from .grants import APP, StageLocation
from .sources import Client, source_refusals

MAX_NOTIFICATIONS = 100  # of a bucket (Amazon S3 user guide, "Amazon S3 Event Notifications": quotas)
VISIBLE_S = 10.0  # S3 may return the configuration of before for a moment


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """What will happen to one bucket."""

    name: str
    lines: tuple[str, ...] = ()  # what was found, and what a deploy does
    warnings: tuple[str, ...] = ()  # uploads would not reach the bot
    refusal: str = ""  # why set-up must not go on, and the next step
    switch_on: Mapping[str, Any] | None = None  # EventBridge is to be switched on: the configuration it is added to


@dataclass(frozen=True)
class BucketSetup:
    """The buckets of a stage. `names` are the buckets as written in dropnote.toml, such as "${UPLOAD_BUCKET}"."""

    client: Client
    settings: Settings
    location: StageLocation
    names: Mapping[str, str]
    pause_s: float = 0.5

    def plans(self) -> list[BucketPlan]:
        """What will happen to each bucket. Changes nothing.

        Raises:
            SetupError: a deploy would fail, or harm somebody else's application: why, and the next step.
        """
        plans = [self._plan(name) for name in self.settings.buckets]
        if refusals := [plan.refusal for plan in plans if plan.refusal]:
            raise SetupError("\n".join(refusals))
        return plans

    def switch_on(self, plan: BucketPlan) -> str:
        """Switch EventBridge on for a bucket: write back what `plan` read, with EventBridge added. Return what was done.

        Raises:
            SetupError: somebody else changed the bucket's notifications in between; they have to be checked.
        """
        client, bucket = self.client("s3"), plan.name
        before, wanted = self._read(bucket), dict(plan.switch_on or {})
        if before is None or _entries(before) != _entries(wanted):
            raise SetupError(f"{bucket}: its notifications were changed in the last minute; nothing was written, run this again")
        client.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={**before, "EventBridgeConfiguration": {}},
            SkipDestinationValidation=True,  # nothing else changes: S3 need not send a test message to topics and queues
        )
        after: dict[str, Any] = {}

        def visible() -> bool:
            after.clear()
            after.update(self._read(bucket) or {})
            return eventbridge_is_on(after) and _entries(after) == _entries(before)

        others = len(_entries(before))
        unchanged = f"; its {_count(others)} {'is' if others == 1 else 'are'} unchanged" if others else ""
        if wait_until(visible, VISIBLE_S, self.pause_s):
            return f"{bucket}: EventBridge is on{unchanged}. S3 takes about five minutes to start."
        if _entries(after) != _entries(before) and eventbridge_is_on(after):
            raise SetupError(
                f"{bucket}: EventBridge is on, but the other notifications are not those of before; compare: {before}"
            )
        return f"{bucket}: EventBridge was switched on, but S3 does not show it yet; check later with `dropnote doctor`"

    def status(self) -> Iterator[str]:
        """One line per bucket after a deploy: how its uploads reach the bot, or why they do not."""
        for bucket in self.settings.buckets:
            try:
                configuration = self._read(bucket)
            except ClientError as error:
                yield f"{bucket}: {_unreadable(error)}"
                continue
            problems = self._problems(bucket, configuration)
            yield from (f"{bucket}: {problem}" for problem in problems)
            if not problems:
                yield f"{bucket}: uploads reach the bot {self._way(bucket)}"

    def _plan(self, bucket: str) -> BucketPlan:
        try:
            configuration = self._read(bucket)
        except ClientError as error:
            return BucketPlan(bucket, warnings=(f"{bucket}: {_unreadable(error)}",))
        if configuration is None:
            return BucketPlan(bucket, warnings=(f"{bucket}: the bucket does not exist; create it before the deploy",))
        trigger = self.settings.bucket(bucket).trigger
        others = [entry for entry in read_notifications(configuration) if entry.arn != self._function(bucket)]
        kept = (f"{bucket}: stays as it is: {_listed(others)}",) if others else ()
        if trigger is Trigger.DIRECT:
            return self._direct(bucket, others, kept)
        if trigger is Trigger.EVENTBRIDGE:
            if eventbridge_is_on(configuration):
                return BucketPlan(bucket, (f"{bucket}: EventBridge is on; uploads reach the bot through it", *kept))
            line = f"{bucket}: EventBridge is off and will be switched on; nothing else changes"
            return BucketPlan(bucket, (line, *kept), switch_on=configuration)
        if refusals := list(source_refusals(self.client, self.settings, bucket, self.location)):
            return BucketPlan(bucket, refusal="\n".join(refusals))
        problems = tuple(f"{bucket}: {problem}" for problem in self._problems(bucket, configuration))
        return BucketPlan(bucket, () if problems else (f"{bucket}: uploads reach the bot {self._way(bucket)}", *kept), problems)

    def _direct(self, bucket: str, others: list[Notification], kept: tuple[str, ...]) -> BucketPlan:
        keys = common_filter(self.settings.rules, bucket)
        overlapping = [entry for entry in others if entry.overlaps(keys)]
        if not overlapping and len(others) >= MAX_NOTIFICATIONS:
            full = f"{bucket}: the bucket has {len(others)} notifications, and S3 allows {MAX_NOTIFICATIONS}"
            return BucketPlan(bucket, refusal=self._advice(bucket, f"{full}. Nothing was changed. "))
        if not overlapping:
            function = self._function(bucket).rpartition(":")[2]
            return BucketPlan(bucket, (f"{bucket}: S3 will invoke {function} for {keys}", *kept))
        return BucketPlan(bucket, refusal=self._refusal(bucket, overlapping))

    def _refusal(self, bucket: str, overlapping: list[Notification]) -> str:
        """Why S3 would reject a direct notification, and the lines for dropnote.toml that work."""
        name = self.names.get(bucket, bucket)
        why = (
            f"{bucket}: the bucket already notifies {_listed(overlapping)} of uploads. S3 accepts only one notification per kind "
            "of event and key, so it would reject the deploy. Nothing was changed. "
        )
        lines = [self._advice(bucket, why)]
        needed = needed_filters(self.settings.rules, bucket)
        topic = next((entry for entry in overlapping if entry.kind == "topic" and not uncovered([entry], needed)), None)
        if topic:
            lines += ["or, to subscribe to that topic:", *_entry_lines(name, Trigger.TOPIC, topic.arn)]
        return "\n".join(lines)

    def _advice(self, bucket: str, why: str) -> str:
        """Why a direct notification is not possible, and the entry for EventBridge, which always is."""
        place = "replace its [[buckets]] entry by" if bucket in self.settings.triggers else "add"
        entry = _entry_lines(self.names.get(bucket, bucket), Trigger.EVENTBRIDGE)
        return "\n".join([f"{why}In chalicelib/dropnote.toml, {place} these lines, then run this command again:", *entry])

    def _problems(self, bucket: str, configuration: Mapping[str, Any] | None) -> list[Any]:
        return bucket_rules.bucket(self.settings, bucket, configuration, self._function(bucket), self.location.stage)

    def _way(self, bucket: str) -> str:
        chosen = self.settings.bucket(bucket)
        source = f"the {chosen.trigger} {(chosen.topic or chosen.queue).rpartition(':')[2]}"
        return {Trigger.DIRECT: "directly", Trigger.EVENTBRIDGE: "through EventBridge"}.get(chosen.trigger, f"through {source}")

    def _function(self, bucket: str) -> str:
        name = f"{APP}-{self.location.stage}-{function_name('upload', bucket)}"
        return self.location.arn("lambda", f"function:{name}")

    def _read(self, bucket: str) -> dict[str, Any] | None:
        """The bucket's configuration as it can be written back; None if it does not exist."""
        configuration = bucket_notifications(self.client("s3"), bucket)
        if configuration is None:
            return None
        return {name: value for name, value in configuration.items() if name != "ResponseMetadata"}


def _entries(configuration: Mapping[str, Any]) -> list[str]:
    """The notifications in a comparable form: S3 may return them in another order, and "prefix" as "Prefix"."""
    lists = (entries for entries in configuration.values() if isinstance(entries, list))
    return sorted(json.dumps(_comparable(entry), sort_keys=True) for entries in lists for entry in entries)


def _comparable(entry: Mapping[str, Any]) -> dict[str, Any]:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    filters = sorted((rule["Name"].lower(), rule["Value"]) for rule in rules)
    return {**entry, "Events": sorted(entry["Events"]), "Filter": filters}


def _entry_lines(name: str, trigger: Trigger, topic: str = "") -> list[str]:
    lines = ["[[buckets]]", f'name = "{name}"', f'trigger = "{trigger}"', *([f'topic = "{topic}"'] if topic else [])]
    return ["", *(f"    {line}" for line in lines), ""]


def _listed(entries: list[Notification]) -> str:
    return " and ".join(f"{entry}{_stage_of(entry)}" for entry in entries)


def _stage_of(entry: Notification) -> str:
    """Say so if the function is another stage's of Dropnote."""
    stage = re.search(rf":function:{APP}-([a-z0-9]+)-upload", entry.arn)
    return f", stage {stage[1]} of Dropnote," if stage else ""


def _count(number: int) -> str:
    return "other notification" if number == 1 else f"{number} other notifications"


def _unreadable(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    return f"its notifications could not be read ({code}); allow s3:GetBucketNotification, or check them yourself"
