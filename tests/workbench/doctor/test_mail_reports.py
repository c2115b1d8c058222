"""The doctor on what SES reports from another region: what is missing, with the command for it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.builders import some_settings
from tests.workbench.doctor.unhealthy_stages import UnhealthyStage, unhealthy_stage
from workbench.deployment.replies.reports import subscribe_command
from workbench.doctor import mail
from workbench.doctor.model import State
from workbench.local.ministack import ACCOUNT, MiniStack

THERE = "us-west-2"
TOPIC = f"arn:aws:sns:{THERE}:{ACCOUNT}:dropnote-prod-mail-events"
URL = "https://abc123.execute-api.eu-west-1.amazonaws.com/api"


def in_another_region(topic: str = TOPIC) -> dict[str, str]:
    field = f'events_topic = "{topic}"\n' if topic else ""
    return {"[email]\n": f'[email]\nregion = "{THERE}"\n{field}'}


@pytest.fixture
def stage(ministack: MiniStack, tmp_path: Path) -> Iterator[UnhealthyStage]:
    def client(service: str, config: Any = None, region_name: str = "") -> Any:
        return ministack.client(service, region_name) if region_name else ministack.client(service)

    with unhealthy_stage(ministack, tmp_path) as stage:
        stage.account = replace(stage.account, client=client)
        stage.with_settings(some_settings(**in_another_region()))
        ministack.client("sesv2", THERE).create_email_identity(EmailIdentity="drops@example.com")
        stage.put_secret("public-url", "String", URL)
        yield stage


def test_without_a_topic_the_check_is_off_and_names_the_document(stage: UnhealthyStage) -> None:
    stage.with_settings(some_settings(**in_another_region("")))
    assert "docs/replies.md#ses-in-another-region" in stage.check("mail-events").detail


def test_each_missing_part_is_found_with_its_command(stage: UnhealthyStage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no default configuration set" in stage.findings("mail-events")
    identity = {"drops@example.com": {"VerifiedForSendingStatus": True, "ConfigurationSetName": "dropnote-prod"}}
    monkeypatch.setattr(mail, "find_identities", lambda *_: identity)  # the emulator knows no default set
    findings = stage.findings("mail-events")
    assert f"dropnote-prod does not report to {TOPIC}" in findings
    assert f"TopicArn={TOPIC}}}' --region {THERE}" in findings
    assert subscribe_command(TOPIC, URL) in findings


def test_stage_that_gets_the_reports_is_well(stage: UnhealthyStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "find_identities", lambda *_: {"x": {"ConfigurationSetName": "dropnote-prod"}})
    monkeypatch.setattr(mail, "reports_to", lambda *_: True)
    monkeypatch.setattr(mail, "is_subscribed", lambda *_: True)
    assert stage.check("mail-events").state is State.OK
    monkeypatch.setattr(mail, "is_subscribed", lambda *_: None)  # another account's topic
    assert stage.check("mail-events").state is State.OK
