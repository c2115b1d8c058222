"""Whether a bucket's uploads reach the bot, in each of the four ways."""

from typing import Any

import pytest

from chalicelib.domain.settings import Settings
from chalicelib.health.buckets import bucket
from tests.support.builders import some_settings

OURS, OTHER = (f"arn:aws:lambda:eu-west-1:123456789012:function:{name}" for name in ("dropnote-prod-upload_acme_drops", "resize"))
TOPIC, QUEUE = "arn:aws:sns:eu-west-1:123456789012:news", "arn:aws:sqs:eu-west-1:123456789012:jobs"
ALL = ("s3:ObjectCreated:*",)


def settings_for(trigger: str, *more: str, key: str = "**") -> Settings:
    lines = ["[[buckets]]", 'name = "acme-drops"', f'trigger = "{trigger}"', *more, ""]
    return some_settings("\n".join(lines), **{'name = "uploads"': f'name = "uploads"\nkey = "{key}"'})


DIRECT, EVENTBRIDGE = settings_for("direct"), settings_for("eventbridge")
BY_TOPIC, BY_QUEUE = settings_for("topic", f'topic = "{TOPIC}"'), settings_for("queue", f'queue = "{QUEUE}"')


def entry(arn: str, events: tuple[str, ...] = ALL, prefix: str = "", suffix: str = "") -> dict[str, Any]:
    kinds = {"lambda": "LambdaFunction", "sns": "Topic", "sqs": "Queue"}
    kind = kinds[arn.split(":")[2]]
    rules = [{"Name": name, "Value": value} for name, value in (("Prefix", prefix), ("Suffix", suffix)) if value]
    filters = {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}
    return {f"{kind}Configurations": [{f"{kind}Arn": arn, "Events": list(events), **filters}]}


def problems(settings: Settings, configuration: Any) -> str:
    return " ".join(map(str, bucket(settings, "acme-drops", configuration, OURS, "prod")))


ON: dict[str, Any] = {"EventBridgeConfiguration": {}}


@pytest.mark.parametrize(
    ("settings", "configuration"),
    [
        (DIRECT, entry(OURS)),
        (DIRECT, {**entry(OURS), **entry(TOPIC, ("s3:ObjectRemoved:*",)), **ON}),
        (settings_for("direct", key="in/*.pdf"), entry(OURS, prefix="in/", suffix=".pdf")),
        (EVENTBRIDGE, ON),
        (EVENTBRIDGE, {**entry(OTHER), **ON}),
        (BY_TOPIC, entry(TOPIC)),
        (settings_for("topic", f'topic = "{TOPIC}"', key="in/**"), entry(TOPIC, prefix="in/")),
        (BY_QUEUE, entry(QUEUE)),
        (BY_QUEUE, entry(TOPIC)),  # a topic may write to the queue
        (BY_QUEUE, ON),
    ],
)
def test_uploads_reach_the_bot(settings: Settings, configuration: Any) -> None:
    assert problems(settings, configuration) == ""


@pytest.mark.parametrize("settings", [DIRECT, EVENTBRIDGE, BY_TOPIC, BY_QUEUE])
def test_missing_bucket_is_reported_for_every_trigger(settings: Settings) -> None:
    assert "acme-drops, which a rule uses, does not exist" in problems(settings, None)


@pytest.mark.parametrize(
    ("settings", "configuration", "phrases"),
    [
        (DIRECT, {}, ["do not reach the bot", "no entry for dropnote-prod-upload_acme_drops", "chalice deploy --stage prod"]),
        (DIRECT, ON, ["reach the bot only through EventBridge"]),
        (
            DIRECT,
            entry(OURS, prefix="in/"),
            ['the bucket notifies dropnote-prod-upload_acme_drops only of s3:ObjectCreated:* for keys that start with "in/"; '
             "the rules need all keys", "chalice deploy --stage prod"],
        ),
        (EVENTBRIDGE, entry(OTHER), ["EventBridge is off", "setup --stage prod switches it on and changes nothing else"]),
        (BY_TOPIC, ON, ["the bucket does not notify the topic news", 'or set trigger = "eventbridge" for the bucket']),
        (BY_TOPIC, entry(TOPIC, ("s3:ObjectCreated:Put",)), ["only of s3:ObjectCreated:Put for all keys; the rules"]),
        (BY_TOPIC, entry(TOPIC, suffix=".jpg"), ['for keys that end with ".jpg"; the rules need all keys']),
        (BY_QUEUE, entry(OTHER), ["the bucket does not notify the queue jobs", "let the bucket notify the queue jobs"]),
        (BY_QUEUE, entry(QUEUE, prefix="a/"), ['only of s3:ObjectCreated:* for keys that start with "a/"']),
    ],
)  # fmt: skip
def test_problem_names_the_cause_and_the_next_step(settings: Settings, configuration: Any, phrases: list[str]) -> None:
    text = problems(settings, configuration)
    assert [phrase for phrase in phrases if phrase not in text] == [], text
    assert "then find missed uploads: dropnote backfill s3://acme-drops/ --since 2d --stage prod" in text


def test_several_notifications_of_a_topic_cover_the_rules_together() -> None:
    settings = some_settings(
        f'[[buckets]]\nname = "acme-drops"\ntrigger = "topic"\ntopic = "{TOPIC}"\n',
        **{'name = "uploads"': 'name = "uploads"\nkey = ["a/*.jpg", "b/*.png"]'},
    )
    both = [*entry(TOPIC, prefix="a/")["TopicConfigurations"], *entry(TOPIC, suffix=".png")["TopicConfigurations"]]
    assert problems(settings, {"TopicConfigurations": both}) == ""
    assert 'the rules need keys that start with "b/" and end with ".png"' in problems(settings, {"TopicConfigurations": both[:1]})
