"""`dropnote check`: every error with the file and line to open."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from chalicelib.bot.assembly import SETTINGS_FILE
from chalicelib.rendering.templates import TEMPLATES
from tests.settings.test_reader import TEN_MISTAKES
from tests.support.builders import SETTINGS
from workbench.cli.main import main
from workbench.paths import PROJECT
from workbench.reports.check import check_all


@pytest.fixture
def mistakes(tmp_path: Path) -> Path:
    file = tmp_path / "mistakes.toml"
    file.write_text(TEN_MISTAKES)
    return file


def test_each_mistake_is_printed_with_its_line(mistakes: Path) -> None:
    output = CliRunner().invoke(main, ["check", "--settings", str(mistakes)]).output.splitlines()
    errors = [line.removeprefix(f"{mistakes}:") for line in output if line.startswith(f"{mistakes}:")]
    written = TEN_MISTAKES.split("\n")
    assert [(number, place) for number, place, *_ in (error.split(": ") for error in errors)] == [
        ("2", "[bott]"),
        ("6", "[bot], timezone"),
        ("10", "[people.asha], email"),
        ("11", "[people.asha], sms"),
        ("14", "[[rules]] 'uploads', bucket"),
        ("15", "[[rules]] 'uploads', key"),
        ("16", "[[rules]] 'uploads', size"),
        ("17", "[[rules]] 'uploads', expires"),
        ("18", "[[rules]] 'uploads', template"),
        ("19", "[[rules]] 'uploads', notify"),
        ("19", "[[rules]] 'uploads', notify"),
        ("20", "[[rules]] 'uploads', fallbak"),
    ]
    for error in errors[1:]:
        number, place, *_ = error.split(": ")
        assert written[int(number) - 1].startswith(place.rpartition(", ")[2])
    assert output[-1] == "12 errors"


def test_json_has_file_and_line_besides_the_parts_of_each_error(mistakes: Path) -> None:
    report = json.loads(CliRunner().invoke(main, ["check", "--settings", str(mistakes), "--json"]).output)
    (size,) = (finding for finding in report["findings"] if finding["field"] == "size")
    assert size == {
        "where": "[[rules]] 'uploads'",
        "field": "size",
        "problem": "invalid size '> 1 XB'",
        "hint": size["hint"],
        "file": str(mistakes),
        "line": 16,
    }
    assert (report["settings"], report["ok"]) == (str(mistakes), False)


@pytest.mark.parametrize(
    ("part", "text", "place"),
    [
        (
            "sms.txt",
            "Hello\n\n{{ uploda.key }}\n",
            "mine/sms.txt:3: template mine, sms.txt: UndefinedError: 'uploda' is undefined",
        ),
        ("email.txt", "Hello\n{% if %}\n", "mine/email.txt:2: template mine, email.txt: TemplateSyntaxError: "),
        (
            "email.html",
            "{% import 'mine/macros.html' as m %}\n{{ m.bad() }}\n",
            "mine/macros.html:3: template mine, email.html: ",
        ),
        ("subject.txt", " \n", "mine/subject.txt: template mine, subject.txt: "),
        ("subject.txt", None, "mine: template mine, subject.txt: missing; create "),
    ],
)
def test_template_error_has_the_file_and_line_of_the_template(tmp_path: Path, part: str, text: str | None, place: str) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(TEMPLATES / "upload", folder)
    (folder / "macros.html").write_text("{% macro bad() %}\n\n{{ nothing.here }}\n{% endmacro %}\n")
    if text is None:
        (folder / part).unlink()
    else:
        (folder / part).write_text(text)
    errors = [str(finding) for finding in check_all(None, "local", tmp_path).findings if "template mine" in str(finding)]
    assert [error.startswith(f"{tmp_path}/{place}") for error in errors] == [True], errors


def test_docs_quote_an_error_as_it_is_printed(tmp_path: Path) -> None:
    (quote,) = re.findall(
        r"^    chalicelib/dropnote.toml(:\d+: .*)$", (PROJECT / "docs" / "settings.md").read_text(), re.MULTILINE
    )
    file = tmp_path / "dropnote.toml"
    file.write_text(SETTINGS_FILE.read_text().replace('">= 1 KB" ', '"12 XB" '))
    assert [str(finding) for finding in check_all(file, "local").findings] == [f"{file}{quote}"]


def test_unknown_stage_is_an_error_of_its_file() -> None:
    (error,) = (str(finding) for finding in check_all(None, "nowhere").findings)
    assert error == ".chalice/config.json: unknown stage 'nowhere'; use one of: dev, prod, local"


SLASHES = """
[[rules]]
name = "contracts"
bucket = "acme-drops"
key = ["contracts/**", "!/contracts/old/**"]
any = [{ key = "a/**" }, { not = { key = "/b/**" } }]
notify = "email:ben"
[[monitors]]
name = "feed"
kind = "freshness"
bucket = "acme-drops"
key = "/feed/*.csv"
newest = "26h"
notify = "email:ben"
"""


def test_pattern_with_a_leading_slash_is_a_warning_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "dropnote.toml"
    file.write_text(SETTINGS.lstrip() + SLASHES.lstrip())
    result = CliRunner().invoke(main, ["check", "--settings", str(file)])
    warnings = [line.removeprefix(f"{file}:") for line in result.output.splitlines() if line.endswith("(a warning)")]
    assert [warning.partition(",")[0] for warning in warnings] == [
        "25: [[rules]] 'contracts'",
        "26: [[rules]] 'contracts'",
        "32: [[monitors]] 'feed'",
    ]
    assert "key: '/feed/*.csv' matches only keys that begin with a slash" in warnings[2]
    assert "write 'feed/*.csv'" in warnings[2]
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, f"{file}: OK")


def test_missing_file_is_the_only_error(tmp_path: Path) -> None:
    file = tmp_path / "nope.toml"
    result = CliRunner().invoke(main, ["check", "--settings", str(file)])
    assert (result.exit_code, result.output) == (1, f"{file}: the file does not exist; check its path\n1 error\n")
