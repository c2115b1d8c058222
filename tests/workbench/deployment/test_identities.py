"""Senders of every kind: verified by address, domain or parent domain, with a configuration set, in another region."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from chalicelib.channels.registry import make_transport
from chalicelib.domain.people import Channel
from chalicelib.domain.settings import Settings
from chalicelib.platform.clock import utc_now
from chalicelib.platform.secrets import Secrets
from tests.support.builders import ENVIRON, some_settings
from tests.workbench.doctor.unhealthy_stages import UnhealthyStage, package, unhealthy_stage
from workbench.account import Account
from workbench.deployment.grants import StageLocation, policies
from workbench.deployment.identities import describe_sender, find_identities, identity_names
from workbench.deployment.setup import Setup
from workbench.doctor import mail
from workbench.local.ministack import MiniStack

VARIABLES = {**ENVIRON, "DROPNOTE_DEAD_EVENTS": "dead", "DROPNOTE_COUNTERS": "counters", "DROPNOTE_SECRETS": "/dropnote/prod/"}
SENDER = "drops@mail.example.com"
SUBDOMAIN = {"drops@example.com": SENDER}
VERIFIED = {"VerifiedForSendingStatus": True}


class Ses:
    """An SES client with these identities."""

    def __init__(self, identities: Mapping[str, Mapping[str, Any]], region: str = "eu-west-1") -> None:
        self.identities = identities
        self.meta = SimpleNamespace(region_name=region)

    def get_email_identity(self, EmailIdentity: str) -> Mapping[str, Any]:  # noqa: N803  boto3 names it so
        if EmailIdentity not in self.identities:
            raise ClientError({"Error": {"Code": "NotFoundException", "Message": "no"}}, "GetEmailIdentity")
        return self.identities[EmailIdentity]

    def get_account(self) -> dict[str, Any]:
        return {"ProductionAccessEnabled": True}


def location(settings: Settings, ses: Ses) -> StageLocation:
    """Where set-up deploys to, and what it found in SES."""
    regions: list[str] = []

    def client(service: str, region_name: str = "eu-west-1") -> Any:
        if service == "sts":
            identity = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/a"}
            return SimpleNamespace(get_caller_identity=lambda: identity, meta=SimpleNamespace(region_name="eu-west-1"))
        regions.append(region_name)
        return ses

    found = Setup(Path(), "prod", client).location(settings)
    assert regions == [ses.meta.region_name]
    return found


def mail_resources(settings: Settings, ses: Ses) -> list[str]:
    statements: list[dict[str, Any]] = policies(settings, VARIABLES, location(settings, ses))["sweep"]["Statement"]
    (statement,) = (statement for statement in statements if statement["Sid"] == "Mail")
    return [resource.removeprefix("arn:aws:ses:") for resource in statement["Resource"]]


def test_each_parent_domain_may_be_the_verified_identity() -> None:
    assert identity_names("a@b.mail.Example.co.uk") == [
        *("a@b.mail.Example.co.uk", "b.mail.example.co.uk", "mail.example.co.uk", "example.co.uk", "co.uk")
    ]


def test_policy_covers_a_sender_that_is_verified_by_its_parent_domain() -> None:
    settings = some_settings(**SUBDOMAIN)
    ses = Ses({"example.com": VERIFIED})
    names = (SENDER, "mail.example.com", "example.com")
    assert mail_resources(settings, ses) == [f"eu-west-1:123456789012:identity/{name}" for name in names]
    assert location(settings, ses).sender == f"mail from {SENDER}: verified as example.com (SES in eu-west-1)"


def test_policy_covers_the_default_configuration_set_of_the_identity_that_has_one() -> None:
    ses = Ses({SENDER: VERIFIED, "example.com": {**VERIFIED, "ConfigurationSetName": "tracked"}})
    assert "eu-west-1:123456789012:configuration-set/tracked" in mail_resources(some_settings(**SUBDOMAIN), ses)
    assert "default configuration set tracked" in location(some_settings(**SUBDOMAIN), ses).sender


def test_identity_in_another_region_is_looked_up_allowed_and_used_there() -> None:
    settings = some_settings(**{"[email]\n": '[email]\nregion = "eu-central-1"\n'})
    resources = mail_resources(settings, Ses({"example.com": VERIFIED}, "eu-central-1"))
    assert resources
    assert all(resource.startswith("eu-central-1:") for resource in resources)
    made: list[dict[str, Any]] = []
    secrets = Secrets(lambda: None, "", {}, utc_now)
    make_transport(Channel.EMAIL, settings, secrets, lambda service, **options: made.append(options), {})
    assert [options["region_name"] for options in made] == ["eu-central-1"]


@pytest.mark.parametrize(
    ("identities", "line"),
    [
        ({}, "no identity; verify its domain or the address"),
        ({"example.com": {"VerifiedForSendingStatus": False}}, "example.com: not verified yet"),
    ],
)
def test_set_up_says_what_is_missing(identities: dict[str, Any], line: str) -> None:
    assert line in describe_sender(find_identities(Ses(identities), SENDER), SENDER, "eu-west-1")


@pytest.fixture
def stage(ministack: MiniStack, tmp_path: Path) -> Any:
    with unhealthy_stage(ministack, tmp_path) as stage:
        yield stage


def with_sender(stage: UnhealthyStage, ses: Ses) -> Account:
    old = stage.account
    client = old.client
    return Account(
        old.stage,
        some_settings(**SUBDOMAIN),
        old.variables,
        lambda service, **_: ses if service == "sesv2" else client(service),
        old.deployed_file,
    )


def test_doctor_accepts_a_parent_domain_and_shows_it(stage: UnhealthyStage) -> None:
    account = with_sender(stage, Ses({"example.com": {**VERIFIED, "ConfigurationSetName": "tracked"}}))
    assert list(mail.sender(account)) == []
    assert mail.found_sender(account).endswith("verified as example.com, default configuration set tracked (SES in eu-west-1)")


def test_doctor_names_every_identity_that_would_do(stage: UnhealthyStage) -> None:
    (problem,) = mail.sender(with_sender(stage, Ses({})))
    assert f"no identity {SENDER} or mail.example.com or example.com" in problem.what


def test_doctor_finds_a_configuration_set_that_became_the_default_after_the_deploy(stage: UnhealthyStage) -> None:
    ses = Ses({"example.com": VERIFIED}, "us-east-1")
    account = with_sender(stage, ses)
    stage.function("sweep", package())
    where = StageLocation("prod", "000000000000", "us-east-1")
    policy = policies(account.settings, {**VARIABLES, **account.variables}, where)["sweep"]
    stage.ministack.client("iam").put_role_policy(RoleName="any", PolicyName="sweep", PolicyDocument=json.dumps(policy))
    assert list(mail.permission(account)) == []
    ses.identities = {"example.com": {**VERIFIED, "ConfigurationSetName": "tracked"}}
    (problem,) = mail.permission(account)
    assert "may not send mail with tracked" in problem.what
    assert "dropnote setup --stage prod, then chalice deploy" in problem.next
