"""The doctor's checks of mail and texts, against MiniStack's SES and the Twilio double over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.builders import some_settings
from tests.workbench.doctor.unhealthy_stages import SID, UnhealthyStage, package, unhealthy_stage
from workbench.account import Account
from workbench.deployment.stack import Stack
from workbench.doctor import checks, mail
from workbench.doctor.model import State, run_checks
from workbench.local.ministack import MiniStack
from workbench.local.twilio.account import Service
from workbench.paths import PROJECT

OWN, ASHA = "+15005550006", "+919812345678"
US = {ASHA: "+14155550100"}
SERVICE = "MG" + "a" * 32
BY_SERVICE = {f'from = "{OWN}"': f'messaging_service = "{SERVICE}"'}
MAIL = ("mail-region", "mail-sending", "mail-sender", "mail-sandbox")
TEXTS = ("texts-login", "texts-sender", "texts-10dlc", "texts-countries")


@pytest.fixture
def stage(ministack: MiniStack, tmp_path: Path) -> Iterator[UnhealthyStage]:
    with unhealthy_stage(ministack, tmp_path) as stage:
        yield stage


@pytest.mark.parametrize("check", [*MAIL, *TEXTS])
def test_healthy_account_has_no_findings(stage: UnhealthyStage, check: str) -> None:
    assert stage.check(check).state is State.OK


@pytest.mark.parametrize(("maximum", "daily"), [(50_000.0, "50,000 in 24 hours"), (-1.0, "no daily quota")])
def test_rate_and_quota_of_ses_are_shown(stage: UnhealthyStage, maximum: float, daily: str) -> None:
    assert stage.check("mail-sending").detail == "14 per second, 50,000 in 24 hours"
    ses = SimpleNamespace(get_account=lambda: {"SendQuota": {"MaxSendRate": 0.5, "Max24HourSend": maximum}})
    old = stage.account
    account = Account(old.stage, old.settings, old.variables, lambda service, config=None: ses, old.deployed_file)
    assert mail.quota(account) == f"0.5 per second, {daily}"


def test_sandbox_finding_names_the_excluded_people(stage: UnhealthyStage) -> None:
    ses = stage.ministack.client("sesv2")
    ses.put_account_details(ProductionAccessEnabled=False, MailType="TRANSACTIONAL", WebsiteURL="https://example.com")
    findings = stage.findings("mail-sandbox")
    assert "asha, ben will receive no mail" in findings
    assert "put-account-details --production-access-enabled" in findings
    assert "asha@" not in findings
    ses.create_email_identity(EmailIdentity="asha@example.com")
    assert "; ben will receive no mail" in stage.findings("mail-sandbox")
    ses.create_email_identity(EmailIdentity="example.com")
    assert "all of your people are verified" in stage.findings("mail-sandbox")


def test_sender_without_an_identity_in_this_region_is_found(stage: UnhealthyStage) -> None:
    stage.ministack.client("sesv2").delete_email_identity(EmailIdentity="drops@example.com")
    findings = stage.findings("mail-sender")
    assert "SES in us-east-1 has no identity drops@example.com or example.com" in findings
    assert "aws sesv2 create-email-identity --email-identity example.com" in findings


def test_domain_without_its_dkim_records_is_found(stage: UnhealthyStage) -> None:
    stage.ministack.client("sesv2").create_email_identity(EmailIdentity="example.com")  # MiniStack leaves it pending
    assert "(SES status: PENDING)" in stage.findings("mail-sender")


class Ses:
    """An SES client with responses that MiniStack cannot give."""

    meta = SimpleNamespace(region_name="xx-nowhere-1")

    def get_email_identity(self, EmailIdentity: str) -> dict[str, Any]:  # noqa: N803  boto3 names it so
        if "@" not in EmailIdentity:
            raise ClientError({"Error": {"Code": "NotFoundException", "Message": "no"}}, "GetEmailIdentity")
        return {"VerifiedForSendingStatus": False}

    def get_account(self) -> dict[str, Any]:
        return {"SendingEnabled": False, "EnforcementStatus": "SHUTDOWN", "ProductionAccessEnabled": True}


def with_ses(stage: UnhealthyStage) -> Account:
    old = stage.account
    return Account(old.stage, old.settings, old.variables, lambda service, config=None: Ses(), old.deployed_file)


def test_unverified_sender_is_found(stage: UnhealthyStage) -> None:
    (problem,) = mail.sender(with_ses(stage))
    assert "not verified yet, so no mail can be sent from drops@example.com" in problem.what


def test_account_that_may_not_send_and_region_without_ses_are_found(stage: UnhealthyStage) -> None:
    assert [problem.subject for problem in mail.sending(with_ses(stage))] == ["enforcement", "sending"]
    assert "Amazon SES is not available in xx-nowhere-1" in next(iter(mail.region(with_ses(stage)))).what


def test_settings_without_ses_and_texts_skip_their_checks(stage: UnhealthyStage) -> None:
    smtp = {'from = "Acme': 'transport = "smtp"\nhost = "mail.example.com"\nfrom = "Acme'}
    texts = {'[sms]\naccount = "${TWILIO_ACCOUNT_SID}"\nfrom = "+15005550006"\n': "", ', "sms:asha"': ""}
    stage.with_settings(some_settings(**smtp, **texts))
    names = {result.check.name for result in run_checks(stage.account, checks.CHECKS)}
    assert names.isdisjoint([*MAIL, *TEXTS, "receipts"])


def test_wrong_token_is_reported_once_and_the_other_checks_are_skipped(stage: UnhealthyStage) -> None:
    stage.put_secret("twilio-auth-token", value="wrong-token")
    texts = [check for check in checks.CHECKS if check.name in TEXTS]
    results = list(run_checks(stage.account, texts))
    assert [result.state for result in results] == [State.PROBLEM, *[State.SKIPPED] * 3]
    finding = results[0].findings[0]
    assert f"Twilio rejected the login: the Auth Token is not that of {SID}" in finding.what
    assert "dropnote setup --stage prod --rotate" in finding.next
    assert "wrong-token" not in finding.what + finding.next


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(404, 20404, "Twilio has no account"), (401, 20005, "not active"), (403, 20403, "not active")],
)
def test_missing_or_inactive_account_is_reported(stage: UnhealthyStage, status: int, code: int, message: str) -> None:
    stage.twilio.double.fail_next(status, code=code, method="GET")
    assert message in stage.findings("texts-login")


def test_suspended_account_is_reported(stage: UnhealthyStage) -> None:
    stage.twilio.status = "suspended"
    assert "The Twilio account is suspended" in stage.findings("texts-login")


def test_trial_account_finding_names_the_excluded_people(stage: UnhealthyStage) -> None:
    stage.twilio.type = "Trial"
    findings = stage.findings("texts-login")
    assert "asha will receive none" in findings
    assert ASHA[3:] not in findings
    stage.twilio.verified.add(ASHA)
    assert "all of your people are verified" in stage.findings("texts-login")


def test_missing_secret_leaves_the_check_unchecked(stage: UnhealthyStage) -> None:
    stage.ministack.client("ssm").delete_parameter(Name="/dropnote/prod/twilio-auth-token")
    assert stage.check("texts-login").state is State.UNCHECKED


def test_twilio_outage_is_reported_without_the_number(stage: UnhealthyStage) -> None:
    stage.twilio.double.fail_next(503, method="GET")
    result = stage.check("texts-countries")
    assert (result.state, "Twilio returned error 20503" in result.findings[0].what) == (State.UNCHECKED, True)
    assert ASHA[3:] not in str(result.findings)


def test_unreachable_twilio_leaves_the_check_unchecked(stage: UnhealthyStage) -> None:
    old = stage.account
    nowhere = {**old.variables, "TWILIO_BASE_URL": "http://127.0.0.1:9"}
    stage.account = Account(old.stage, old.settings, nowhere, old.client, old.deployed_file)
    assert stage.check("texts-login").state is State.UNCHECKED


def test_foreign_sender_and_sender_without_sms_are_found(stage: UnhealthyStage) -> None:
    stage.twilio.without_sms.add(OWN)
    assert "can make calls but cannot send texts" in stage.findings("texts-sender")
    stage.with_settings(some_settings(**{OWN: "+15005550123"}))
    assert "+15005550123 does not belong to the Twilio account" in stage.findings("texts-sender")


def test_messaging_service_is_checked_with_its_senders(stage: UnhealthyStage) -> None:
    stage.with_settings(some_settings(**BY_SERVICE))
    assert f"has no messaging service {SERVICE}" in stage.findings("texts-sender")
    stage.twilio.services[SERVICE] = Service()
    assert "has no sender (error 21703)" in stage.findings("texts-sender")
    stage.twilio.services[SERVICE] = Service((OWN,))
    assert stage.findings("texts-sender") == ""


@pytest.mark.parametrize("settings", [{}, BY_SERVICE])
@pytest.mark.parametrize(
    ("campaign", "message"),
    [("VERIFIED", ""), ("IN_PROGRESS", "its campaign is IN_PROGRESS"), ("FAILED", "FAILED"), ("", "no campaign is registered")],
)
def test_texts_to_the_united_states_need_a_campaign(
    stage: UnhealthyStage, settings: dict[str, str], campaign: str, message: str
) -> None:
    stage.with_settings(some_settings(**US, **settings))
    stage.twilio.services[SERVICE] = Service((OWN,), campaign)
    findings = stage.findings("texts-10dlc")
    assert (message in findings, bool(findings)) == (True, bool(message))
    assert "4155550100" not in findings


@pytest.mark.parametrize("changed", [{}, {ASHA: "+14165550100"}, {**US, OWN: "+18885550123"}, {**US, OWN: "+447700900999"}])
def test_other_countries_and_senders_need_no_campaign(stage: UnhealthyStage, changed: dict[str, str]) -> None:
    """Texts to India or Canada, and texts from a toll-free or a British number."""
    stage.with_settings(some_settings(**changed))
    assert stage.findings("texts-10dlc") == ""


def test_forbidden_country_is_named_with_its_people(stage: UnhealthyStage) -> None:
    stage.twilio.closed_to.add("IN")
    findings = stage.findings("texts-countries")
    assert "not allowed to send texts to IN: asha will receive none (error 21408)" in findings
    assert ASHA[3:] not in findings


def test_invalid_number_is_reported_by_the_persons_name(stage: UnhealthyStage) -> None:
    stage.with_settings(some_settings(**{ASHA: "+999123456789"}))
    findings = stage.findings("texts-countries")
    assert "The number of asha" in findings
    assert "123456789" not in findings


def test_stage_whose_mail_events_are_not_set_up_is_found(stage: UnhealthyStage) -> None:
    assert "SES does not report what became of mails" in stage.findings("mail-events")
    template = PROJECT / "resources.yaml"
    stack = Stack(stage.ministack.client("cloudformation"), "prod", pause_s=0.02)
    stack.execute(stack.plan(template, {"Stage": "prod", "Tables": "keep", "MailEvents": "make"}))
    assert "No function receives what SES reports" in stage.findings("mail-events")
    topic = stack.outputs()["MailTopicArn"]
    function = stage.function("mail_events", package())["FunctionArn"]
    stage.ministack.client("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    assert stage.check("mail-events").state is State.OK
    ses = stage.ministack.client("sesv2")
    ses.delete_configuration_set_event_destination(ConfigurationSetName="dropnote-prod", EventDestinationName="dropnote-prod")
    assert "dropnote-prod does not report to this stage" in stage.findings("mail-events")


def test_doctor_shows_where_texts_from_people_go(stage: UnhealthyStage) -> None:
    public_url = "https://abc.execute-api.eu-west-1.amazonaws.com/api"
    assert "no public URL" in stage.check("texts-replies").detail
    stage.put_secret("public-url", "String", public_url)
    assert "go nowhere yet: dropnote finish --stage prod --replies" in stage.check("texts-replies").detail
    stage.twilio.double.webhooks["+15005550006"] = f"{public_url}/replies/twilio"
    assert stage.check("texts-replies").detail == "texts from people to +15005550006 arrive here"
