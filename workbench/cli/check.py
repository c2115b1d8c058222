"""Commands that work on the settings alone and send nothing: check, preview."""

import webbrowser
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from chalicelib.platform.custom import SETTINGS_NAME

from ..output import fail, print_json, say
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

    try:
        parts = preview_parts(template, file, stage)
    except CheckError as error:
        fail(str(error))
    if json_:
        print_json(parts)
    for name, text in {} if json_ else parts.items():
        say(f"── {name}", "bold")
        say(text)
    if open_:
        with NamedTemporaryFile("w", suffix=".html", prefix="dropnote-", delete=False, encoding="utf-8") as page:
            page.write(parts["email.html"])
        webbrowser.open(Path(page.name).as_uri())


COMMANDS = (check, preview)
