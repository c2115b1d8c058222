"""Commands that work on the settings alone and send nothing: check, preview."""

import webbrowser
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import click

from chalicelib.platform.custom import SETTINGS_NAME

from ..account import settings_of
from ..output import fail, print_json, say
from ..settings_lines import display_path
from .options import JSON_OPTION, VARIABLES_OPTION

if TYPE_CHECKING:
    from ..reports.check import Preview

WEBHOOK_FORMATS = ("json", "slack", "teams", "discord", "apprise")


@click.command()
@click.option(
    "--settings", "path", type=click.Path(path_type=Path), default=None, help=f"Settings file; default: {SETTINGS_NAME}"
)
@VARIABLES_OPTION
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
@VARIABLES_OPTION
@click.option(
    "--as",
    "formats",
    multiple=True,
    type=click.Choice(WEBHOOK_FORMATS),
    help="Show the message to a webhook of this format; default: to each webhook of the settings",
)
@click.option("--open", "open_", is_flag=True, help="Open the HTML part in the browser")
@JSON_OPTION
def preview(template: str, file: Path | None, stage: str, formats: tuple[str, ...], open_: bool, json_: bool) -> None:
    """Render every part of a template, and what each webhook gets"""
    from ..reports.check import CheckError, preview_template

    try:
        previewed = preview_template(template, file, stage, formats)
    except CheckError as error:
        fail(str(error))
    if json_:
        print_json(previewed.as_dict())
    else:
        _say_preview(previewed, stage)
    if open_:
        with NamedTemporaryFile("w", suffix=".html", prefix="dropnote-", delete=False, encoding="utf-8") as page:
            page.write(previewed.parts["email.html"])
        webbrowser.open(Path(page.name).as_uri())


def _say_preview(previewed: "Preview", stage: str) -> None:
    from ..reports.texts.prices import preview_line

    for name, text in previewed.parts.items():
        say(f"── {name}", "bold")
        say(text)
        if name == "sms.txt":
            say(preview_line(text, settings_of(stage)[0]), "dim")
    for webhook in previewed.webhooks:
        say(f"── {webhook.heading}", "bold")
        for line in webhook.lines:
            say(line)


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


COMMANDS = (check, preview, schema)
