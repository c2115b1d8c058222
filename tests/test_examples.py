"""Every TOML example of the docs works: `dropnote check` accepts it, and so does an editor with the schema.

To try the examples in another way, add a function to WAYS.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.doc_examples import Example, examples
from tests.support.taplo import invalid_files
from workbench.reports.check import check_all
from workbench.schema.build import FILE

EXAMPLES = examples()


@pytest.fixture(autouse=True)
def shipped_templates_are_checked_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering all of them for each example would take most of the time."""
    monkeypatch.setattr("workbench.reports.check._check_template", lambda *_: None)


def check(settings: Path) -> list[str]:
    """What `dropnote check` reports."""
    return [str(finding) for finding in check_all(settings, "local").findings]


WAYS: tuple[Callable[[Path], list[str]], ...] = (check,)


def test_docs_have_examples_of_every_kind() -> None:
    assert len(EXAMPLES) > 30
    text = "\n".join(example.settings for example in EXAMPLES)
    for field in ("content_type", "metadata", "tags", "uploader", "previous", "any", "all", "not", "countries"):
        assert f"\n{field} = " in text, field


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_example_works(example: Example, way: Callable[[Path], list[str]], tmp_path: Path) -> None:
    settings = tmp_path / "dropnote.toml"
    settings.write_text(example.settings)
    assert way(settings) == []


def test_editor_accepts_every_example(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.toml" for number in range(len(EXAMPLES))]
    for file, example in zip(files, EXAMPLES, strict=True):
        file.write_text(f"#:schema {FILE.as_uri()}\n{example.settings}")
    invalid = invalid_files(*files)
    assert [example.place for file, example in zip(files, EXAMPLES, strict=True) if file.name in invalid] == []
