"""Which files are watched, what each is part of, and when a change is reported."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.local.redeploy.changes import Part, changed_files, part_of, snapshot


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("chalicelib/dropnote.toml", Part.SETTINGS),
        ("chalicelib/custom/dropnote.toml", Part.SETTINGS),
        ("chalicelib/templates/upload/sms.txt", Part.TEMPLATES),
        ("chalicelib/templates/base.html", Part.TEMPLATES),
        ("chalicelib/custom/templates/mine/sms.txt", Part.TEMPLATES),
        (".chalice/config.json", Part.VARIABLES),
        ("chalicelib/custom/config.json", Part.VARIABLES),
        ("app.py", Part.CODE),
        ("chalicelib/rendering/templates.py", Part.CODE),
        ("requirements.txt", Part.CODE),
        ("resources.yaml", Part.CODE),
    ],
)
def test_part_of_each_file(path: str, part: Part) -> None:
    assert part_of(path) is part


def project(folder: Path) -> Path:
    for name in ("app.py", "chalicelib/dropnote.toml", "chalicelib/rules/globs.py", "chalicelib/templates/upload/sms.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1")
    return folder


def test_snapshot_has_code_settings_and_templates_only(tmp_path: Path) -> None:
    before = snapshot(project(tmp_path))
    assert set(before) == {
        "app.py", "chalicelib/dropnote.toml", "chalicelib/rules/globs.py", "chalicelib/templates/upload/sms.txt",
    }  # fmt: skip
    for name in ("chalicelib/.dropnote.toml.swp", "chalicelib/dropnote.toml~", "chalicelib/__pycache__/a.py", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    assert snapshot(tmp_path) == before


def test_change_in_the_users_own_folder_is_noticed_through_its_links(tmp_path: Path) -> None:
    mine, own = tmp_path / "mine", project(tmp_path / "project") / "chalicelib" / "custom"
    (mine / "templates" / "upload").mkdir(parents=True)
    own.mkdir()
    (mine / "dropnote.toml").write_text("1")
    (own / "dropnote.toml").symlink_to(mine / "dropnote.toml")
    before = snapshot(tmp_path / "project")
    (mine / "dropnote.toml").write_text("22")
    (mine / "templates" / "upload" / "sms.txt").write_text("new")
    after = snapshot(tmp_path / "project")
    assert {name for name in after if after[name] != before.get(name)} == {
        "chalicelib/custom/dropnote.toml", "chalicelib/custom/templates/upload/sms.txt",
    }  # fmt: skip


def test_changes_are_reported_once_they_are_still() -> None:
    first, saving, saved = {"a": (1, 1, 1), "b": (1, 1, 1)}, {"a": (2, 0, 1), "b": (1, 1, 1)}, {"a": (3, 9, 1), "c": (3, 1, 2)}
    reads = iter([first, saving, saved, saved, saved, first, first])
    changes: Iterator[object] = changed_files(first, lambda: next(reads), lambda: None)
    assert next(changes) == ["a", "b", "c"]
    assert next(changes) == ["a", "b", "c"]


def test_change_during_a_redeploy_is_in_the_next_result() -> None:
    reads = iter([{"a": (2, 1, 1)}, {"a": (2, 1, 1)}, {"a": (3, 1, 1)}, {"a": (3, 1, 1)}])
    changes = changed_files({"a": (1, 1, 1)}, lambda: next(reads), lambda: None)
    assert [next(changes), next(changes)] == [["a"], ["a"]]
