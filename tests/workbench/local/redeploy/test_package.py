"""Files of a zip are replaced, added and removed; the others stay as they are."""

import zipfile
from pathlib import Path

from workbench.local.redeploy.package import code_sha256, replace_files


def contents(package: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(package) as opened:
        assert opened.testzip() is None
        assert len(set(opened.namelist())) == len(opened.namelist())
        return {name: opened.read(name) for name in opened.namelist()}


def a_package(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "old.zip", "w", zipfile.ZIP_DEFLATED) as package:
        for name in ("app.py", "chalicelib/dropnote.toml", "chalicelib/templates/own/sms.txt"):
            package.writestr(name, name * 100)
    return folder / "old.zip"


def test_replaced_added_and_removed_files(tmp_path: Path) -> None:
    old, new = a_package(tmp_path), tmp_path / "new.zip"
    before = old.read_bytes()
    changes = {
        "chalicelib/dropnote.toml": b"new",
        "chalicelib/templates/own/sms.txt": None,
        "chalicelib/templates/b/sms.txt": b"b",
    }
    replace_files(old, new, changes)
    assert contents(new) == {
        "app.py": b"app.py" * 100,
        "chalicelib/dropnote.toml": b"new",
        "chalicelib/templates/b/sms.txt": b"b",
    }
    assert old.read_bytes() == before
    assert code_sha256(new) != code_sha256(old)


def test_removal_alone(tmp_path: Path) -> None:
    replace_files(a_package(tmp_path), tmp_path / "new.zip", {"chalicelib/templates/own/sms.txt": None})
    assert set(contents(tmp_path / "new.zip")) == {"app.py", "chalicelib/dropnote.toml"}


def test_new_files_can_be_read_by_the_function(tmp_path: Path) -> None:
    replace_files(a_package(tmp_path), tmp_path / "new.zip", {"chalicelib/templates/b/sms.txt": b"b"})
    with zipfile.ZipFile(tmp_path / "new.zip") as package:
        assert package.getinfo("chalicelib/templates/b/sms.txt").external_attr >> 16 == 0o644
