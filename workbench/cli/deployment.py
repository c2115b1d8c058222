"""`dropnote setup`, `package`, `finish` and `remove`: the steps before and after `chalice deploy`."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from chalicelib.platform.signing.keys import KEY_NAME

from ..account import AccountError, readable_aws_errors
from ..deployment.buckets import BucketPlan
from ..deployment.config import config_name, read_stage, region, stage_secrets, stages
from ..deployment.finish import finish_stage
from ..deployment.grants import StageLocation
from ..deployment.remove import Removal
from ..deployment.setup import Setup, SetupError
from ..deployment.stack import Plan, StackError
from ..output import fail, print_table, progress, say
from ..paths import PROJECT, WHEELS
from ..settings_lines import settings_name
from .first_steps.secrets import ask_secret

_STAGE = click.option("--stage", required=True, help="For example dev or prod")
_YES = click.option("--yes", is_flag=True, help="Do not ask anything, for scripts")


def on_aws(command: Callable[..., None]) -> Callable[..., None]:
    """Report errors of the account in one sentence, with exit code 1."""

    @wraps(command)
    def run(**arguments: Any) -> None:
        try:
            with readable_aws_errors():
                command(**arguments)
        except (AccountError, SetupError, StackError) as error:
            fail(str(error))
        except click.Abort:
            fail("stopped; nothing more was changed")

    return run


def clients(service: str, **options: Any) -> Any:
    """A boto3 client. Imports boto3 on first use."""
    import boto3  # takes a third of a second, which the local environment does not need

    return boto3.client(service, **options)


@click.command()
@_STAGE
@click.option("--set", "values", multiple=True, metavar="NAME=VALUE", help="The value of ${NAME} in dropnote.toml")
@click.option("--rotate", is_flag=True, help="Ask for every secret again and replace it; also the console's key")
@_YES
@on_aws
def setup(stage: str, values: Sequence[str], rotate: bool, yes: bool) -> None:
    """Create what a stage needs in your account

    Shows the changes first. Safe to run again.
    """
    stage_setup = Setup(PROJECT, stage, clients)
    variables = _variables(stage_setup, dict(_pair(value) for value in values), yes)
    settings = stage_setup.settings(variables)
    location = stage_setup.location(settings)
    _check_region(stage, location.region)
    stage_setup.check_limits(settings, variables, location)
    say(f"account {location.account}, region {location.region}, stage {stage}")
    if location.sender:
        say(location.sender)
    buckets = stage_setup.buckets(settings, variables, location)
    bucket_plans = buckets.plans()
    prefix = variables["DROPNOTE_SECRETS"]
    names = stage_secrets(settings) if rotate else stage_setup.missing_secrets(settings, prefix)
    secrets = {
        name: stage_setup.rotated_key(prefix) if name == KEY_NAME else ask_secret(name, settings, stage, yes) for name in names
    }
    plan = stage_setup.plan(settings)
    _show(plan, bucket_plans)
    to_switch_on = [bucket for bucket in bucket_plans if bucket.switch_on is not None]
    if (plan.id or to_switch_on) and not yes:
        _confirm(stage_setup, plan)
    with progress("Making the changes") as step:
        stage_setup.stack.execute(plan, step)
    for line in map(buckets.switch_on, to_switch_on):
        say(line)
    sources, warnings = stage_setup.event_sources(settings, location)
    _warn([*(warning for bucket in bucket_plans for warning in bucket.warnings), *warnings])
    variables |= sources
    for name, value in secrets.items():
        stage_setup.put_secret(prefix, name, value)
        say(f"{prefix}{name}: stored as a SecureString")
    stage_setup.create_log_groups(settings, variables, location)
    files = stage_setup.write(settings, variables, location)
    for folder, count in Counter(str(Path(file).parent) for file in files).items():
        say(f"{folder}: {count} file{'s' * (count > 1)} written")
    _print_next_step(location)


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        say(warning, "yellow")
    if warnings:
        say("Run this command again when that is fixed.", "yellow")


def _check_region(stage: str, current: str) -> None:
    """Reject a region that is not the one in the user's config.json: a bucket notifies functions in its own region only."""
    if (expected := region(PROJECT, stage)) and expected != current:
        text = f"stage {stage} belongs to {expected} by {config_name(PROJECT)}, but the current region is {current}"
        raise SetupError(f"{text}; set AWS_DEFAULT_REGION={expected}, or change the file")


def _print_next_step(location: StageLocation) -> None:
    if location.sandbox:
        say("SES is in the sandbox: mail reaches only verified addresses. Run `dropnote doctor` to see how to leave it.")
    say(f"next: .venv/bin/chalice deploy --stage {location.stage}, then .venv/bin/dropnote finish --stage {location.stage}")


@click.command()
@_STAGE
@click.option("--public-url", default="", help="URL of the routes, if you use your own domain")
@click.option("--replies", is_flag=True, help="Let Twilio send people's texts here, even if they go elsewhere now")
@on_aws
def finish(stage: str, public_url: str, replies: bool) -> None:
    """Finish a deploy: set retries, dead-letter queues, public URL

    Sets what Chalice cannot. Run it after each deploy; safe to run again.
    """
    confirm = click.confirm if sys.stdin.isatty() and not replies else lambda question, default: replies
    for line in finish_stage(PROJECT, stage, clients, public_url, confirm):
        say(line)


@click.command()
@_STAGE
@click.option("--tables", is_flag=True, help="Also delete the ledger and the counters, with the record of what was sent")
@_YES
@on_aws
def remove(stage: str, tables: bool, yes: bool) -> None:
    """Remove a stage from your account

    Removes functions, triggers, roles, logs, secrets and the stack, and lists what remains.
    """
    removal = Removal(PROJECT, stage, clients)
    if count := removal.dead_letter_count():
        say(f"The dead-letter queue has {count} unprocessed events. If the sweep runs, it processes them within minutes.")
    if not yes and not click.confirm(f"Remove stage {stage}{' and its tables' if tables else ''}?", default=False):
        raise click.Abort
    if removal.is_deployed():
        _chalice("delete", "--stage", stage)
    for line in chain(removal.run(tables=tables), (f"kept: {kept}" for kept in removal.kept())):
        say(line)


@click.command()
@click.option(
    "--stage", default="local", show_default=True, help="The stage in .chalice/config.json with the lambda_architecture"
)
@on_aws
def package(stage: str) -> None:
    """Compile code into vendor/, for faster cold starts

    `chalice deploy` adds vendor/ to the zip; cold starts then take half the time.
    """
    from ..packaging.build import PackagingError, build, download_wheels, host_architecture

    if stage not in stages(PROJECT):
        raise SetupError(f"unknown stage {stage!r}; run dropnote setup --stage {stage} first")
    arch = read_stage(PROJECT, stage).get("lambda_architecture", "x86_64")
    try:
        with progress(f"Compiling for {arch}"), TemporaryDirectory() as fetched:
            wheels = WHEELS
            if arch != host_architecture():
                wheels = Path(fetched)
                download_wheels(PROJECT, arch, wheels)
            result = build(PROJECT, wheels, arch)
    except PackagingError as error:
        raise SetupError(str(error)) from error
    modules = f"{result.package_modules} modules of packages, {result.app_modules} of the app"
    say(f"vendor/: {modules}, {result.bytes / 1e6:.1f} MB, for {arch}")


def _variables(stage_setup: Setup, values: dict[str, str], yes: bool) -> dict[str, str]:
    """The stage's environment. Values of placeholders come from --set, from the user at the first set-up, or from config.json."""
    placeholders, stage = stage_setup.placeholders(), stage_setup.stage
    if unused := [name for name in values if name not in placeholders]:
        raise SetupError(
            f"{settings_name(PROJECT)} does not use ${{{unused[0]}}}; its placeholders: {', '.join(placeholders) or 'none'}"
        )
    variables = stage_setup.variables() | values
    known = values if not stage_setup.stack.status() and not yes and sys.stdin.isatty() else variables
    unknown = [name for name in placeholders if name not in known]
    if unknown and (yes or not sys.stdin.isatty()):
        flags = " ".join(f"--set {name}=…" for name in unknown)
        raise SetupError(f"stage {stage} has no values for placeholders in {settings_name(PROJECT)}; add {flags}")
    for name in unknown:
        variables[name] = click.prompt(f"{name} for stage {stage}", default=variables.get(name))
    return variables


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier() and value):
        raise SetupError(f"--set: invalid value {text!r}; use NAME=VALUE")
    return name, value


def _show(plan: Plan, buckets: Sequence[BucketPlan]) -> None:
    rows = [[change.action.lower(), change.name, change.type, "replaced" if change.replaced else ""] for change in plan.changes]
    if rows:
        print_table(["change", "resource", "type", ""], rows)
    else:
        say("the stack is up to date")
    for line in (line for bucket in buckets for line in bucket.lines):
        say(line)


def _confirm(stage_setup: Setup, plan: Plan) -> None:
    """Ask for confirmation. Any other answer, the end of the input or Ctrl-C discards the plan."""
    try:
        click.confirm("Make these changes?", default=True, abort=True)
    except click.Abort:
        stage_setup.stack.discard(plan)
        raise


def _chalice(*arguments: str) -> None:
    """Run Chalice as the user would; raises SetupError if it fails. Its output is shown."""
    command = [str(Path(sys.executable).with_name("chalice")), *arguments]
    if subprocess.run(command, cwd=PROJECT, check=False).returncode != 0:
        raise SetupError(f"`chalice {' '.join(arguments)}` failed; nothing else was removed")


COMMANDS = (setup, package, finish, remove)
