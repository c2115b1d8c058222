"""Compiled templates: used if they match their source, ignored if not, and never written in Lambda; and their variables."""

from pathlib import Path

import pytest
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chalicelib.rendering.templates import TemplateCache, environment


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    (folder / "upload").mkdir(parents=True)
    (folder / "upload/sms.txt").write_text("{{ 1 + 1 }} files")
    environment(folder, compiled=TemplateCache(tmp_path / "compiled", fill=True)).get_template("upload/sms.txt")
    return folder


def rendered(templates: Path) -> str:
    return environment(templates, compiled=TemplateCache(templates.parent / "compiled")).get_template("upload/sms.txt").render()


def test_compiled_template_is_used(templates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jinja2.sandbox.ImmutableSandboxedEnvironment.compile", lambda *_: pytest.fail("compiled again"))
    assert rendered(templates) == "2 files"


def test_changed_template_is_compiled_again_and_nothing_is_written(templates: Path) -> None:
    (templates / "upload/sms.txt").write_text("{{ 2 + 2 }} files")
    (compiled,) = (templates.parent / "compiled").iterdir()
    before = compiled.read_bytes()
    assert rendered(templates) == "4 files"
    assert compiled.read_bytes() == before


def test_broken_compiled_template_is_ignored(templates: Path) -> None:
    (compiled,) = (templates.parent / "compiled").iterdir()
    compiled.write_bytes(b"rubbish")
    assert rendered(templates) == "2 files"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("row.key", "a.pdf"),
        ("row.items() | length", "3"),  # a method, even if a value has its name
        ("row['items']", "3 items"),
        ("row.nested.name", "b"),
        ("row.missing is defined", "False"),
        ("row.__class__ is defined", "False"),
        ("row.update({'key': 1})", "SecurityError"),
        ("row.missing", "UndefinedError"),
    ],
)
def test_attributes_of_dicts_are_the_same_as_in_jinja(expression: str, expected: str) -> None:
    row = {"key": "a.pdf", "items": "3 items", "nested": {"name": "b"}}
    sandbox = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    results = []
    for jinja in (environment(), sandbox):
        try:
            results.append(jinja.from_string(f"{{{{ {expression} }}}}").render(row=row))
        except TemplateError as error:
            results.append(type(error).__name__)
    assert results == [expected, expected]
