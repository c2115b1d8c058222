"""The JSON Schema says what the readers accept, and Taplo, which did not help to write it, agrees."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from chalicelib.domain.settings import SettingsError
from chalicelib.platform.fields.table import Finding
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import read
from tests.settings import test_buckets, test_policy_fields, test_reader, test_upload_filter
from tests.support.builders import ENVIRON, SETTINGS
from tests.support.taplo import diagnostics, invalid_files
from workbench.cli.main import main
from workbench.custom.answers import Answers, NewPerson
from workbench.custom.files import new_files
from workbench.paths import PROJECT
from workbench.schema.build import FILE, RAW, build, record, text, unreached
from workbench.schema.recorder import Place
from workbench.schema.shapes import UNKNOWN_FIELD

# The problems that a schema can see. The others need a value to be understood, or compared with another one.
VISIBLE = re.compile(r"unknown (field|table|event)|must be (?!more)|\d+ is out of range")
UNKNOWN_VALUE = re.compile(r"unknown value '(?!colour)")  # `by` has a format, not a list of values


def test_file_is_as_the_readers_are() -> None:
    """After a change of the settings: `dropnote schema --write`."""
    assert FILE.read_text() == text()


def test_probes_reach_every_table_and_field() -> None:
    """A new table or field: add it to workbench/schema/probes.py."""
    assert unreached(record()) == []


def test_fields_with_types_written_by_hand_are_fields_that_readers_take_as_they_are() -> None:
    fields = {(place.path[0], name): field for place in record().places.values() for name, field in place.fields.items()}
    assert {key for key in RAW if key not in fields} == set()


def places() -> list[Place]:
    return [place for place in record().places.values() if place.known]


@pytest.mark.parametrize("place", places(), ids=lambda place: ".".join(place.path))
def test_each_table_allows_exactly_the_fields_that_its_reader_allows(place: Place) -> None:
    definitions = [schema for schema in build()["definitions"].values() if set(schema.get("properties", ())) == set(place.known)]
    assert definitions
    assert all(schema["additionalProperties"] == UNKNOWN_FIELD for schema in definitions)


def documents() -> Iterator[str]:
    """The settings with deliberate mistakes of the tests of the readers."""
    yield test_reader.TEN_MISTAKES
    yield from (SETTINGS + more for more, _ in _cases(test_reader.test_mistake_names_its_field_and_the_next_step))
    yield from (SETTINGS + document for document, _ in _cases(test_buckets.test_mistakes_name_the_next_step))
    mistakes = _cases(test_upload_filter.test_mistake_names_its_field_and_the_next_step)
    yield from (SETTINGS + test_upload_filter.RULE + fields for fields, _ in mistakes)
    notify, zone = test_policy_fields.NOTIFY, test_policy_fields.ZONE
    for rule, person, _ in _cases(test_policy_fields.test_invalid_and_contradicting_fields_are_errors_with_a_next_step):
        yield SETTINGS.replace(f'{notify}\nthen = "off"', f"{notify}\n{rule}").replace(zone, f"{zone}\n{person}")
    for more in ("[sms]\nmax_segments = 11", "[sms]\nmax_segments = '2'", '[email]\ntransport = "fax"', "[bot]\nsweepers = 0"):
        header, line = more.split("\n")
        yield SETTINGS.replace(header, f"{header}\n{line}")


def _cases(test: Any) -> Any:
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return mark.args[1]


def findings(document: str) -> tuple[Finding, ...]:
    try:
        read(document, environ=ENVIRON, templates=template_names())
    except SettingsError as error:
        return error.findings
    return ()


def is_visible(finding: Finding) -> bool:
    if finding.problem == "missing":
        return finding.field in ("name", "bucket", "notify")  # the others depend on other fields
    return bool(VISIBLE.match(finding.problem) or UNKNOWN_VALUE.match(finding.problem))


def test_taplo_rejects_every_mistake_that_a_schema_can_see(tmp_path: Path) -> None:
    cases, files = list(documents()), []
    for number, document in enumerate(cases):
        files.append(tmp_path / f"{number}.toml")
        files[-1].write_text(f"#:schema {FILE.as_uri()}\n{document}")
    invalid = invalid_files(*files)
    seen, missed = 0, []
    for file, document in zip(files, cases, strict=True):
        found = findings(document)
        assert found, document
        visible = [finding for finding in found if is_visible(finding)]
        seen += bool(visible)
        missed += [(visible, document)] if visible and file.name not in invalid else []
    assert missed == []
    assert seen > 20


def test_taplo_accepts_the_shipped_file_by_the_schema_it_names() -> None:
    shipped = PROJECT / "chalicelib" / "dropnote.toml"
    assert (shipped.parent / shipped.read_text().splitlines()[0].removeprefix("#:schema ")).resolve() == FILE
    assert invalid_files(shipped) == set()


def test_new_folder_names_a_schema_that_is_there(tmp_path: Path) -> None:
    answers = Answers(
        "acme", "acme-drops", "eu-west-1", (NewPerson("asha", "asha@example.com", "+919812345678"),), ("email", "sms")
    )
    for name, content in new_files(answers, str(tmp_path)).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    settings = tmp_path / "dropnote.toml"
    assert invalid_files(settings) == set()
    settings.write_text(settings.read_text().replace("notify =", "notfy ="))
    assert invalid_files(settings) == {"dropnote.toml"}
    linked = tmp_path / "project"
    linked.mkdir()
    (linked / "dropnote.toml").symlink_to(settings)  # as chalicelib/custom links it


def test_editor_gets_descriptions_defaults_and_choices() -> None:
    definitions = json.loads(text())["definitions"]
    sms = definitions["sms"]["properties"]
    assert sms["max_segments"] | {"description": ""} == {
        "description": "", "default": 2, "type": "integer", "minimum": 1, "maximum": 10
    }  # fmt: skip
    assert sms["max_segments"]["description"].startswith("Longer texts are cut")
    assert {"enum": ["direct", "eventbridge", "topic", "queue"]} in definitions["buckets"]["properties"]["trigger"]["anyOf"]
    assert "previous" in definitions["rules_any"]["properties"]


MISTAKES = """
[bot]
name = "a"
nmae = "b"
[webhooks.ops]
format = "slak"
[[rules]]
name = "x"
bucket = "${UPLOAD_BUCKET}"
created = ["${CREATION}", "putt"]
notify = "fax:a"
empty = "${EMPTY}"
"""


def test_editor_underlines_the_mistake_alone_and_lists_the_choices(tmp_path: Path) -> None:
    settings = tmp_path / "dropnote.toml"
    settings.write_text(f"#:schema {FILE.as_uri()}{MISTAKES}")
    assert [(line, message) for _, line, message in diagnostics(settings)] == [
        (4, '{"title":"unknown field"} is not allowed for "b"'),
        (6, '"slak" is not one of ["json","slack","teams","discord","apprise"]'),
        (10, '"putt" is not one of ["copy","multipart","post","put"]'),
        (11, '"fax:a" does not match "^(?:(?:email|sms|whatsapp|webhook):.+)$"'),
    ]


def test_command_prints_the_schema() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert (result.exit_code, result.output) == (0, text())


def test_probes_are_toml() -> None:
    from workbench.schema.probes import PROBES

    assert all(tomllib.loads(probe) for probe in PROBES)
