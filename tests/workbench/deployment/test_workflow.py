"""The example workflow for GitHub Actions: its commands exist, and it finds what it deployed in an earlier run."""

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.main import main
from workbench.paths import PROJECT

TEXT = (PROJECT / "docs" / "github-deploy.yml").read_text()
WORKFLOW: dict[Any, Any] = importlib.import_module("yaml").safe_load(TEXT)  # PyYAML has no types
(JOB,) = WORKFLOW["jobs"].values()
SCRIPTS = {step["name"]: step["run"] for step in JOB["steps"] if "run" in step}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with one commit, as GitHub has it."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin")
    git(tmp_path, "clone", "--quiet", "origin", "first")
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    git(tmp_path / "first", *identity, "commit", "--quiet", "--allow-empty", "-m", "First")
    git(tmp_path / "first", "push", "--quiet", "origin", "HEAD:main")
    return tmp_path / "origin"


def run(origin: Path, stage: str, deployed: str | None) -> str:
    """One run of the workflow in a fresh checkout; returns what Chalice finds before it deploys, "" for nothing."""
    checkout = origin.parent / f"run-{len(list(origin.parent.iterdir()))}"
    git(origin.parent, "clone", "--quiet", "--depth=1", f"file://{origin}", checkout.name)
    file = checkout / ".chalice" / "deployed" / f"{stage}.json"

    def script(name: str) -> None:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(origin.parent), "STAGE": stage}
        subprocess.run(["bash", "-e", "-c", SCRIPTS[name]], cwd=checkout, env=environment, check=True, capture_output=True)

    script("Get what was deployed last")
    found = file.read_text() if file.exists() else ""
    if deployed is not None:
        file.write_text(deployed)
    script("Keep what was deployed")
    return found


def test_next_run_finds_what_was_deployed(origin: Path) -> None:
    """Otherwise Chalice would create a second API, and connect every stream twice."""
    assert run(origin, "dev", "1") == ""
    assert run(origin, "dev", "2") == "1"
    assert run(origin, "prod", "3") == ""
    assert run(origin, "dev", None) == "2"
    assert git(origin, "ls-tree", "--name-only", "deployed").split() == ["dev.json", "prod.json"]
    assert len(git(origin, "log", "--format=%s", "main").splitlines()) == 1


def test_run_that_deployed_nothing_keeps_nothing(origin: Path) -> None:
    assert run(origin, "dev", None) == ""
    assert git(origin, "branch", "--list", "deployed") == ""


def test_every_command_exists() -> None:
    commands = re.findall(r"\.venv/bin/dropnote (\w+)", TEXT)
    assert commands == ["check", "setup", "package", "finish", "doctor"]
    assert set(commands) <= set(main.commands)
    assert re.search(r"^setup:", (PROJECT / "Makefile").read_text(), re.M)


def test_workflow_stores_no_key_and_asks_for_nothing() -> None:
    assert WORKFLOW["permissions"] == {"id-token": "write", "contents": "write"}
    assert JOB["environment"] == JOB["env"]["STAGE"]
    assert "AWS_ACCESS_KEY_ID" not in TEXT
    assert "--yes" in SCRIPTS["Deploy"]
