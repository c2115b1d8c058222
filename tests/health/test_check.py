"""Is the bot itself well: what it judges by, and what its owner hears, how often."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.health import rules as health_rules
from chalicelib.health.check import HealthCheck
from chalicelib.store.control import NOTED_EVERY
from tests.support.builders import ENVIRON, NOON, some_settings
from tests.support.providers import Answer
from tests.support.stages import Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack

ARN = "arn:aws:lambda:us-east-1:000000000000:function:dropnote-prod-"
UPLOAD = ARN + "upload_acme_drops"
OURS = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": UPLOAD, "Events": ["s3:ObjectCreated:*"]}]}
HEALTHY = {"EnforcementStatus": "HEALTHY", "SendingEnabled": True, "SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 9.0}}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (OURS, ""),
        ({**OURS, "EventBridgeConfiguration": {}}, ""),
        (None, "does not exist"),
        ({}, "Nobody tells the bot of uploads to acme-drops"),
        ({"EventBridgeConfiguration": {}}, "Only EventBridge tells"),
        ({"LambdaFunctionConfigurations": [{"LambdaFunctionArn": ARN + "other", "Events": ["s3:ObjectCreated:*"]}]}, "Nobody"),
        ({"LambdaFunctionConfigurations": [{"LambdaFunctionArn": UPLOAD, "Events": ["s3:ObjectRemoved:*"]}]}, "Nobody"),
    ],
)
def test_bucket_is_well_when_it_tells_our_function_of_uploads(told: Any, words: str) -> None:
    found = health_rules.bucket("acme-drops", told, UPLOAD, "prod")
    assert [words in trouble.what for trouble in found] == [True] * bool(words)
    assert all("chalice deploy --stage prod" in trouble.next for trouble in found)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (None, "No sweep has ended yet"),
        (timedelta(minutes=14), ""),
        (timedelta(minutes=15), "15 minutes ago"),
        (timedelta(hours=3, minutes=10), "3 hours ago"),
        (timedelta(days=2), "2 days ago"),
    ],
)
def test_sweep_is_late_after_a_quarter_of_an_hour(ago: timedelta | None, words: str) -> None:
    found = health_rules.sweep(NOON - ago if ago else None, NOON, "prod")
    assert [words in trouble.what for trouble in found] == [True] * bool(words)


@pytest.mark.parametrize(
    ("waiting", "ago", "piles_up"),
    [
        (0, timedelta(hours=1), False),
        (1, timedelta(minutes=2), False),
        (1, timedelta(minutes=20), True),
        (1, None, True),
        (100, timedelta(minutes=2), False),
        (101, timedelta(minutes=2), True),
    ],
)
def test_dead_events_pile_up_when_no_sweep_takes_them_or_too_many_come(
    waiting: int, ago: timedelta | None, piles_up: bool
) -> None:
    assert health_rules.dead_letters_pile_up(waiting, NOON - ago if ago else None, NOON) is piles_up


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"SendingEnabled": False}, "switched off in eu-west-1"),
        ({"EnforcementStatus": "PROBATION"}, "PROBATION"),
        ({"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 160.0}}, "160 of the 200 mails"),
        ({"SendQuota": {"Max24HourSend": -1.0, "SentLast24Hours": 1e6}}, ""),
    ],
)
def test_mail_account_is_judged_by_what_it_may_still_send(changes: dict[str, Any], words: str) -> None:
    found = health_rules.mail({**HEALTHY, **changes}, "eu-west-1")
    assert [words in trouble.what for trouble in found] == [True] * bool(words)


class CountingStore:
    """A control item that counts."""

    def __init__(self, store: Any) -> None:
        self._store, self.reads, self.writes = store, 0, 0

    def read(self) -> dict[str, str]:
        self.reads += 1
        told: dict[str, str] = self._store.read()
        return told

    def put(self, name: str, value: str) -> None:
        self.writes += name == "swept"
        self._store.put(name, value)


def test_hour_of_sweeps_costs_a_write_and_a_read_every_five_minutes() -> None:
    stage = memory_stage()
    stage.store = store = CountingStore(stage.store)  # type: ignore[assignment]
    stage.deliverer, stage.bot = stage.container()
    stage.sweep_for(hours=1)
    every_five_minutes = 60 / (NOTED_EVERY / timedelta(minutes=1))
    assert (store.writes, store.reads) == (every_five_minutes, every_five_minutes + 1)


def test_sweep_that_fails_does_not_count_as_ended() -> None:
    stage = memory_stage()
    stage.answer(Answer.LATER)
    stage.ledger.due = refuse
    with pytest.raises(ClientError):
        stage.sweep()
    assert stage.deliverer.control.now().swept is None


def refuse(*_: Any, **__: Any) -> Any:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Some")


@pytest.fixture
def stage(ministack: MiniStack) -> Stage:
    """A stage whose bucket tells its function, with an empty dead-event queue, just swept."""
    stage = real_stage(ministack)
    ministack.client("s3").create_bucket(Bucket="acme-drops")
    overwrite(ministack, OURS)
    stage.sweep()
    return stage


def overwrite(ministack: MiniStack, told: Any) -> None:
    """What another tool does: S3 keeps one configuration a bucket."""
    client = ministack.client("s3")
    client.put_bucket_notification_configuration(
        Bucket="acme-drops", NotificationConfiguration=told, SkipDestinationValidation=True
    )


def watch(stage: Stage, clients: Any, *, arn: str = ARN + "watch") -> list[str]:
    environ = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dropnote-prod-dead-events"}
    return [trouble.kind for trouble in HealthCheck(stage.deliverer, environ, clients).run(arn, plenty)]


def test_bot_that_is_well_tells_nobody(stage: Stage, ministack: MiniStack) -> None:
    assert watch(stage, ministack.client) == []
    assert stage.sent == []


def test_overwritten_bucket_notification_is_found_and_told_once(stage: Stage, ministack: MiniStack) -> None:
    overwrite(ministack, {})
    for _ in range(5):
        assert watch(stage, ministack.client) == ["bucket"]
        stage.later(hours=1)
        stage.sweep()
    assert stage.addresses() == ["ben@example.com"]
    assert "Nobody tells the bot of uploads to acme-drops" in stage.sent[0][2].text
    stage.later(days=1)
    stage.sweep()
    watch(stage, ministack.client)
    assert len(stage.sent) == 2  # it is still so the next day


def test_queue_that_no_sweep_empties_is_told_besides_the_sweep(stage: Stage, ministack: MiniStack) -> None:
    queue = ministack.client("sqs")
    queue.send_message(QueueUrl=queue.get_queue_url(QueueName="dropnote-prod-dead-events")["QueueUrl"], MessageBody="{}")
    assert watch(stage, ministack.client) == []
    stage.later(minutes=20)
    assert watch(stage, ministack.client) == ["sweep", "dead-events"]
    assert len(stage.sent) == 2


def test_what_aws_does_not_answer_is_logged_and_not_told(
    stage: Stage, ministack: MiniStack, caplog: pytest.LogCaptureFixture
) -> None:
    def clients(service: str) -> Any:
        return refuse() if service == "s3" else ministack.client(service)

    assert watch(stage, clients) == []
    assert stage.sent == []
    (line,) = [record.message for record in caplog.records if '"watched"' in record.message]
    assert "the notifications of acme-drops" in line


def test_watch_without_a_functions_name_asks_no_bucket(stage: Stage, ministack: MiniStack) -> None:
    overwrite(ministack, {})
    assert watch(stage, ministack.client, arn="") == []


def test_troubles_of_one_kind_are_one_message(ministack: MiniStack) -> None:
    more = "".join(f'[[rules]]\nname = "{name}"\nbucket = "{name}"\nnotify = ["email:asha"]\n' for name in ("one", "two"))
    stage = real_stage(ministack, some_settings(more))
    stage.sweep()
    assert watch(stage, ministack.client) == ["bucket", "bucket", "bucket"]
    assert stage.addresses() == ["ben@example.com"]
    assert all(f"The bucket {name}," in stage.sent[0][2].text for name in ("acme-drops", "one", "two"))
