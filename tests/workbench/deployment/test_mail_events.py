"""What SES reports: set up in the functions' region, without changing an identity's default configuration set."""

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.domain.settings import EmailSettings, Settings
from tests.support.builders import some_settings
from workbench.deployment.grants import StageLocation
from workbench.deployment.identities import reports_to, with_mail_events
from workbench.deployment.setup import Setup
from workbench.local.ministack import ACCOUNT, REGION, MiniStack
from workbench.local.resources import verify_sender
from workbench.paths import PROJECT

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:dropnote-dev-mail-events"


@pytest.fixture
def setup(ministack: MiniStack) -> Setup:
    """A set-up of a stage whose sender is verified."""
    verify_sender(ministack, "drops@example.com")
    return Setup(PROJECT, "dev", lambda service, **_: ministack.client(service), pause_s=0.02)


def apply(setup: Setup, settings: Settings, *default_sets: str) -> tuple[dict[str, str], list[str]]:
    """Create the stack, for identities with these default sets, which the emulator does not know."""
    setup.stack.execute(setup.plan(settings))
    location = dataclasses.replace(setup.location(settings), configuration_sets=default_sets)
    return setup.mail_events(settings, location)


def test_topic_set_and_destination_are_created_and_only_ses_may_publish(setup: Setup, ministack: MiniStack) -> None:
    variables, warnings = apply(setup, some_settings())
    assert variables == {"DROPNOTE_MAIL_EVENTS": TOPIC, "DROPNOTE_CONFIGURATION_SET": "dropnote-dev"}
    assert warnings == []
    assert reports_to(ministack.client("sesv2"), "dropnote-dev", TOPIC)
    policy = ministack.client("sns").get_topic_attributes(TopicArn=TOPIC)["Attributes"]["Policy"]
    assert '"ses.amazonaws.com"' in policy
    assert "aws:SourceAccount" in policy
    assert setup.plan(some_settings()).id == ""  # a second set-up changes nothing


def test_default_set_of_the_identity_stays_in_use_and_unchanged(setup: Setup, ministack: MiniStack) -> None:
    ses = ministack.client("sesv2")
    ses.create_configuration_set(ConfigurationSetName="tracked")
    variables, (warning,) = apply(setup, some_settings(), "tracked")
    assert variables == {"DROPNOTE_MAIL_EVENTS": TOPIC, "DROPNOTE_CONFIGURATION_SET": ""}
    assert ses.get_configuration_set_event_destinations(ConfigurationSetName="tracked").get("EventDestinations", []) == []
    assert "create-configuration-set-event-destination --configuration-set-name tracked" in warning
    ses.create_configuration_set_event_destination(  # as the command does
        ConfigurationSetName="tracked",
        EventDestinationName="dropnote-dev",
        EventDestination={
            "Enabled": True,
            "MatchingEventTypes": ["DELIVERY", "BOUNCE", "COMPLAINT", "REJECT"],
            "SnsDestination": {"TopicArn": TOPIC},
        },
    )
    assert apply(setup, some_settings(), "tracked")[1] == []


def email(**changes: Any) -> Settings:
    settings = some_settings()
    return replace(settings, email=replace(settings.email or EmailSettings(""), **changes))


@pytest.mark.parametrize("changes", [{"transport": "smtp", "host": "smtp.example.com"}, {"region": "eu-central-1"}])
def test_mail_by_smtp_or_from_another_region_has_no_events(setup: Setup, changes: dict[str, str]) -> None:
    assert not with_mail_events(email(**changes), REGION)
    settings = email(**changes)
    setup.stack.execute(setup.plan(settings))
    assert setup.stack.outputs().get("MailTopicArn") is None
    location = StageLocation("dev", ACCOUNT, REGION)
    assert setup.mail_events(settings, location)[0] == {"DROPNOTE_MAIL_EVENTS": "", "DROPNOTE_CONFIGURATION_SET": ""}


def test_set_that_deployed_functions_may_name_stays_when_the_settings_change(setup: Setup) -> None:
    apply(setup, some_settings())
    smtp = email(transport="smtp", host="smtp.example.com")
    assert setup.plan(smtp).id == ""
    assert setup.mail_events(smtp, StageLocation("dev", ACCOUNT, REGION))[0]["DROPNOTE_MAIL_EVENTS"] == ""


MADE = {"MailTopic", "MailTopicPolicy", "MailSet", "MailSetDestination"}


def by_smtp() -> Settings:
    settings = some_settings()
    assert settings.email
    return replace(settings, email=replace(settings.email, transport="smtp"))


def test_existing_stack_gets_what_ses_reports_to_when_mail_moves_to_ses(setup: Setup, ministack: MiniStack) -> None:
    assert apply(setup, by_smtp())[0] == {"DROPNOTE_MAIL_EVENTS": "", "DROPNOTE_CONFIGURATION_SET": ""}
    plan = setup.plan(some_settings())
    assert {(change.action, change.name) for change in plan.changes} == {("Add", name) for name in MADE}
    setup.stack.execute(plan)
    assert reports_to(ministack.client("sesv2"), "dropnote-dev", TOPIC)


def test_stack_keeps_it_when_mail_moves_away_from_ses(setup: Setup, ministack: MiniStack) -> None:
    """The functions that are still deployed name the configuration set: without it, SES would reject their mail."""
    apply(setup, some_settings())
    assert setup.plan(by_smtp()).id == ""
    assert setup.stack.parameters()["MailEvents"] == "make"
    parameters = {**setup.stack.parameters(), "MailEvents": "none"}  # by hand, once the functions are deployed
    plan = setup.stack.plan(PROJECT / "resources.yaml", parameters)
    assert {(change.action, change.name) for change in plan.changes} == {("Remove", name) for name in MADE}
    setup.stack.execute(plan)
    assert "dropnote-dev" not in ministack.client("sesv2").list_configuration_sets()["ConfigurationSets"]
