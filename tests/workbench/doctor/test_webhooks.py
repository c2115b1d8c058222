"""The doctor's checks of webhooks and WhatsApp. They send nothing, and no finding contains a secret."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.builders import some_settings
from tests.workbench.doctor.unhealthy_stages import UnhealthyStage, unhealthy_stage
from workbench.account import Account
from workbench.doctor.model import State
from workbench.local.ministack import MiniStack
from workbench.local.webhooks.double import KEY, URLS

HX = "HX" + "a" * 32
WEBHOOKS = '[webhooks.room]\nformat = "slack"\n[webhooks.ours]\nformat = "json"\n'
WHATSAPP = '[whatsapp]\naccount = "${TWILIO_ACCOUNT_SID}"\nfrom = "+15005550006"\n'
GOOD = {"webhook-room": URLS["slack"], "webhook-ours": URLS["json"], "webhook-ours-key": KEY}


@pytest.fixture
def stage(ministack: MiniStack, tmp_path: Path) -> Iterator[UnhealthyStage]:
    with unhealthy_stage(ministack, tmp_path) as stage:
        yield stage


def use(stage: UnhealthyStage, settings: str, **secrets: str) -> None:
    old = stage.account
    stage.account = Account(old.stage, some_settings(settings), old.variables, old.client, old.deployed_file)
    for name, value in secrets.items():
        stage.put_secret(name, value=value)


def test_good_webhooks_have_no_findings(stage: UnhealthyStage) -> None:
    use(stage, WEBHOOKS, **GOOD)
    assert stage.check("webhooks").state is State.OK
    assert stage.check("secrets").state is State.OK


@pytest.mark.parametrize(
    ("secret", "value", "finding"),
    [
        ("webhook-room", "http://hooks.slack.com/services/hidden", "Webhook room (slack): the URL must begin with https://"),
        (
            "webhook-room",
            "https://example.com/hidden",
            "the URL belongs to example.com, not to slack; it looks like https://hooks",
        ),
        ("webhook-ours-key", "hidden", "Webhook ours (json): a signing key must be whsec_ followed by 24 to 64 bytes"),
    ],
)
def test_secret_that_cannot_work_is_found(stage: UnhealthyStage, secret: str, value: str, finding: str) -> None:
    use(stage, WEBHOOKS, **{**GOOD, secret: value})
    findings = stage.findings("webhooks")
    assert finding in findings
    assert "dropnote setup --stage prod --rotate" in findings
    assert "hidden" not in findings


def test_missing_secrets_are_found_once_even_if_there_are_more_than_ten(stage: UnhealthyStage) -> None:
    use(stage, "".join(f'[webhooks.room{number}]\nformat = "slack"\n' for number in range(12)))
    assert stage.check("webhooks").state is State.OK
    assert stage.findings("secrets").count("is missing") == 12


def test_apprise_must_be_in_the_zip(stage: UnhealthyStage) -> None:
    use(stage, '[webhooks.phone]\nformat = "apprise"\n')
    assert "not in requirements.txt. add its lines as docs/channels.md shows" in stage.findings("apprise")


def test_content_templates_must_exist(stage: UnhealthyStage) -> None:
    stage.twilio.double.whatsapp.contents = {HX: "News: {{1}}"}
    use(stage, f'{WHATSAPP}content = {{ default = "{HX}" }}\n')
    assert stage.check("whatsapp-content").state is State.OK
    use(stage, f'{WHATSAPP}content = {{ default = "HX{"b" * 32}" }}\n')
    assert "no content template HXbbbb" in stage.findings("whatsapp-content")
    use(stage, WHATSAPP)
    assert "only people who wrote to you in the last 24 hours" in stage.findings("whatsapp-content")
