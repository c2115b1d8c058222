"""Compiled code for the zip: everything a message needs, and never older than its source."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.packaging.build import PackagingError, build, trace_imports
from workbench.paths import PROJECT, WHEELS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    checkout = tmp_path / "checkout"
    skipped = shutil.ignore_patterns("__pycache__")
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(PROJECT / name, checkout / name, ignore=skipped)
    shutil.copy2(PROJECT / "app.py", checkout)
    return checkout


def compiled(project: Path, name: str) -> Path:
    tag = sys.implementation.cache_tag
    return project / "vendor" / Path(name).parent / "__pycache__" / f"{Path(name).stem}.{tag}.pyc"


def version(project: Path) -> str:
    """The version that a Python with only the zip's files imports, and its compiled file."""
    unpacked = project / "zip"
    shutil.copytree(project / "chalicelib", unpacked / "chalicelib")
    shutil.copytree(project / "vendor", unpacked, dirs_exist_ok=True)
    program = "import chalicelib; print(chalicelib.__version__, chalicelib.__cached__)"
    command = [sys.executable, "-B", "-c", program]
    result = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=True)
    shutil.rmtree(unpacked)
    return result.stdout


def test_modules_that_a_message_needs_are_compiled(project: Path) -> None:
    result = build(project, WHEELS, "x86_64")
    for name in ("jinja2/environment.py", "msgspec/json.py", "twilio/rest/__init__.py", "regex/__init__.py", "chalice/app.py"):
        assert compiled(project, name).exists(), name
    assert compiled(project, "app.py").exists()
    assert compiled(project, "chalicelib/channels/twilio.py").exists()
    assert not compiled(project, "twilio/rest/video/__init__.py").exists()
    assert result.package_modules < 300  # of 1,900 in the packages
    assert json.loads((project / "vendor/dropnote-vendor.json").read_text())["arch"] == "x86_64"


def test_compiled_code_older_than_its_source_does_not_run(project: Path) -> None:
    build(project, WHEELS, "x86_64")
    before = version(project)
    source = project / "chalicelib/__init__.py"
    source.write_text(source.read_text().replace('__version__ = "', '__version__ = "9'))
    assert version(project) == before.replace(before.split(".")[0], "9" + before.split(".")[0], 1)


def test_building_twice_gives_the_same_bytes(project: Path) -> None:
    """Chalice uploads a package again if its bytes differ."""

    def contents() -> dict[str, bytes]:
        build(project, WHEELS, "x86_64")
        return {str(file.relative_to(project)): file.read_bytes() for file in (project / "vendor").rglob("*.pyc")}

    assert contents() == contents()


def test_app_that_does_not_load_is_reported_in_one_sentence(project: Path) -> None:
    (project / "app.py").write_text("import nosuchmodule\n")
    with pytest.raises(PackagingError, match="does not load: ModuleNotFoundError: No module named 'nosuchmodule'"):
        trace_imports(project)


def test_missing_packages_are_reported(project: Path, tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="make setup"):
        build(project, tmp_path / "nothing", "x86_64")
