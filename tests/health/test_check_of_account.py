"""The hourly check reads SES's rate and quota: the pace of emails, and a pause while the quota is used up."""

import json
from types import SimpleNamespace
from typing import Any

from chalicelib.channels.limits import QUOTA_RETRY
from chalicelib.domain.people import Channel
from chalicelib.health.check import HealthCheck
from chalicelib.policy.controls import ChannelPace
from tests.health.checking import ARN, HEALTHY, CountingStore, overwrite, refuse, watch
from tests.support.builders import ENVIRON, some_settings
from tests.support.stages import Stage, memory_stage, plenty
from workbench.local.ministack import MiniStack, local_client
from workbench.local.proxy.proxy import Proxy
from workbench.local.proxy.server import Answer


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
