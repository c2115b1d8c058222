"""The dropnote command: the local world, and what one does with a bot every day."""

import json
import signal
import webbrowser
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from chalicelib import __version__

from ..account import Account
from ..local.running import RunningEnvironment, read_running
from ..output import as_json, fail, say, table, working
from . import budget, counts, deployment, explain, monitors, silences, tasks
from .deliveries import COMMANDS, on_account
from .doctor import doctor
from .rehearsal import rehearse

PORT = click.IntRange(0, 65_535)
AS_JSON = click.option("--json", "json_", is_flag=True, help="One JSON document, for scripts.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dropnote")
def main() -> None:
    """Tells people by SMS or e-mail what lands in their S3 buckets."""


@main.command()
@click.option("--port", default=4566, show_default=True, type=PORT, help="Of the local AWS.")
@click.option("--desk-port", default=4580, show_default=True, type=PORT, help="Of the inbox page.")
@click.option("--story/--no-story", default=True, help="Let one thing of each kind break and be mended, to show what is told.")
def up(port: int, desk_port: int, story: bool) -> None:
    """Start the local world, and stay until Ctrl-C."""
    from ..local.environment import LocalEnvironment, LocalEnvironmentError
    from ..reports.check import check_all

    if port == desk_port != 0:
        fail(f"Both cannot listen on port {port}: give --port and --desk-port different ones.")
    if (report := check_all(None, "local")).findings:
        report.print(say)
        fail("Nothing was started: mend that first.")
    try:
        with ExitStack() as running:
            with working("starting the local world") as step:
                world = running.enter_context(LocalEnvironment(port=port, desk_port=desk_port, on_step=step))
            _welcome(world.running)
            if story:
                _play(world.running)
            signal.pause()
    except LocalEnvironmentError as error:
        fail(str(error), error.tail)
    except KeyboardInterrupt:
        say("\nstopped, nothing left behind")


def _welcome(world: RunningEnvironment) -> None:
    say("ready", "green")
    say(f"  inbox   {world.desk}/")
    say("  upload  .venv/bin/dropnote put FILE")
    say(
        f"  or      AWS_ACCESS_KEY_ID={world.access_key} AWS_SECRET_ACCESS_KEY={world.secret_key} AWS_DEFAULT_REGION={world.region} \\"  # noqa: E501
    )
    say(f"          aws --endpoint-url {world.endpoint} s3 cp FILE s3://{world.bucket}/")
    say(f"  break   curl -X POST '{world.shop}/mode?be=failing'     (be=well mends it)")
    say("  stop    Ctrl-C")


def _play(world: RunningEnvironment) -> None:
    """What monitors tell, for the inbox to begin with."""
    from botocore.exceptions import BotoCoreError, ClientError

    from ..local.demo.demo_incidents import play_incidents

    try:
        with working("breaking and mending one thing of each kind") as step:
            for line in play_incidents(world):
                step(line)
    except (BotoCoreError, ClientError, OSError, RuntimeError) as error:
        say(f"the story broke off: {error}", "yellow")
        return
    say("  a shop, a feed, a server, an alarm and an order broke, and were mended: the inbox tells of each", "dim")


@main.command()
@click.option("--port", default=0, type=PORT, help="Of the local AWS; 0 is any free one.")
@click.option("--desk-port", default=0, type=PORT, help="Of the inbox page; 0 is any free one.")
@AS_JSON
def demo(port: int, desk_port: int, json_: bool) -> None:
    """Upload three files to a local world and show each SMS and mail that comes of it."""
    from ..local.demo.demo import run_demo
    from ..local.environment import LocalEnvironment, LocalEnvironmentError

    try:
        with working("starting the local world") as step, LocalEnvironment(port=port, desk_port=desk_port, on_step=step) as world:
            told = run_demo(world.running, step)
    except LocalEnvironmentError as error:
        fail(str(error), error.tail)
    except KeyboardInterrupt:
        fail("stopped before the end")
    if json_:
        as_json(told.as_dict())
    else:
        told.print(say)
    if told.missing:
        fail("\n".join(told.missing))


@main.command()
@click.option("--settings", "path", type=click.Path(path_type=Path), default=None, help="Another settings file.")
@click.option("--stage", default="local", show_default=True, help="Whose environment fills ${NAME}.")
@AS_JSON
def check(path: Path | None, stage: str, json_: bool) -> None:
    """Read settings and render every template; say all that is wrong at once."""
    from ..reports.check import check_all

    report = check_all(path, stage)
    if json_:
        as_json(report.as_dict())
    else:
        report.print(say)
    raise SystemExit(1 if report.findings else 0)


@main.command()
@click.argument("template")
@click.option("--event", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An S3 event as JSON.")
@click.option("--stage", default="local", show_default=True)
@click.option("--open", "open_", is_flag=True, help="Show the HTML part in the browser.")
@AS_JSON
def preview(template: str, file: Path | None, stage: str, open_: bool, json_: bool) -> None:
    """Show what a template makes of an event: every part of it."""
    from ..reports.check import CheckError, preview_parts

    try:
        parts = preview_parts(template, file, stage)
    except CheckError as error:
        fail(str(error))
    if json_:
        as_json(parts)
    for name, text in {} if json_ else parts.items():
        say(f"── {name}", "bold")
        say(text)
    if open_:
        with NamedTemporaryFile("w", suffix=".html", prefix="dropnote-", delete=False, encoding="utf-8") as page:
            page.write(parts["email.html"])
        webbrowser.open(Path(page.name).as_uri())


@main.command()
@click.argument("target", metavar="WHO|RULE")
@AS_JSON
@on_account
def test(account: Account, target: str, json_: bool) -> None:
    """Send a message marked [TEST] the real way: to a person, a group, or everybody a rule names."""
    asked = json.dumps({"to": target}).encode()
    with working(f"asking for a test to {target}"):
        answer = account.client("lambda").invoke(FunctionName=f"dropnote-{account.stage}-test", Payload=asked)
        result: dict[str, Any] = json.loads(answer["Payload"].read())
    if "deliveries" not in result:
        fail(str(result.get("error") or result.get("errorMessage") or "the test function failed: see dropnote log"))
    if json_:
        as_json(result)
    else:
        table(["person", "channel", "state", "reason"], [_short(each) for each in result["deliveries"]])
    if not result["deliveries"] or any(each["state"] != "sent" for each in result["deliveries"]):
        raise SystemExit(1)


def _short(delivery: dict[str, str]) -> list[str]:
    why = delivery["reason"] + (f": {delivery['detail']}" if delivery["detail"] else "")
    return [delivery["person"], delivery["channel"], delivery["state"], why]


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("key", required=False)
def put(file: Path, key: str | None) -> None:
    """Upload a file to the local bucket."""
    from botocore.exceptions import BotoCoreError, ClientError

    from chalicelib.domain.event import Upload

    from ..account import AccountError, find_account
    from ..reports.ledger_log import unwanted

    world = _world()
    try:
        with working(f"uploading {file.name}"):
            world.client("s3").upload_file(str(file), world.bucket, key or file.name)
    except (BotoCoreError, ClientError, OSError) as error:
        fail(f"The upload of {file} failed: {error}")
    say(f"s3://{world.bucket}/{key or file.name}")
    with suppress(AccountError):  # settings that are being written: the world has those it was started with
        settings = find_account("local").settings
        if reasons := unwanted(settings, Upload(world.bucket, key or file.name, file.stat().st_size)):
            say("nobody hears of it, by the settings as they are now: " + "; ".join(reasons))
    say(f"the inbox: {world.desk}/", "dim")


def _world() -> RunningEnvironment:
    world = read_running()
    if world is None:
        fail("No local world runs here: start one with `make run`, in another terminal.")
    return world


for command in (
    *COMMANDS,
    explain.command,
    *silences.COMMANDS,
    *budget.COMMANDS,
    *counts.COMMANDS,
    *monitors.COMMANDS,
    *tasks.COMMANDS,
    *deployment.COMMANDS,
    doctor,
    rehearse,
):
    main.add_command(command)


if __name__ == "__main__":
    main()
