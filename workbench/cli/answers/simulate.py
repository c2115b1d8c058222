"""The command simulate: sends recorded payloads through the bot's handlers, or only shows what they would cause."""

from pathlib import Path
from typing import TextIO

import click

from chalicelib.bot.assembly import SETTINGS_FILE
from chalicelib.platform.clock import utc_now

from ...account import AccountError, settings_of
from ...deployment.config import stage_names
from ...output import fail, print_json, say
from ...reports.answers.payloads import PayloadError, Recorded, read_payloads
from ..options import JSON_OPTION, VARIABLES_OPTION, account_of


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.File(encoding="utf-8", lazy=False))
@click.option("--dry-run", is_flag=True, help="Send nothing; show what would be sent to whom, and by which rule")
@click.option("--settings", "path", type=click.Path(path_type=Path, exists=True), help="With --dry-run: another settings file")
@VARIABLES_OPTION
@JSON_OPTION
def simulate(files: tuple[TextIO, ...], dry_run: bool, path: Path | None, stage: str, json_: bool) -> None:
    """Send recorded payloads through the bot's functions

    Payloads as AWS sends them to a function: of S3, EventBridge (uploads, alarms, other events, schedules), SNS, SQS and DynamoDB
    streams, as JSON; "-" reads standard input. They go to the local environment (make run). With --dry-run nothing is sent, and
    neither the local environment nor an account is needed.
    """
    if not dry_run and (stage != "local" or path):
        fail("payloads are sent in the local environment only, with its settings; add --dry-run")
    try:
        recorded = [each for file in files for each in read_payloads(file.name, file.read())]
        if dry_run:
            _dry_run(recorded, path or SETTINGS_FILE, stage, json_)
        else:
            _send(recorded, json_)
    except UnicodeDecodeError:
        fail("a file is not UTF-8 text; payloads are JSON")
    except (AccountError, PayloadError) as error:
        fail(str(error))


def _dry_run(recorded: list[Recorded], path: Path, stage: str, json_: bool) -> None:
    from ...reports.answers.simulation import simulate, simulation_lines  # loads Chalice's test client

    settings, variables = settings_of(stage, stage_names(stage), path)
    simulation = simulate(settings, variables, stage, recorded, utc_now())
    if json_:
        print_json(simulation.as_dict())
        return
    for line, style in simulation_lines(simulation):
        say(line, style)


def _send(recorded: list[Recorded], json_: bool) -> None:
    from ...reports.answers.local_run import deployed_functions, send, sent_lines

    results = []
    with account_of("local") as account:
        bot, functions = account.bot(), deployed_functions(account)
        for each in recorded:
            results.append(send(account, bot, each, functions))
            for line, style in [] if json_ else sent_lines(results[-1]):
                say(line, style)
    if json_:
        print_json([result.as_dict() for result in results])
    if any(result.error for result in results):
        raise SystemExit(1)


COMMANDS = (simulate,)
