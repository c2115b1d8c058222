"""What set-up says about the secrets of webhooks when it asks for them, and what it does not accept."""

import base64
import secrets

from chalicelib.channels.webhook.formats import FORMATS, foreign_host, url_problem
from chalicelib.channels.webhook.signature import PREFIX, InvalidKey, decode_key
from chalicelib.domain.settings import Settings, WebhookSettings


def secret_hint(settings: Settings, name: str) -> str:
    """What a secret is, for the question; "" if its name says it."""
    if name.endswith("-key") and _webhook(settings, name):
        return "signing keys: whsec_… (several separated by spaces while you rotate them), or `new` to create one"
    webhook = _webhook(settings, name)
    return f"the URL of the webhook, such as {FORMATS[webhook.format].example}" if webhook else ""


def read_secret(settings: Settings, name: str, value: str) -> str:
    """Check a secret that somebody entered; returns it, or a new signing key.

    Raises:
        ValueError: it cannot work. One sentence, without the secret.
    """
    webhook = _webhook(settings, name)
    if webhook is None:
        return value
    if name.endswith("-key"):
        value = new_key() if value == "new" else value
        for key in value.split():
            decode_key(key)
        return value
    if problem := url_problem(webhook, value):
        raise ValueError(f"the URL {problem}")
    if host := foreign_host(webhook, value):
        raise ValueError(f"the URL belongs to {host}, not to {webhook.format}; it looks like {FORMATS[webhook.format].example}")
    return value


def new_key() -> str:
    """A new signing key of 32 bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_problems(settings: Settings, webhook: WebhookSettings, values: dict[str, str]) -> list[str]:
    """What is wrong with the secrets of a webhook that are stored. Without the secrets."""
    problems = []
    for name in webhook.secrets:
        try:
            read_secret(settings, name, values[name])
        except (ValueError, InvalidKey) as error:
            problems.append(str(error))
    return problems


def _webhook(settings: Settings, secret: str) -> WebhookSettings | None:
    return next((webhook for webhook in settings.webhooks.values() if secret in webhook.secrets), None)
