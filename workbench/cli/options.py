"""Options and error handling that several commands share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click

from ..account import Account, AccountError, find_account, readable_aws_errors
from ..output import fail

JSON_OPTION = click.option("--json", "json_", is_flag=True, help="Print one JSON document, for scripts")
YES_OPTION = click.option("--yes", is_flag=True, help="Make the changes; without it, only show them")
STAGE_OPTION = click.option("--stage", default="local", show_default=True, help='"local", or a stage in .chalice/config.json')
VARIABLES_OPTION = click.option("--stage", default="local", show_default=True, help="Stage whose variables replace ${NAME}")
SINCE_HELP = "Start: 2h (ago), 2026-11-23 or 2026-11-23T10:00"


@contextmanager
def account_of(stage: str) -> Iterator[Account]:
    """The account of a stage, for a block; errors become one sentence and exit code 1."""
    try:
        account = find_account(stage)
        with readable_aws_errors():
            yield account
    except (AccountError, ValueError) as error:
        fail(str(error))


def on_account(command: Callable[..., None]) -> Callable[..., None]:
    """Pass a command the account of its --stage; turn errors into one sentence and exit code 1."""

    @STAGE_OPTION
    @wraps(command)
    def run(*, stage: str, **arguments: Any) -> None:
        with account_of(stage) as account:
            command(account, **arguments)

    return run
