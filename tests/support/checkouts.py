"""Copies of the project, for tests that change its files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from workbench.paths import PROJECT, STATE

_COPIED = ("app.py", "chalicelib", "workbench", "docs", "requirements.txt", "resources.yaml", "pyproject.toml")
_SKIPPED = shutil.ignore_patterns("__pycache__", "custom", "deploy*")


def copy_project(checkout: Path) -> Path:
    """Copy the project as it is shipped, with the programs that set-up installed."""
    checkout.mkdir(parents=True)
    for name in _COPIED:
        if (PROJECT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if name == "workbench" else _SKIPPED
            shutil.copytree(PROJECT / name, checkout / name, ignore=ignored)
        else:
            shutil.copy2(PROJECT / name, checkout / name)
    (checkout / ".chalice").mkdir()
    shutil.copy2(PROJECT / ".chalice" / "config.json", checkout / ".chalice")
    _link_state(checkout)
    return checkout


def link_installed(checkout: Path) -> None:
    """Let another copy of the project use everything that set-up installed for this one, so that its own set-up does nothing."""
    _link_state(checkout)
    (checkout / ".venv").symlink_to(PROJECT / ".venv")


def _link_state(checkout: Path) -> None:
    (checkout / ".dropnote").mkdir()
    for installed in STATE.iterdir():
        if installed.name not in ("environment.json", "logs"):
            (checkout / ".dropnote" / installed.name).symlink_to(installed.resolve())


def dropnote(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command of a copied project in a process of its own, without a terminal."""
    return run_python(checkout, "-m", "workbench.cli.main", *arguments, **environment)


def run_python(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a copied project."""
    command = [sys.executable, *arguments]
    variables = variables_of(checkout) | environment
    return subprocess.run(
        command, cwd=checkout, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )


def variables_of(checkout: Path) -> dict[str, str]:
    """The environment of a copied project's processes."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(checkout.parent),
        "PYTHONPATH": str(checkout),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
