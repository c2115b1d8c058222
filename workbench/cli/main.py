"""The dropnote command: its group, and the commands of the local environment: up, demo."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from chalicelib import __version__
from chalicelib.bot.assembly import make_console
from chalicelib.domain.event import Upload
from chalicelib.platform.custom import refresh_links, settings_file

from ..account import find_account
from ..local.running import RunningEnvironment
from ..output import fail, print_json, progress, say
from ..paths import PROJECT
from . import check, counts, deployment, log, monitors, resend, silences, tasks
from .answers import explain, simulate
from .console import link, login
from .deploy.policy import policy
from .deploy.smoke import smoke
from .deploy.terraform import terraform
from .doctor import doctor
from .first_steps.confirm import confirm
from .first_steps.init import init
from .first_steps.put import mismatches, put
from .options import JSON_OPTION
from .rehearsal import rehearse

PORT = click.IntRange(0, 65_535)
_STOPPED = "Stopped; nothing was left behind. Uploads, inbox and log are gone; the next start is a fresh one."
SHIPPED_SETTINGS = PROJECT / "chalicelib" / "dropnote.toml"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dropnote")
def main() -> None:
    """Text and e-mail alerts for files, servers and tables on AWS.

    Commands work on the local environment (make run), or with --stage on a deployed stage.
    """
    refresh_links()


@main.command()
@click.option("--port", default=4566, show_default=True, type=PORT, help="Port of the local AWS emulator")
@click.option(
    "--inbox-port", "--desk-port", "server_port", default=4580, show_default=True, type=PORT, help="Port of the inbox page"
)
@click.option("--story/--no-story", default=True, show_default=True, help="Play sample incidents, so that the inbox is not empty")
@click.option("--watch", is_flag=True, help="Deploy each change of settings, templates and code")
def up(port: int, server_port: int, story: bool, watch: bool) -> None:
    """Start the local environment and keep it running until Ctrl-C

    Uploads, messages and the log end with it: each start is a fresh one.
    """
    from ..local.environment import LocalEnvironment
    from ..reports.check import check_all
    from .answers.watch import watch_project

    if port == server_port != 0:
        fail(f"--port and --inbox-port are both {port}; use different ports")
    if (report := check_all(None, "local")).findings:
        report.print(say)
        fail("not started; fix the errors above first")
    with _until_stopped(), ExitStack() as stack:
        with progress("Starting the local environment") as step:
            environment = stack.enter_context(LocalEnvironment(port=port, server_port=server_port, on_step=step))
        _welcome(environment.running)
        if story and settings_file() == SHIPPED_SETTINGS:
            _play(environment.running)
        elif story:
            _upload_first(environment.running)
        if watch:
            watch_project(environment)
        signal.pause()


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Run the environment in this block until Ctrl-C or SIGTERM; exit code 0, because make calls any other one an error."""
    from ..local.environment import TERMINATED, LocalEnvironmentError

    try:
        yield
    except LocalEnvironmentError as error:
        fail(str(error), error.tail)
    except KeyboardInterrupt:
        say(f"\n{_STOPPED}")
    except SystemExit as end:
        if end.code != TERMINATED:
            raise
        say(_STOPPED)


def _welcome(running: RunningEnvironment) -> None:
    credentials = f"AWS_ACCESS_KEY_ID={running.access_key} AWS_SECRET_ACCESS_KEY={running.secret_key}"
    say("Ready", "green")
    say(f"  inbox   {running.server}/")
    if link := _console_link():
        say(f"  console {link}")
    say("  upload  .venv/bin/dropnote put FILE")
    say(f"  or      {credentials} AWS_DEFAULT_REGION={running.region} \\")
    say(f"          aws --endpoint-url {running.endpoint} s3 cp FILE s3://{running.bucket}/")
    say(f"  break   curl -X POST '{running.shop}/mode?be=failing'     (be=well fixes it)")
    say("  stop    Ctrl-C")


def _console_link() -> str:
    """A link that signs the owner in to the console; "" if the settings let nobody in."""
    account = find_account("local")
    console = make_console(account.bot(), account.variables, account.client)
    access = account.settings.console
    person = account.settings.bot.owner or next(iter(access.operators if access else ()), "")
    if access is None or access.role_of(person) is None:
        return ""
    return login.new_link(console, person, login.base_url(account, console))


def _play(running: RunningEnvironment) -> None:
    """Play sample incidents, so that the inbox opens with alerts."""
    from botocore.exceptions import BotoCoreError, ClientError

    from ..account import find_account
    from ..local.demo.demo_incidents import play_incidents
    from ..local.demo.demo_webhooks import play_webhooks

    try:
        with progress("Playing sample incidents") as step:
            for line in play_incidents(running):
                step(line)
            step("Sending to Slack, Teams and Discord")
            account = find_account("local")
            play_webhooks(account.settings, account.variables, account.client)
    except (BotoCoreError, ClientError, OSError, RuntimeError) as error:
        say(f"The sample incidents stopped early: {error}", "yellow")
        return
    say("  The inbox opens with sample alerts: an outage, a late feed, a hot server and an alarm, each with its recovery,", "dim")
    say("  a rejected order, and what messages look like in Slack, Microsoft Teams and Discord.", "dim")


def _upload_first(running: RunningEnvironment) -> None:
    """Upload a file, so that the inbox opens with a message of the user's own settings."""
    from ..local.demo.first_upload import KEY, upload_first

    if reasons := mismatches(Upload(running.bucket, KEY, 1)):
        say("  No sample upload, because no rule matches it:", "dim")
        for reason in reasons:
            say(f"  {reason}", "dim")
        return
    with progress(f"Uploading {KEY}"):
        seconds = upload_first(running)
    if seconds is None:
        say(f"  Uploaded {KEY}; no message yet: see .venv/bin/dropnote log", "yellow")
    else:
        say(f"  Uploaded {KEY}; its first message arrived after {seconds:.1f} s.", "dim")


@main.command()
@click.option("--port", default=0, type=PORT, help="Port of the local AWS emulator; 0 is any free port")
@click.option(
    "--inbox-port", "--desk-port", "server_port", default=0, type=PORT, help="Port of the inbox page; 0 is any free port"
)
@JSON_OPTION
def demo(port: int, server_port: int, json_: bool) -> None:
    """Upload files locally, also in a burst, and show the messages"""
    from ..local.demo.demo import run_demo
    from ..local.environment import LocalEnvironment, LocalEnvironmentError

    try:
        with (
            progress("Starting the local environment") as step,
            LocalEnvironment(port=port, server_port=server_port, on_step=step) as environment,
        ):
            result = run_demo(environment.running, environment.settings, step)
    except LocalEnvironmentError as error:
        fail(str(error), error.tail)
    except KeyboardInterrupt:
        fail("stopped early")
    if json_:
        print_json(result.as_dict())
    else:
        result.print(say)
    if result.missing:
        fail("\n".join(result.missing))


for group in (log, login, link, resend, check, explain, simulate, silences, counts, monitors, tasks, deployment):
    for command in group.COMMANDS:
        main.add_command(command)
main.add_command(doctor)
main.add_command(rehearse)
main.add_command(init)
main.add_command(put)
main.add_command(policy)
main.add_command(smoke)
main.add_command(terraform)
main.add_command(confirm)


if __name__ == "__main__":
    main()
