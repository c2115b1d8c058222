"""Checks webhooks: whether the stored URLs and signing keys can work. Sends nothing."""

from collections.abc import Iterator

from chalicelib.domain.settings import Settings
from chalicelib.health.rules import Problem
from chalicelib.platform.secrets import MissingSecret

from ..account import Account
from ..deployment.webhooks import secret_problems
from ..paths import PROJECT


def with_webhooks(settings: Settings) -> bool:
    """Whether the settings have a webhook."""
    return bool(settings.webhooks)


def stored(account: Account) -> Iterator[Problem]:
    """Check the secrets of each webhook. A missing one is a finding of the check of secrets."""
    store = account.bot().secrets
    for webhook in account.settings.webhooks.values() if store else ():
        try:
            values = {name: store.secret(name) for name in webhook.secrets}  # type: ignore[union-attr]  # see above
        except MissingSecret:
            continue
        for problem in secret_problems(account.settings, webhook, values):
            what = f"Webhook {webhook.name} ({webhook.format}): {problem}."
            yield Problem("webhooks", webhook.name, what, f"dropnote setup --stage {account.stage} --rotate")


def with_apprise(settings: Settings) -> bool:
    """Whether a webhook is sent by Apprise."""
    return any(webhook.format == "apprise" for webhook in settings.webhooks.values())


def apprise(account: Account) -> Iterator[Problem]:
    """Check that the package Apprise is in the zip."""
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    if not any(line.startswith("apprise==") for line in lines):
        what = "A webhook has the format apprise, and the package apprise is not in requirements.txt."
        yield Problem("webhooks", "apprise", what, "add its lines as docs/channels.md shows, and deploy")
