"""A checkout for the tests that run the commands `setup` and `remove`."""

import shutil
from pathlib import Path

import pytest

from workbench.cli import deployment
from workbench.local.ministack import MiniStack
from workbench.paths import PROJECT


@pytest.fixture
def project(tmp_path: Path, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose commands work on the local account."""
    checkout = tmp_path / "checkout"
    shutil.copytree(PROJECT / "chalicelib", checkout / "chalicelib", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / ".chalice").mkdir()
    shutil.copy2(PROJECT / ".chalice" / "config.json", checkout / ".chalice")
    shutil.copy2(PROJECT / "resources.yaml", checkout)
    monkeypatch.setattr(deployment, "PROJECT", checkout)
    monkeypatch.setattr(deployment, "clients", ministack.client)
    monkeypatch.setattr("workbench.deployment.setup.PAUSE_S", 0.02)
    return checkout
