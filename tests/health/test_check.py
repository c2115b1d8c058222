"""The health of the bot itself: its rules, and what its owner is notified of and how often."""

import json
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.channels.limits import QUOTA_RETRY
from chalicelib.domain.people import Channel
from chalicelib.health import rules as health_rules
from chalicelib.health.buckets import bucket
from chalicelib.health.check import HealthCheck
from chalicelib.policy.controls import ChannelPace
from chalicelib.store.control import RECORD_INTERVAL
from tests.support.builders import ENVIRON, NOON, some_settings
from tests.support.providers import Answer as ProviderAnswer
from tests.support.stages import Stage, memory_stage, plenty, real_stage
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer

ARN = "arn:aws:lambda:us-east-1:000000000000:function:dropnote-prod-"
UPLOAD = ARN + "upload_acme_drops"
OURS = {"LambdaFunctionConfigurations": [{"LambdaFunctionArn": UPLOAD, "Events": ["s3:ObjectCreated:*"]}]}
HEALTHY = {"EnforcementStatus": "HEALTHY", "SendingEnabled": True, "SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 9.0}}


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


class CountingStore:
    """A control item that counts reads, and writes of one attribute."""

    def __init__(self, store: Any, counted: str = "swept") -> None:
        self._store, self._counted, self.reads, self.writes = store, counted, 0, 0

    def read(self) -> dict[str, str]:
        self.reads += 1
        item: dict[str, str] = self._store.read()
        return item

    def put(self, name: str, value: str) -> None:
        self.writes += name == self._counted
        self._store.put(name, value)


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


def refuse(*_: Any, **__: Any) -> Any:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Some")


@pytest.fixture
def stage(ministack: MiniStack) -> Stage:
    """A stage whose bucket notifies its function, with an empty dead-letter queue, just swept."""
    stage = real_stage(ministack)
    ministack.client("s3").create_bucket(Bucket="acme-drops")
    overwrite(ministack, OURS)
    stage.sweep()
    return stage


def overwrite(ministack: MiniStack, notifications: Any) -> None:
    """Replace the bucket's notifications, as another tool would: S3 has one configuration per bucket."""
    client = ministack.client("s3")
    client.put_bucket_notification_configuration(
        Bucket="acme-drops", NotificationConfiguration=notifications, SkipDestinationValidation=True
    )


def watch(stage: Stage, clients: Any, *, arn: str = ARN + "watch") -> list[str]:
    environ = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dropnote-prod-dead-events"}
    return [problem.kind for problem in HealthCheck(stage.deliverer, environ, clients).run(arn, plenty)]


@pytest.fixture
def ses(ministack: MiniStack) -> Iterator[Proxy]:
    """A proxy in front of SES, to change what GetAccount returns."""
    with Proxy(ministack.endpoint) as proxy:
        yield proxy


def account_with(sent: float, rate: float = 14.0) -> Answer:
    quota = {"Max24HourSend": 200.0, "MaxSendRate": rate, "SentLast24Hours": sent}
    return Answer(200, json.dumps({**HEALTHY, "SendQuota": quota}).encode(), (("Content-Type", "application/json"),))


def through(ministack: MiniStack, ses: Proxy) -> Any:
    return lambda service: local_client(ses.url, service) if service == "sesv2" else ministack.client(service)


def email_pace(stage: Stage) -> ChannelPace | None:
    _, bot = stage.container()  # another container, which reads the control item anew
    return bot.deliverer.control.now().paces.get(Channel.EMAIL)


def test_rate_of_the_account_is_the_pace_of_emails(stage: Stage, ministack: MiniStack) -> None:
    started = stage.now
    watch(stage, ministack.client)
    assert email_pace(stage) == ChannelPace(14.0, 14.0, started)
    stage.later(hours=1)
    stage.sweep()
    watch(stage, ministack.client)
    assert email_pace(stage) == ChannelPace(14.0, 14.0, started)


def test_emails_pause_while_the_quota_is_used_up_and_the_owner_is_notified_once(
    stage: Stage, ministack: MiniStack, ses: Proxy
) -> None:
    for sent in (200.0, 200.0, 12.0):
        ses.fail_next(account_with(sent), operation="GET /v2/email/account")
        watch(stage, through(ministack, ses))
        pace = email_pace(stage)
        assert pace is not None
        assert pace.paused_until == (stage.now + QUOTA_RETRY if sent == 200 else None)
        stage.later(minutes=55)
        stage.sweep()
    (message,) = [message for *_, message in stage.sent]
    assert "200 of the 200 e-mails" in message.text


def test_unchanged_account_is_not_written_again() -> None:
    stage = memory_stage()
    stage.store = store = CountingStore(stage.store, "pace_email")  # type: ignore[assignment]
    stage.deliverer, stage.bot = stage.container()
    check = HealthCheck(stage.deliverer, {}, lambda service: FakeSes())
    for _ in range(24):
        check.run("", plenty)
        stage.later(hours=1)
    assert store.writes == 1


class FakeSes:
    """SES's client, for tests that run in memory."""

    meta = SimpleNamespace(region_name="eu-west-1")

    def get_account(self) -> dict[str, Any]:
        return {**HEALTHY, "SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 14.0, "SentLast24Hours": 9.0}}


def test_first_check_after_a_deploy_reads_the_account_and_reports_nothing(stage: Stage, ministack: MiniStack, ses: Proxy) -> None:
    overwrite(ministack, {})
    ses.fail_next(account_with(180.0, rate=1.0), operation="GET /v2/email/account")
    check = HealthCheck(stage.deliverer, ENVIRON, through(ministack, ses))
    assert check.run_hourly(ARN + "watch", plenty) == []
    assert email_pace(stage) == ChannelPace(1.0, 1.0, stage.now)
    assert stage.sent == []
    stage.later(hours=1)
    stage.sweep()
    assert [problem.kind for problem in check.run_hourly(ARN + "watch", plenty)] == ["bucket"]


def test_ses_without_a_response_does_not_stop_the_first_check(stage: Stage, ministack: MiniStack) -> None:
    def clients(service: str) -> Any:
        return refuse() if service == "sesv2" else ministack.client(service)

    assert HealthCheck(stage.deliverer, ENVIRON, clients).run_hourly(ARN + "watch", plenty) == []
    assert (email_pace(stage), stage.deliverer.control.now().checked) == (None, stage.now)


def test_mail_by_smtp_has_no_account_to_read() -> None:
    stage = memory_stage(some_settings(**{"[email]": '[email]\ntransport = "smtp"\nhost = "mail.example.com"'}))
    assert HealthCheck(stage.deliverer, {}, refuse).run_hourly("", plenty) == []
    assert email_pace(stage) is None


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


def test_errors_of_aws_are_logged_and_not_reported(stage: Stage, ministack: MiniStack, caplog: pytest.LogCaptureFixture) -> None:
    def clients(service: str) -> Any:
        return refuse() if service == "s3" else ministack.client(service)

    assert watch(stage, clients) == []
    assert stage.sent == []
    (line,) = [record.message for record in caplog.records if '"watched"' in record.message]
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
