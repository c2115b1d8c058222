"""Which Python `make` uses: that of .venv, else the newest installed one whose runtime Chalice deploys."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest
from chalice.config import Config

from workbench.paths import PROJECT

SCRIPT = PROJECT / "workbench/bootstrap/choose_python"
SHELL = shutil.which("sh") or "/bin/sh"


def install(folder: Path, names: Iterable[str], *, works: bool = True) -> None:
    """Put programs of these names into a folder; those that do not work have no venv module."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(f"#!{SHELL}\nexit {0 if works else 1}\n")
        (folder / name).chmod(0o755)


def chosen(tmp_path: Path) -> str:
    """What the script prints with only the programs in tmp_path/bin."""
    install(tmp_path / "bin", ())
    if not (tmp_path / "bin/sed").exists():
        (tmp_path / "bin/sed").symlink_to(str(shutil.which("sed")))
    command = [SHELL, str(SCRIPT), str(tmp_path / ".venv")]
    return subprocess.run(command, env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, check=True).stdout.strip()


def test_newest_python_that_works_is_chosen(tmp_path: Path) -> None:
    install(tmp_path / "bin", ("python3.11", "python3.12", "python3.13", "python3"))
    install(tmp_path / "bin", ("python3.14",), works=False)
    assert chosen(tmp_path) == "python3.13"


def test_python_of_the_environment_is_kept(tmp_path: Path) -> None:
    """A newer one that is installed later does not change the functions' runtime."""
    install(tmp_path / "bin", ("python3.11", "python3.13"))
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").write_text(f"home = {tmp_path}/bin\nexecutable = {tmp_path}/bin/python3.11\n")
    assert chosen(tmp_path) == f"{tmp_path}/bin/python3.11"
    (tmp_path / "bin/python3.11").unlink()
    assert chosen(tmp_path) == "python3.13"


def test_other_pythons_are_left_to_set_up_to_refuse(tmp_path: Path) -> None:
    install(tmp_path / "bin", ("python3.10", "python3.15"))
    assert chosen(tmp_path) == "python3"


def test_each_choice_is_a_runtime_that_chalice_deploys(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = re.findall(r"python3\.(\d+)", SCRIPT.read_text().partition("for python in")[2].partition(";")[0])
    assert choices == ["14", "13", "12", "11"]
    for minor in choices:
        monkeypatch.setattr("chalice.config.sys", SimpleNamespace(version_info=(3, int(minor))))
        assert Config.create().lambda_python_version == f"python3.{minor}"
