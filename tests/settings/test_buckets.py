"""[[buckets]]: how the uploads to a bucket reach the bot."""

import pytest

from chalicelib.domain.settings import BucketSettings, SettingsError, Trigger
from chalicelib.settings.reader import read
from tests.support.builders import ENVIRON, SETTINGS, some_settings

TOPIC, QUEUE = "arn:aws:sns:eu-west-1:123456789012:uploads", "arn:aws-cn:sqs:cn-north-1:123456789012:Up_loads"


def entry(*lines: str, name: str = "${UPLOAD_BUCKET}") -> str:
    return "\n".join(["[[buckets]]", f'name = "{name}"', *lines, ""])


def finding(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        some_settings(text)
    (finding,) = caught.value.findings
    return str(finding)


def test_bucket_without_an_entry_is_notified_directly() -> None:
    settings = some_settings()
    assert settings.bucket("acme-drops") == BucketSettings("acme-drops", Trigger.DIRECT)
    assert settings.buckets_by(Trigger.DIRECT) == ("acme-drops",)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], BucketSettings("acme-drops")),
        (['trigger = "direct"'], BucketSettings("acme-drops")),
        (['trigger = "eventbridge"'], BucketSettings("acme-drops", Trigger.EVENTBRIDGE)),
        (['trigger = "topic"', f'topic = "{TOPIC}"'], BucketSettings("acme-drops", Trigger.TOPIC, topic=TOPIC)),
        (['trigger = "queue"', f'queue = "{QUEUE}"'], BucketSettings("acme-drops", Trigger.QUEUE, queue=QUEUE)),
    ],
)
def test_each_trigger_is_read(lines: list[str], expected: BucketSettings) -> None:
    settings = some_settings(entry(*lines))
    assert settings.bucket("acme-drops") == expected
    assert settings.topics == ((TOPIC,) if expected.topic else ())
    assert settings.queues == ((QUEUE,) if expected.queue else ())


def test_every_value_may_differ_between_stages() -> None:
    text = SETTINGS + entry('trigger = "${HOW}"', 'topic = "arn:aws:sns:eu-west-1:${ACCOUNT}:uploads"')
    settings = read(text, environ={**ENVIRON, "HOW": "topic", "ACCOUNT": "123456789012"}, templates=["upload"])
    assert settings.bucket("acme-drops").topic == TOPIC


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (entry('trigger = "evntbridge"'), "trigger: unknown value 'evntbridge'; did you mean 'eventbridge'?"),
        (entry('trigger = "topic"'), "topic: missing; set it to the topic's ARN, for example topic = \"arn:aws:sns:"),
        (entry('trigger = "queue"'), "queue: missing; set it to the queue's ARN, for example queue = \"arn:aws:sqs:"),
        (entry(f'topic = "{TOPIC}"'), 'topic: has no effect with trigger = "direct"; set trigger = "topic", or remove topic'),
        (
            entry('trigger = "topic"', f'topic = "{TOPIC}"', f'queue = "{QUEUE}"'),
            'queue: has no effect with trigger = "topic"; set trigger = "queue", or remove queue',
        ),
        (entry('trigger = "topic"', 'topic = "uploads"'), "topic: invalid ARN 'uploads'; use for example \"arn:aws:sns:"),
        (entry('trigger = "topic"', f'topic = "{QUEUE}"'), "topic: invalid ARN "),
        (
            entry('trigger = "topic"', f'topic = "{TOPIC}.fifo"'),
            "topic: S3 does not notify FIFO topics and queues; use a standard",
        ),
        (entry(name="acme-drop"), "name: no rule on uploads uses the bucket 'acme-drop'; did you mean 'acme-drops'?"),
        (entry(name="something-else"), "name: no rule on uploads uses the bucket 'something-else'; use one of: acme-drops"),
        (entry() + entry(), "name: the bucket 'acme-drops' is configured twice; remove one"),
        (entry("key = 1"), "key: unknown field"),
        ('[[buckets]]\ntrigger = "direct"\n', '[[buckets]] #1, name: missing; set it, for example name = "${UPLOAD_BUCKET}"'),
        ('[buckets]\nname = "a"\n', "[buckets]: must be a list of tables; use [[buckets]]"),
    ],
)
def test_mistakes_name_the_next_step(text: str, message: str) -> None:
    assert message in finding(text)
