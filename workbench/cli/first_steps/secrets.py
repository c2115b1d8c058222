"""Asks for the secrets of a stage."""

import os
import sys

import click

from chalicelib.domain.settings import Settings

from ...deployment.errors import SetupError
from ...deployment.webhooks import read_secret, secret_hint
from ...output import say


def ask_secret(name: str, settings: Settings, stage: str, yes: bool) -> str:
    """Return a secret from the environment (for scripts) or from a hidden prompt. It is stored only in Parameter Store.

    Raises:
        SetupError: nobody can be asked, or the secret in the environment is not valid.
    """
    variable = f"DROPNOTE_SECRET_{name.upper().replace('-', '_')}"
    value, is_asked = os.environ.get(variable, "").strip(), not yes and sys.stdin.isatty()
    if not value and not is_asked:
        raise SetupError(f"stage {stage} needs the secret {name}; set {variable}, or run this command in a terminal")
    hint = "; ".join(filter(None, ("hidden", secret_hint(settings, name))))
    while True:
        try:
            if value:
                return read_secret(settings, name, value)
        except ValueError as error:
            if not is_asked or variable in os.environ:
                raise SetupError(f"the secret {name} is not valid: {error}") from None
            say(str(error), "yellow")
        value = click.prompt(f"{name} for stage {stage} ({hint})", hide_input=True, default="", show_default=False).strip()
