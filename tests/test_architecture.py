"""The layout: layers, sizes, and documents that name only files that exist."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.paths import PROJECT

PACKAGES = sorted(
    path.parent for root in ("chalicelib", "workbench") for path in (PROJECT / root).rglob("__init__.py") if path.parent.name
)
DOCUMENTS = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
MAX_ENTRIES, MAX_MODULES, MAX_LINES, MAX_APP_LINES = 18, 12, 250, 149


def shown(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the import contracts are about."""
    for name in ("chalicelib", "workbench"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("chalicelib/domain/event.py", "from .. import bot"),
        ("chalicelib/policy/outcome.py", "def late() -> None:\n    from ..delivery import deliver"),
        ("chalicelib/channels/ses.py", "import workbench"),
        ("workbench/reports/counts.py", "from ..cli import counts"),
        ("workbench/bootstrap/steps.py", "import click"),
    ],
)
def test_import_upwards_breaks_the_contract(project: Path, module: str, line: str) -> None:
    with (project / module).open("a") as file:
        file.write(f"\n\n{line}\n")
    result = lint_imports(project)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout


def test_imports_point_downwards(project: Path) -> None:
    result = lint_imports(project)
    assert result.returncode == 0, result.stdout + result.stderr


def test_top_of_the_package_is_small() -> None:
    """The user's own folder does not count: it is not in the repository."""
    entries = [path.name for path in (PROJECT / "chalicelib").iterdir() if path.name not in ("__pycache__", "custom")]
    assert len(entries) <= MAX_ENTRIES, sorted(entries)
    assert "chalicelib/custom/" in (PROJECT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("package", PACKAGES, ids=shown)
def test_package_is_small_and_says_what_it_holds(package: Path) -> None:
    modules = [path.name for path in package.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MAX_MODULES, modules
    assert ast.get_docstring(ast.parse((package / "__init__.py").read_text()))


def test_modules_are_short() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for package in PACKAGES for path in package.glob("*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}
    assert len((PROJECT / "app.py").read_text().splitlines()) <= MAX_APP_LINES


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_path_in_a_document_exists(document: Path) -> None:
    """Paths of the repository in backquotes or links; `<name>` stands for something to be added, `*` for many."""
    text = document.read_text()
    named = re.findall(r"`((?:chalicelib|workbench|tests|bench|docs)/[\w./-]*)`", text)
    named += re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text)
    linked = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    roots = (PROJECT, PROJECT / "chalicelib", document.parent)
    missing = [path for path in {*named, *linked} if path and not any((root / path).exists() for root in roots)]
    assert missing == []


def test_documents_link_to_headings_that_exist() -> None:
    broken = []
    for document in DOCUMENTS:
        for path, anchor in re.findall(r"\]\(([^)\s#]*)#([^)\s]+)\)", document.read_text()):
            target = (document.parent / path) if path else document
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            if anchor not in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}:
                broken.append(f"{shown(document)}: {path}#{anchor}")
    assert broken == []
