"""Commands that work on the settings alone and send nothing: check, preview."""

import webbrowser
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from chalicelib.platform.custom import SETTINGS_NAME

from ..account import settings_of
from ..output import fail, print_json, say
from ..settings_lines import display_path
from .options import JSON_OPTION, VARIABLES_OPTION


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
