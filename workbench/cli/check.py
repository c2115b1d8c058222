"""Commands that work on the settings alone and send nothing: check, preview, explain."""

import webbrowser
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click
import msgspec

from chalicelib.domain.event import Creation, Event, Upload
from chalicelib.platform.clock import utc_now
from chalicelib.platform.custom import SETTINGS_NAME
from chalicelib.platform.fields.table import FieldError
from chalicelib.platform.fields.values import parse_duration

from ..account import AccountError, find_account, readable_aws_errors, settings_of
from ..output import fail, print_json, say
from ..reports import explain as reports
from ..reports.explain_monitors import explain_name
from ..reports.filters.facts import given_facts, read_object
from ..reports.ledger_log import parse_time
from ..settings_lines import display_path
from .options import JSON_OPTION

_STAGE_OPTION = click.option("--stage", default="local", show_default=True, help="Stage whose variables replace ${NAME}")
CREATIONS = [creation.value for creation in Creation]


@click.command()
@click.option(
    "--settings", "path", type=click.Path(path_type=Path), default=None, help=f"Settings file; default: {SETTINGS_NAME}"
)
@_STAGE_OPTION
@JSON_OPTION
def check(path: Path | None, stage: str, json_: bool) -> None:
    """Validate settings and templates; report every error"""
    from ..reports.check import check_all

    report = check_all(path, stage)
    if json_:
        print_json(report.as_dict())
    else:
        report.print(say)
    raise SystemExit(1 if report.findings else 0)


@click.command()
@click.argument("template")
@click.option(
    "--event",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="S3 event as JSON; default: a sample event",
)
@_STAGE_OPTION
@click.option("--open", "open_", is_flag=True, help="Open the HTML part in the browser")
@JSON_OPTION
def preview(template: str, file: Path | None, stage: str, open_: bool, json_: bool) -> None:
    """Render every part of a template"""
    from ..reports.check import CheckError, preview_parts
    from ..reports.texts.prices import preview_line

    try:
        parts = preview_parts(template, file, stage)
    except CheckError as error:
        fail(str(error))
    if json_:
        print_json(parts)
    for name, text in {} if json_ else parts.items():
        say(f"── {name}", "bold")
        say(text)
        if name == "sms.txt":
            say(preview_line(text, settings_of(stage)[0]), "dim")
    if open_:
        with NamedTemporaryFile("w", suffix=".html", prefix="dropnote-", delete=False, encoding="utf-8") as page:
            page.write(parts["email.html"])
        webbrowser.open(Path(page.name).as_uri())


@click.command()
@click.argument("target", metavar="s3://BUCKET/KEY|MONITOR|RULE")
@click.option("--size", default="", help="Size of the upload, such as 12KB or 5GB; default: unknown")
@click.option("--created", default="put", show_default=True, type=click.Choice(CREATIONS), help="How the object was created")
@click.option("--content-type", default="", help="Content type of the object, such as application/pdf")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Metadata of the object; may be repeated")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Tag of the object; may be repeated")
@click.option("--uploader", default="", help="Who uploads it: S3's principal id, such as AWS:AROAEXAMPLE:session")
@click.option("--previous", default="", metavar="none|AGE", help="Age of the version that it replaces, such as 3d; or none")
@click.option("--read", "read_", is_flag=True, help="Read what the conditions need from the real object")
@click.option("--at", default="", help="Time of the upload in this machine's time zone, such as 2026-11-23T10:00; default: now")
@click.option("--burst", default=1, show_default=True, type=click.IntRange(1, 100_000), help="Number of such uploads")
@click.option("--over", default="1m", show_default=True, help="Time in which the burst arrives")
@_STAGE_OPTION
@JSON_OPTION
def explain(target: str, at: str, stage: str, json_: bool, read_: bool, **options: Any) -> None:
    """Explain what an upload, rule or monitor does; send nothing

    For an upload: which rules match and why, who is notified, by which channel and when. For a monitor or a rule: what it
    checks, who is notified, and its current state.
    """
    if "://" not in target:
        _explain_name(target, stage, json_)
        return
    try:
        results = _explain_upload(target, parse_time(at, utc_now()) if at else utc_now(), stage, read_, options)
    except FieldError as error:
        fail(f"{error.problem}; {error.hint}")
    except (AccountError, ValueError) as error:
        fail(str(error))
    if json_:
        print_json([msgspec.to_builtins(result) for result in results])
    else:
        _print_results(results)


def _print_results(results: Sequence[reports.RuleResult]) -> None:
    for result in results:
        outcome = "match, if the conditions marked ?? are met" if reports.is_open(result) else "match"
        say(f"{result.rule}: {outcome if result.matches else 'no match'}", "green" if result.matches else "bold")
        for line in reports.result_lines(result):
            say(f"  {line}")
    if not any(result.matches for result in results):
        say("No rule matches: nobody would be notified.")
    if any(map(reports.is_open, results)):
        say("?? is not known: pass --content-type, --metadata, --tag, --uploader or --previous, or --read", "dim")
    say("Not checked: silences, budgets and suppressed addresses (see dropnote silences, budget, people)", "dim")


def _explain_upload(target: str, at: datetime, stage: str, read: bool, options: Mapping[str, Any]) -> list[reports.RuleResult]:
    """Apply the rules to an upload, with the facts about the object that options give or that are read from S3."""
    upload = reports.parse_upload(target, options["size"], options["created"], options["uploader"])
    facts = given_facts(at, *(options[name] for name in ("content_type", "metadata", "tags", "previous")))
    if not read:
        return reports.explain(settings_of(stage)[0], stage, _burst(upload, at, options), facts)
    account = find_account(stage)
    with readable_aws_errors():
        upload, reader = read_object(account.client, upload)
        return reports.explain(account.settings, stage, _burst(upload, at, options), facts, reader)


def _burst(upload: Upload, at: datetime, options: Mapping[str, Any]) -> list[Event]:
    return reports.burst_of(upload, at, options["burst"], parse_duration(options["over"]))


def _explain_name(name: str, stage: str, json_: bool) -> None:
    """Explain a monitor or a rule."""
    try:
        explanation = explain_name(name, stage)
    except AccountError as error:
        fail(str(error))
    if json_:
        print_json(explanation.document)
        return
    for title, lines in explanation.sections:
        say(title, "bold")
        for label, text in lines:
            say(f"  {label:10} {text}")
    if not explanation.state_known:
        say("current state and silences unknown: start the local environment (make run) or pass --stage", "dim")


@click.command()
@click.option("--write", is_flag=True, help="Update docs/dropnote.schema.json, and the copy in your own folder")
def schema(write: bool) -> None:
    """Print the JSON Schema of dropnote.toml, for editors"""
    from ..schema.build import text
    from ..schema.files import write_schema

    if not write:
        say(text().rstrip("\n"))
        return
    for file in write_schema(text()):
        say(f"Wrote {display_path(file)}")


COMMANDS = (check, preview, explain, schema)
