"""SES in another region: the commands that set-up's owner runs, and what finish and the doctor say before and afterwards."""

import shlex
from typing import Any

import pytest
from awscli.clidriver import create_clidriver
from msgspec.structs import replace

from chalicelib.domain.settings import Settings
from tests.support.builders import some_settings
from workbench.deployment.grants import StageLocation
from workbench.deployment.identities import reports_to
from workbench.deployment.replies.reports import is_subscribed, report_lines, subscribe_command, topic_commands
from workbench.local.ministack import ACCOUNT, REGION, MiniStack
from workbench.paths import PROJECT

THERE = "us-west-2"
TOPIC = f"arn:aws:sns:{THERE}:{ACCOUNT}:dropnote-dev-mail-events"
URL = "https://abc123.execute-api.eu-west-1.amazonaws.com/api"
HERE = StageLocation("dev", ACCOUNT, REGION)


def settings(**changes: Any) -> Settings:
    whole = some_settings()
    assert whole.email
    return replace(whole, email=replace(whole.email, **changes))


def run(ministack: MiniStack, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command as a user would, with AWS's own program against the emulator."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    program, *arguments = shlex.split(command)
    assert program == "aws"
    code = create_clidriver().main([*arguments, "--endpoint-url", ministack.endpoint])
    expected = 255 if "put-email-identity-configuration-set-attributes" in command else 0  # which the emulator does not have
    assert code == expected, command


@pytest.mark.parametrize("changes", [{}, {"region": REGION}, {"transport": "smtp", "host": "smtp.example.com"}])
def test_finish_says_nothing_if_the_stages_own_topic_is_enough(ministack: MiniStack, changes: dict[str, str]) -> None:
    assert report_lines(ministack.client, settings(**changes), HERE, URL) == []


def test_commands_of_finish_let_ses_in_another_region_report(ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *commands, last = report_lines(ministack.client, settings(region=THERE), HERE, URL)
    assert f"none, because SES is in {THERE}" in first
    assert f'events_topic = "{TOPIC}"' in last
    ministack.client("sesv2", THERE).create_email_identity(EmailIdentity="drops@example.com")
    for command in commands:
        run(ministack, command, monkeypatch)
    assert reports_to(ministack.client("sesv2", THERE), "dropnote-dev", TOPIC)
    attributes = ministack.client("sns", THERE).get_topic_attributes(TopicArn=TOPIC)["Attributes"]
    assert '"ses.amazonaws.com"' in attributes["Policy"]
    assert "aws:SourceAccount" in attributes["Policy"]
    (line,) = report_lines(ministack.client, settings(region=THERE, events_topic=TOPIC), HERE, URL)
    command = subscribe_command(TOPIC, URL)
    assert command in line
    assert f"--notification-endpoint {URL}/receipts/ses" in command


class Sns:
    """An SNS whose topic has one subscription."""

    def __init__(self, endpoint: str, arn: str) -> None:
        self.subscription = {"Endpoint": endpoint, "SubscriptionArn": arn}

    def get_paginator(self, _: str) -> "Sns":
        return self

    def paginate(self, **_: str) -> list[dict[str, list[dict[str, str]]]]:
        return [{"Subscriptions": [self.subscription]}]


@pytest.mark.parametrize(
    ("endpoint", "arn", "arrives"),
    [
        (f"{URL}/receipts/ses", f"{TOPIC}:c9135db0-26c4-47ec-8998-413945fb5a96", True),
        (f"{URL}/receipts/ses", "PendingConfirmation", False),
        (f"{URL}/receipts/ses", "Deleted", False),
        ("https://example.com/receipts/ses", f"{TOPIC}:c9135db0-26c4-47ec-8998-413945fb5a96", False),
    ],
)
def test_only_a_confirmed_subscription_of_this_stage_counts(endpoint: str, arn: str, arrives: bool) -> None:
    assert is_subscribed(lambda *_, **__: Sns(endpoint, arn), TOPIC, URL) is arrives


def test_topic_that_does_not_exist_has_no_subscription(ministack: MiniStack) -> None:
    assert is_subscribed(ministack.client, TOPIC, URL) is False


def test_default_set_of_the_identity_is_kept() -> None:
    location = StageLocation("dev", ACCOUNT, REGION, configuration_sets=("tracked",))
    commands = topic_commands(location, THERE, "example.com")
    assert "--configuration-set-name tracked" in commands[-1]
    assert not [command for command in commands if "put-email-identity" in command or "create-configuration-set " in command]


def test_document_has_these_commands() -> None:
    document = (PROJECT / "docs" / "replies.md").read_text()
    commands = topic_commands(StageLocation("dev", "123456789012", "eu-west-1"), THERE, "example.com")
    commands.append(subscribe_command(f"arn:aws:sns:{THERE}:123456789012:dropnote-dev-mail-events", URL))
    shown = " ".join(document.replace("\\\n", " ").split())
    assert [command for command in commands if command not in shown] == []
