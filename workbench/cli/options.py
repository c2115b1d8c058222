"""Options and error handling that several commands share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ..account import AccountError, find_account, readable_aws_errors
from ..output import fail

JSON_OPTION = click.option("--json", "json_", is_flag=True, help="Print one JSON document, for scripts")
YES_OPTION = click.option("--yes", is_flag=True, help="Make the changes; without it, only show them")
STAGE_OPTION = click.option("--stage", default="local", show_default=True, help='"local", or a stage in .chalice/config.json')
SINCE_HELP = "Start: 2h (ago), 2026-11-23 or 2026-11-23T10:00"


def on_account(command: Callable[..., None]) -> Callable[..., None]:
    """Pass a command the account of its --stage; turn errors into one sentence and exit code 1."""

    @STAGE_OPTION
    @wraps(command)
    def run(*, stage: str, **arguments: Any) -> None:
        try:
            account = find_account(stage)
            with readable_aws_errors():
                command(account, **arguments)
        except (AccountError, ValueError) as error:
            fail(str(error))

    return run
