"""An installation without the new channels loads nothing of them: cold starts must not get slower."""

import json
import subprocess
import sys

import pytest

from workbench.paths import PROJECT

NEW = ("channels.webhook", "channels.whatsapp", "rendering.chat", "rendering.content", "settings.webhooks", "settings.whatsapp")
PROGRAM = """
import json, sys
import app
from datetime import UTC, datetime
from chalicelib.domain.event import Event, Kind, Upload
from chalicelib.rules.recipients import notices_for_rule
bot = app.bot()
event = Event(Kind.UPLOAD, "0", datetime.now(UTC), upload=Upload("acme-drops", "in/a.txt", 1))
for rule in app.settings.rules:
    if rule.on is Kind.UPLOAD:
        for notice in notices_for_rule(event, rule):
            person, channel = notice.recipient.person, notice.recipient.channel
            bot.deliverer.renderer.render(notice.template, channel=channel, event=event, rule=rule.name, person=person)
print(json.dumps(sorted(sys.modules)))
"""
ENVIRONMENT = {
    "UPLOAD_BUCKET": "acme-drops",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "SHOP_URL": "https://shop.example.com",
    "DROPNOTE_STAGE": "dev",
    "DROPNOTE_LEDGER": "dropnote-dev-ledger",
    "DROPNOTE_SECRET_TWILIO_AUTH_TOKEN": "none",
    "DROPNOTE_SECRET_PUBLIC_URL": "none",
    "AWS_LAMBDA_FUNCTION_NAME": "dropnote-dev-upload_acme_drops",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "PATH": "",
}


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """The modules of a container that has rendered a message to each recipient of the shipped settings."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    modules: list[str] = json.loads(run.stdout.splitlines()[-1])
    return modules


def test_container_without_new_channels_loads_none_of_their_modules(loaded: list[str]) -> None:
    assert [name for name in loaded if name.startswith(tuple(f"chalicelib.{each}" for each in NEW))] == []
    assert "chalicelib.channels.twilio" in loaded  # the test sees what is loaded


@pytest.mark.parametrize("package", ["apprise", "http.server", "boto3", "yaml"])
def test_container_loads_no_package_of_them(loaded: list[str], package: str) -> None:
    assert package not in loaded


def test_zip_has_no_package_for_the_new_channels() -> None:
    assert "apprise" not in (PROJECT / "requirements.txt").read_text()
