"""The user's own folder: which files are read, what happens without it, and links that follow the user's files."""

import json
from pathlib import Path

import pytest

from chalicelib.platform import custom

CONFIG = {"environment_variables": {"ALL": "1"}, "stages": {"dev": {"environment_variables": {"UPLOAD_BUCKET": "mine"}}}}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    library = tmp_path / "chalicelib"
    (library / "templates" / "upload").mkdir(parents=True)
    (library / "dropnote.toml").touch()
    return library


@pytest.fixture
def source(tmp_path: Path, library: Path) -> Path:
    """A folder that the library's custom folder is linked to."""
    source = tmp_path / "mine"
    (source / "templates" / "upload").mkdir(parents=True)
    (source / "dropnote.toml").write_text("[bot]\n")
    (source / "config.json").write_text(json.dumps(CONFIG))
    (source / "templates" / "upload" / "sms.txt").write_text("mine")
    (source / "templates" / "README.md").write_text("{{ not a template")
    (library / "custom").mkdir()
    (library / "custom" / "dropnote.toml").symlink_to(source / "dropnote.toml")
    custom.refresh_links(library)
    return source


def files(library: Path) -> set[str]:
    own = library / "custom"
    return {file.relative_to(own).as_posix() for file in own.rglob("*") if file.is_file()}


def test_without_the_folder_the_shipped_files_are_read(library: Path) -> None:
    custom.refresh_links(library)
    assert custom.settings_file(library) == library / "dropnote.toml"
    assert custom.template_folders(library) == (library / "templates",)
    assert custom.config_file(library) is None
    assert custom.stage_variables({"DROPNOTE_STAGE": "dev"}, library) == {}
    assert not (library / "custom").exists()


def test_linked_files_are_read_first(library: Path, source: Path) -> None:
    assert files(library) == {"dropnote.toml", "config.json", "templates/upload/sms.txt"}
    assert custom.settings_file(library).read_text() == "[bot]\n"
    assert custom.template_folders(library) == (library / "custom" / "templates", library / "templates")
    assert custom.stage_variables({"DROPNOTE_STAGE": "dev"}, library) == {"ALL": "1", "UPLOAD_BUCKET": "mine"}
    assert custom.stage_variables({"DROPNOTE_STAGE": "prod"}, library) == {"ALL": "1"}


def test_links_follow_added_and_deleted_files(library: Path, source: Path) -> None:
    (source / "templates" / "new").mkdir()
    (source / "templates" / "new" / "email.html").touch()
    (source / "templates" / "upload" / "sms.txt").unlink()
    (source / "config.json").unlink()
    custom.refresh_links(library)
    assert files(library) == {"dropnote.toml", "templates/new/email.html"}
    assert not (library / "custom" / "config.json").is_symlink()


def test_shipped_settings_are_never_read_instead_of_a_broken_link(library: Path, source: Path) -> None:
    source.rename(source.with_name("moved"))
    custom.refresh_links(library)
    assert custom.settings_file(library) == library / "custom" / "dropnote.toml"
    assert not custom.settings_file(library).exists()


def test_real_files_in_the_folder_are_left_alone(library: Path) -> None:
    (library / "custom").mkdir()
    (library / "custom" / "dropnote.toml").write_text("[bot]\n")
    custom.refresh_links(library)
    assert files(library) == {"dropnote.toml"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"stages": {}\n "x"}', "mine/config.json:2: invalid JSON: Expecting ',' delimiter"),
        ('{"stages": {"dev": {"environment_variables": {"PORT": 1}}}}', "mine/config.json: each stage needs a table of texts"),
        ('{"stages": []}', "mine/config.json: each stage needs a table of texts"),
        ("[]", "mine/config.json: each stage needs a table of texts"),
    ],
)
def test_broken_config_is_named_with_its_place(library: Path, source: Path, text: str, problem: str) -> None:
    (source / "config.json").write_text(text)
    with pytest.raises(custom.ConfigError) as caught:
        custom.stage_variables({}, library)
    assert problem in str(caught.value)
