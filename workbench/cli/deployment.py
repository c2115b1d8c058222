"""`dropnote setup`, `finish` and `remove`: what goes before and after `chalice deploy`."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from platform import machine
from tempfile import TemporaryDirectory
from typing import Any

import click

from ..account import AccountError, telling
from ..deployment.config import read_stage, stages
from ..deployment.finish import finish_stage
from ..deployment.grants import Place, secret_names
from ..deployment.remove import Removal
from ..deployment.setup import Setup, SetupError
from ..deployment.stack import Plan, StackError
from ..output import fail, say, table, working
from ..paths import PROJECT, WHEELS

_STAGE = click.option("--stage", required=True, help="Such as dev or prod.")
_YES = click.option("--yes", is_flag=True, help="Ask nothing: for scripts.")


def on_aws(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what goes wrong in an account into one sentence and exit code 1."""

    @wraps(command)
    def run(**arguments: Any) -> None:
        try:
            with telling():
                command(**arguments)
        except (AccountError, SetupError, StackError) as error:
            fail(str(error))
        except click.Abort:
            fail("Stopped: nothing more was changed.")

    return run


def clients(service: str) -> Any:
    """boto3.client, made when the first is needed."""
    import boto3  # a third of a second that the local world does not need

    return boto3.client(service)


@click.command()
@_STAGE
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="The value of ${NAME} in dropnote.toml.")
@click.option("--rotate", is_flag=True, help="Ask for the secrets again, though they are there.")
@_YES
@on_aws
def setup(stage: str, given: Sequence[str], rotate: bool, yes: bool) -> None:
    """Make what a stage needs in your account: shows the changes first. Safe to run again."""
    work = Setup(PROJECT, stage, clients)
    variables = _filled(work, dict(_pair(each) for each in given), yes)
    settings = work.settings(variables)
    place = work.place(settings)
    say(f"account {place.account}, region {place.region}, stage {stage}")
    prefix = variables["DROPNOTE_SECRETS"]
    wanted = secret_names(settings) if rotate else work.missing_secrets(settings, prefix)
    secrets = {name: _secret(name, stage, yes) for name in wanted}
    plan = work.plan(settings)
    _show(plan)
    if plan.id and not yes:
        _confirm(work, plan)
    with working("making the changes") as step:
        work.stack.execute(plan, step)
    streams, deaf = work.streams(settings)
    for sentence in deaf:
        say(f"{sentence} Run this again when it is.", "yellow")
    variables |= streams
    for name, value in secrets.items():
        work.put_secret(prefix, name, value)
        say(f"{prefix}{name}: kept as a SecureString")
    work.keep_logs(settings, variables, place)
    for folder, count in Counter(str(Path(file).parent) for file in work.write(settings, variables, place)).items():
        say(f"{folder}: {count} file{'s' * (count > 1)} written")
    _say_next(place)


def _say_next(place: Place) -> None:
    if place.sandbox:
        say("SES is in its sandbox: mail reaches verified addresses only. `dropnote doctor` says how to leave it.")
    say(f"next: .venv/bin/chalice deploy --stage {place.stage}, then .venv/bin/dropnote finish --stage {place.stage}")


@click.command()
@_STAGE
@click.option("--public-url", default="", help="Where the routes are, when a domain of yours stands before them.")
@on_aws
def finish(stage: str, public_url: str) -> None:
    """Set what Chalice cannot, after each deploy: retries, dead events, the public URL. Safe to run again."""
    for line in finish_stage(PROJECT, stage, clients, public_url):
        say(line)


@click.command()
@_STAGE
@click.option("--tables", is_flag=True, help="The ledger and the counters too: who was told what is gone then.")
@_YES
@on_aws
def remove(stage: str, tables: bool, yes: bool) -> None:
    """Take a stage back: functions, bindings, roles, logs, secrets, stack. Says what it leaves."""
    work = Removal(PROJECT, stage, clients)
    if waiting := work.dead_events():
        say(f"{waiting} dead events wait and nobody was told of them: the sweep takes them within minutes, if it runs.")
    if not yes and not click.confirm(f"Remove stage {stage}{' and its tables' if tables else ''}?", default=False):
        raise click.Abort
    if work.is_deployed():
        _chalice("delete", "--stage", stage)
    for line in work.run(tables=tables):
        say(line)
    for line in work.left():
        say(f"left: {line}")


@click.command()
@click.option("--stage", default="local", show_default=True, help="Whose lambda_architecture in .chalice/config.json counts.")
@on_aws
def package(stage: str) -> None:
    """Compile what the zip needs into vendor/, which `chalice deploy` takes along: cold starts are twice as quick."""
    from ..packaging.build import MACHINES, PackagingError, build, download

    if stage not in stages(PROJECT):
        raise SetupError(f"There is no stage {stage} in .chalice/config.json: dropnote setup --stage {stage} makes it.")
    arch = read_stage(PROJECT, stage).get("lambda_architecture", "x86_64")
    try:
        with working(f"compiling for {arch}"), TemporaryDirectory() as fetched:
            wheels = WHEELS
            if MACHINES[arch] != machine():
                wheels = Path(fetched)
                download(PROJECT, arch, wheels)
            built = build(PROJECT, wheels, arch)
    except PackagingError as error:
        raise SetupError(str(error)) from error
    say(f"vendor/: {built.theirs} modules of packages, {built.ours} of ours, {built.bytes / 1e6:.1f} MB, for {arch}")


def _filled(work: Setup, given: dict[str, str], yes: bool) -> dict[str, str]:
    """The stage's environment, with what only a person can know: given, asked for at the first set-up, or as it was."""
    asked = work.asked_for()
    if slips := [name for name in given if name not in asked]:
        raise SetupError(f"chalicelib/dropnote.toml names no ${{{slips[0]}}}; it names {', '.join(asked) or 'none'}.")
    variables = work.variables() | given
    known = given if not work.stack.status() and not yes and sys.stdin.isatty() else variables
    unknown = [name for name in asked if name not in known]
    if unknown and (yes or not sys.stdin.isatty()):
        flags = " ".join(f"--set {name}=…" for name in unknown)
        raise SetupError(f"chalicelib/dropnote.toml names what stage {work.stage} does not have: {flags}")
    for name in unknown:
        variables[name] = click.prompt(f"{name} of stage {work.stage}", default=variables.get(name))
    return variables


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier() and value):
        raise SetupError(f"--set takes NAME=VALUE, and not {text!r}.")
    return name, value


def _show(plan: Plan) -> None:
    if not plan.changes:
        say("the stack is as it should be")
        return
    rows = [[each.action.lower(), each.name, each.type, "replaced" if each.replaced else ""] for each in plan.changes]
    table(["change", "what", "type", ""], rows)


def _confirm(work: Setup, plan: Plan) -> None:
    """Go on only with a yes; a no, the end of the input and Ctrl-C leave nothing of the plan behind."""
    try:
        click.confirm("Make these changes?", default=True, abort=True)
    except click.Abort:
        work.stack.drop(plan)
        raise


def _secret(name: str, stage: str, yes: bool) -> str:
    """A secret: from the environment for scripts, typed unseen by a person. It goes to Parameter Store and nowhere else."""
    variable = f"DROPNOTE_SECRET_{name.upper().replace('-', '_')}"
    value = os.environ.get(variable, "")
    if not value and (yes or not sys.stdin.isatty()):
        raise SetupError(f"The stage needs the secret {name}: run this on a terminal, or with {variable} in the environment.")
    while not value.strip():
        value = click.prompt(f"{name} of stage {stage} (not shown)", hide_input=True, default="", show_default=False)
    return value.strip()


def _chalice(*arguments: str) -> None:
    """Run Chalice as the user would.

    Raises:
        SetupError: it failed; what it said has been shown.
    """
    command = [str(Path(sys.executable).with_name("chalice")), *arguments]
    if subprocess.run(command, cwd=PROJECT, check=False).returncode != 0:
        raise SetupError(f"`chalice {' '.join(arguments)}` failed; nothing else was removed.")


COMMANDS = (setup, package, finish, remove)
