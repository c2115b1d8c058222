"""What the doctor finds about mail and texts: against MiniStack's SES and the Twilio double, over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.builders import some_settings
from tests.workbench.doctor.unhealthy_stages import SID, Patient, a_patient
from workbench.account import Account
from workbench.doctor import checks, mail
from workbench.doctor.model import State, examine
from workbench.local.ministack import MiniStack
from workbench.local.twilio.account import Service

OWN, ASHA = "+15005550006", "+919812345678"
US = {ASHA: "+14155550100"}
SERVICE = "MG" + "a" * 32
BY_SERVICE = {f'from = "{OWN}"': f'messaging_service = "{SERVICE}"'}
MAIL = ("mail-region", "mail-sending", "mail-sender", "mail-sandbox")
TEXTS = ("texts-login", "texts-sender", "texts-10dlc", "texts-countries")


@pytest.fixture
def patient(ministack: MiniStack, tmp_path: Path) -> Iterator[Patient]:
    with a_patient(ministack, tmp_path) as made:
        yield made


@pytest.mark.parametrize("check", [*MAIL, *TEXTS])
def test_account_in_order_has_no_findings(patient: Patient, check: str) -> None:
    assert patient.probe(check).state is State.OK


def test_sandbox_is_said_with_the_people_it_shuts_out(patient: Patient) -> None:
    ses = patient.ministack.client("sesv2")
    ses.put_account_details(ProductionAccessEnabled=False, MailType="TRANSACTIONAL", WebsiteURL="https://example.com")
    told = patient.found("mail-sandbox")
    assert "asha, ben will get no mail" in told
    assert "put-account-details --production-access-enabled" in told
    assert "asha@" not in told
    ses.create_email_identity(EmailIdentity="asha@example.com")
    assert "; ben will get no mail" in patient.found("mail-sandbox")
    ses.create_email_identity(EmailIdentity="example.com")
    assert "of your people all are" in patient.found("mail-sandbox")


def test_sender_nobody_verified_in_this_region_is_found(patient: Patient) -> None:
    patient.ministack.client("sesv2").delete_email_identity(EmailIdentity="drops@example.com")
    told = patient.found("mail-sender")
    assert "SES knows neither drops@example.com nor example.com in us-east-1" in told
    assert "aws sesv2 create-email-identity --email-identity example.com" in told


def test_domain_without_its_dkim_records_is_found(patient: Patient) -> None:
    patient.ministack.client("sesv2").create_email_identity(EmailIdentity="example.com")  # pending, says MiniStack
    assert "(SES says PENDING)" in patient.found("mail-sender")


class Ses:
    """An SES that says what MiniStack's cannot."""

    meta = SimpleNamespace(region_name="xx-nowhere-1")

    def get_email_identity(self, EmailIdentity: str) -> dict[str, Any]:  # noqa: N803  boto3 names it so
        if "@" not in EmailIdentity:
            raise ClientError({"Error": {"Code": "NotFoundException", "Message": "no"}}, "GetEmailIdentity")
        return {"VerifiedForSendingStatus": False}

    def get_account(self) -> dict[str, Any]:
        return {"SendingEnabled": False, "EnforcementStatus": "SHUTDOWN", "ProductionAccessEnabled": True}


def with_ses(patient: Patient) -> Account:
    old = patient.account
    return Account(old.stage, old.settings, old.variables, lambda service, config=None: Ses(), old.listed)


def test_address_whose_mail_was_not_answered_is_found(patient: Patient) -> None:
    (trouble,) = mail.sender(with_ses(patient))
    assert "not verified yet, and no mail goes out as drops@example.com" in trouble.what


def test_account_that_may_not_send_and_region_without_ses_are_found(patient: Patient) -> None:
    assert [trouble.subject for trouble in mail.sending(with_ses(patient))] == ["enforcement", "sending"]
    assert "Amazon SES is not in xx-nowhere-1" in next(iter(mail.region(with_ses(patient)))).what


def test_settings_without_ses_and_texts_have_nobody_to_ask(patient: Patient) -> None:
    smtp = {'from = "Acme': 'transport = "smtp"\nhost = "mail.example.com"\nfrom = "Acme'}
    texts = {'[sms]\naccount = "${TWILIO_ACCOUNT_SID}"\nfrom = "+15005550006"\n': "", ', "sms:asha"': ""}
    patient.with_settings(some_settings(**smtp, **texts))
    asked = {result.check.name for result in examine(patient.account, checks.CHECKS)}
    assert asked.isdisjoint([*MAIL, *TEXTS, "secrets", "receipts"])


def test_wrong_token_is_said_once_and_the_rest_is_not_asked(patient: Patient) -> None:
    patient.secret("twilio-auth-token", value="wrong-token")
    texts = [check for check in checks.CHECKS if check.name in TEXTS]
    results = list(examine(patient.account, texts))
    assert [result.state for result in results] == [State.TROUBLE, *[State.SKIPPED] * 3]
    told = results[0].findings[0]
    assert f"Twilio refuses the login: {SID}" in told.what
    assert "dropnote setup --stage prod --rotate" in told.next
    assert "wrong-token" not in told.what + told.next


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(404, 20404, "Twilio has no account"), (401, 20005, "not active"), (403, 20403, "not active")],
)
def test_account_that_is_closed_is_said(patient: Patient, status: int, code: int, words: str) -> None:
    patient.twilio.double.fail_next(status, code=code, method="GET")
    assert words in patient.found("texts-login")


def test_suspended_account_is_said(patient: Patient) -> None:
    patient.twilio.status = "suspended"
    assert "The Twilio account is suspended" in patient.found("texts-login")


def test_trial_account_is_said_with_the_people_it_shuts_out(patient: Patient) -> None:
    patient.twilio.type = "Trial"
    told = patient.found("texts-login")
    assert "asha will get none" in told
    assert ASHA[3:] not in told
    patient.twilio.verified.add(ASHA)
    assert "of your people all are" in patient.found("texts-login")


def test_secret_that_cannot_be_read_is_no_traceback(patient: Patient) -> None:
    patient.ministack.client("ssm").delete_parameter(Name="/dropnote/prod/twilio-auth-token")
    assert patient.probe("texts-login").state is State.UNANSWERED


def test_twilio_in_trouble_is_unanswered_and_its_number_is_not_told(patient: Patient) -> None:
    patient.twilio.double.fail_next(503, method="GET")
    told = patient.probe("texts-countries")
    assert (told.state, "Twilio answered 20503" in told.findings[0].what) == (State.UNANSWERED, True)
    assert ASHA[3:] not in str(told.findings)


def test_nobody_at_twilios_end_is_unanswered(patient: Patient) -> None:
    old = patient.account
    nowhere = {**old.variables, "TWILIO_BASE_URL": "http://127.0.0.1:9"}
    patient.account = Account(old.stage, old.settings, nowhere, old.client, old.listed)
    assert patient.probe("texts-login").state is State.UNANSWERED


def test_sender_of_somebody_else_and_one_that_only_calls_are_found(patient: Patient) -> None:
    patient.twilio.without_sms.add(OWN)
    assert "can call, and cannot text" in patient.found("texts-sender")
    patient.with_settings(some_settings(**{OWN: "+15005550123"}))
    assert "+15005550123 is not one of the Twilio account's" in patient.found("texts-sender")


def test_service_is_looked_for_with_its_senders(patient: Patient) -> None:
    patient.with_settings(some_settings(**BY_SERVICE))
    assert f"has no messaging service {SERVICE}" in patient.found("texts-sender")
    patient.twilio.services[SERVICE] = Service()
    assert "has no sender (error 21703)" in patient.found("texts-sender")
    patient.twilio.services[SERVICE] = Service((OWN,))
    assert patient.found("texts-sender") == ""


@pytest.mark.parametrize("settings", [{}, BY_SERVICE])
@pytest.mark.parametrize(
    ("campaign", "words"),
    [("VERIFIED", ""), ("IN_PROGRESS", "its campaign is IN_PROGRESS"), ("FAILED", "FAILED"), ("", "no campaign is registered")],
)
def test_texts_to_the_united_states_need_a_campaign(
    patient: Patient, settings: dict[str, str], campaign: str, words: str
) -> None:
    patient.with_settings(some_settings(**US, **settings))
    patient.twilio.services[SERVICE] = Service((OWN,), campaign)
    told = patient.found("texts-10dlc")
    assert (words in told, bool(told)) == (True, bool(words))
    assert "4155550100" not in told


@pytest.mark.parametrize("changed", [{}, {ASHA: "+14165550100"}, {**US, OWN: "+18885550123"}, {**US, OWN: "+447700900999"}])
def test_campaign_is_asked_for_where_it_counts(patient: Patient, changed: dict[str, str]) -> None:
    """Texts to India or Canada, from a toll-free number or a British one."""
    patient.with_settings(some_settings(**changed))
    assert patient.found("texts-10dlc") == ""


def test_country_that_may_not_be_texted_is_named_with_its_people(patient: Patient) -> None:
    patient.twilio.closed_to.add("IN")
    told = patient.found("texts-countries")
    assert "may not text to IN: asha will get none (error 21408)" in told
    assert ASHA[3:] not in told


def test_number_that_twilio_does_not_know_is_the_persons_to_correct(patient: Patient) -> None:
    patient.with_settings(some_settings(**{ASHA: "+999123456789"}))
    told = patient.found("texts-countries")
    assert "The number of asha" in told
    assert "123456789" not in told
