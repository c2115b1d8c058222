"""The health of the bot itself: its rules, and what its owner is notified of and how often."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.health import rules as health_rules
from chalicelib.health.buckets import bucket
from chalicelib.store.control import RECORD_INTERVAL
from tests.health.checking import ARN, HEALTHY, OURS, UPLOAD, CountingStore, overwrite, refuse, watch
from tests.support.builders import NOON, some_settings
from tests.support.log_scan import LogLines
from tests.support.providers import Answer as ProviderAnswer
from tests.support.stages import Stage, memory_stage, real_stage
from workbench.local.ministack import MiniStack


@pytest.mark.parametrize(
    ("notifications", "phrase"),
    [
        (OURS, ""),
        ({**OURS, "EventBridgeConfiguration": {}}, ""),
        (None, "does not exist"),
        ({}, "Uploads to acme-drops do not reach the bot"),
        ({"EventBridgeConfiguration": {}}, "reach the bot only through EventBridge"),
        (
            {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": ARN + "other", "Events": ["s3:ObjectCreated:*"]}]},
            "do not reach",
        ),
        ({"LambdaFunctionConfigurations": [{"LambdaFunctionArn": UPLOAD, "Events": ["s3:ObjectRemoved:*"]}]}, "do not reach"),
    ],
)
def test_bucket_must_notify_our_function_of_uploads(notifications: Any, phrase: str) -> None:
    problems = bucket(some_settings(), "acme-drops", notifications, UPLOAD, "prod")
    assert [phrase in problem.what for problem in problems] == [True] * bool(phrase)
    assert all("chalice deploy --stage prod" in problem.next for problem in problems)


@pytest.mark.parametrize(
    ("ago", "phrase"),
    [
        (None, "No sweep has finished yet"),
        (timedelta(minutes=14), ""),
        (timedelta(minutes=15), "15 minutes ago"),
        (timedelta(hours=3, minutes=10), "3 h 10 min ago"),
        (timedelta(days=2), "2 days ago"),
    ],
)
def test_sweep_is_late_after_15_minutes(ago: timedelta | None, phrase: str) -> None:
    problems = health_rules.sweep(NOON - ago if ago else None, NOON, "prod")
    assert [phrase in problem.what for problem in problems] == [True] * bool(phrase)


@pytest.mark.parametrize(
    ("count", "ago", "piles_up"),
    [
        (0, timedelta(hours=1), False),
        (1, timedelta(minutes=2), False),
        (1, timedelta(minutes=20), True),
        (1, None, True),
        (100, timedelta(minutes=2), False),
        (101, timedelta(minutes=2), True),
    ],
)
def test_dead_letters_pile_up_without_a_sweep_or_beyond_its_capacity(count: int, ago: timedelta | None, piles_up: bool) -> None:
    assert health_rules.dead_letters_pile_up(count, NOON - ago if ago else None, NOON) is piles_up


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({}, ""),
        ({"SendingEnabled": False}, "disabled in eu-west-1"),
        ({"EnforcementStatus": "PROBATION"}, "PROBATION"),
        ({"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 159.0}}, ""),
        (
            {"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 160.0}},
            "160 of the 200 e-mails that Amazon SES allows in 24 hours are used. When all are used, e-mails wait until",
        ),
        (
            {"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 200.0}},
            "are used: e-mails wait until the quota has room again.",
        ),
        ({"SendQuota": {"Max24HourSend": -1.0, "SentLast24Hours": 1e6}}, ""),
    ],
)
def test_mail_account_must_be_allowed_to_send(changes: dict[str, Any], phrase: str) -> None:
    problems = health_rules.mail({**HEALTHY, **changes}, "eu-west-1")
    assert [phrase in problem.what for problem in problems] == [True] * bool(phrase)


def test_sweeps_cost_a_write_and_a_read_every_five_minutes() -> None:
    stage = memory_stage()
    stage.store = store = CountingStore(stage.store)  # type: ignore[assignment]
    stage.deliverer, stage.bot = stage.container()
    stage.sweep_for(hours=1)
    every_five_minutes = 60 / (RECORD_INTERVAL / timedelta(minutes=1))
    assert (store.writes, store.reads) == (every_five_minutes, every_five_minutes + 1)


def test_failed_sweep_is_not_recorded() -> None:
    stage = memory_stage()
    stage.answer(ProviderAnswer.UNREACHABLE)
    stage.ledger.due = refuse
    with pytest.raises(ClientError):
        stage.sweep()
    assert stage.deliverer.control.now().swept is None


def test_healthy_bot_notifies_nobody(stage: Stage, ministack: MiniStack) -> None:
    assert watch(stage, ministack.client) == []
    assert stage.sent == []


def test_owner_is_notified_once_a_day_of_overwritten_bucket_notifications(stage: Stage, ministack: MiniStack) -> None:
    overwrite(ministack, {})
    for _ in range(5):
        assert watch(stage, ministack.client) == ["bucket"]
        stage.later(hours=1)
        stage.sweep()
    assert stage.addresses() == ["ben@example.com"]
    assert "Uploads to acme-drops do not reach the bot" in stage.sent[0][2].text
    stage.later(days=1)
    stage.sweep()
    watch(stage, ministack.client)
    assert len(stage.sent) == 2  # the problem persists the next day


def test_dead_letters_that_no_sweep_takes_are_reported_besides_the_sweep(stage: Stage, ministack: MiniStack) -> None:
    queue = ministack.client("sqs")
    queue.send_message(QueueUrl=queue.get_queue_url(QueueName="dropnote-prod-dead-events")["QueueUrl"], MessageBody="{}")
    assert watch(stage, ministack.client) == []
    stage.later(minutes=20)
    assert watch(stage, ministack.client) == ["sweep", "dead-events"]
    assert len(stage.sent) == 2


def test_errors_of_aws_are_logged_and_not_reported(stage: Stage, ministack: MiniStack, logged: LogLines) -> None:
    def clients(service: str) -> Any:
        return refuse() if service == "s3" else ministack.client(service)

    assert watch(stage, clients) == []
    assert stage.sent == []
    (line,) = [line for line in logged.text.splitlines() if '"watched"' in line]
    assert "the notifications of acme-drops" in line


def test_watch_without_a_function_name_checks_no_bucket(stage: Stage, ministack: MiniStack) -> None:
    overwrite(ministack, {})
    assert watch(stage, ministack.client, arn="") == []


def test_problems_of_one_kind_are_one_message(ministack: MiniStack) -> None:
    more = "".join(f'[[rules]]\nname = "{name}"\nbucket = "{name}"\nnotify = ["email:asha"]\n' for name in ("one", "two"))
    stage = real_stage(ministack, some_settings(more))
    stage.sweep()
    assert watch(stage, ministack.client) == ["bucket", "bucket", "bucket"]
    assert stage.addresses() == ["ben@example.com"]
    assert all(f"The bucket {name}," in stage.sent[0][2].text for name in ("acme-drops", "one", "two"))
