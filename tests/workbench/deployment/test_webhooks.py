"""What set-up asks about webhooks, and what it stores."""

import re

import pytest

from chalicelib.channels.webhook.signature import decode_key
from tests.support.builders import ENVIRON, some_settings
from workbench.deployment.grants import StageLocation, policies
from workbench.deployment.webhooks import read_secret, secret_hint
from workbench.local.webhooks.double import KEY, URLS

SETTINGS = some_settings(
    "".join(f'[webhooks.{name}]\nformat = "{name}"\n' for name in ("slack", "teams", "discord", "json", "apprise"))
)


def test_question_says_what_the_secret_looks_like() -> None:
    assert "https://hooks.slack.com/services/…" in secret_hint(SETTINGS, "webhook-slack")
    assert "`new` to create one" in secret_hint(SETTINGS, "webhook-json-key")
    assert secret_hint(SETTINGS, "twilio-auth-token") == ""


@pytest.mark.parametrize("name", URLS)
def test_url_of_each_service_is_accepted(name: str) -> None:
    assert read_secret(SETTINGS, f"webhook-{name}", URLS[name]) == URLS[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-slack", "hooks.slack.com/hidden"),
        ("webhook-slack", "https://example.com/hidden"),
        ("webhook-teams", "https://acme.webhook.office.com/hidden"),
        ("webhook-json", "http://example.com/hidden"),
        ("webhook-json-key", "hidden"),
        ("webhook-json-key", f"{KEY} hidden"),
        ("webhook-apprise", "hidden"),
    ],
)
def test_secret_that_cannot_work_is_rejected_without_it(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read_secret(SETTINGS, name, value)
    assert "hidden" not in str(caught.value)


def test_new_signing_key_is_valid_and_another_each_time() -> None:
    keys = {read_secret(SETTINGS, "webhook-json-key", "new") for _ in range(2)}
    assert (len(keys), {len(decode_key(key)) for key in keys}) == (2, {32})


def test_functions_that_send_may_read_the_secrets_of_webhooks() -> None:
    variables = {**ENVIRON, "DROPNOTE_SECRETS": "/dropnote/dev/", "DROPNOTE_DEAD_EVENTS": "dead", "DROPNOTE_COUNTERS": "counters"}
    documents = policies(SETTINGS, variables, StageLocation("dev", "123456789012", "eu-west-1"))
    for function in ("upload_acme_drops", "sweep", "test", "send"):
        statement = next(each for each in documents[function]["Statement"] if each["Sid"] == "Secrets")
        names = {re.sub(".*/dropnote/dev/", "", resource) for resource in statement["Resource"]}
        assert {"webhook-slack", "webhook-json", "webhook-json-key", "webhook-apprise"} <= names
