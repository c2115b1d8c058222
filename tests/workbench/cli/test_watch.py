"""What `up --watch` does with a change: once for each content of a file."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.answers import watch
from workbench.local.redeploy.redeploy import Redeployed, RedeployError
from workbench.reports.check import Report

FILE = "chalicelib/dropnote.toml"


class Deploys:
    """A redeployer that counts, and fails if it should."""

    def __init__(self, environment: Any) -> None:
        self.count, self.fails = 0, False

    def apply(self, files: Collection[str], on_step: Callable[[str], object]) -> Redeployed:
        self.count += 1
        if self.fails:
            raise RedeployError("the functions were not updated")
        return Redeployed(3, complete=False, seconds=1.0)

    def warm_up(self) -> None:
        """Nothing to start."""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> watch._Session:
    monkeypatch.setattr(watch, "PROJECT", tmp_path)
    monkeypatch.setattr(watch, "Redeployer", Deploys)
    monkeypatch.setattr(watch, "check_all", lambda *_, **__: Report("dropnote.toml"))
    environment: Any = None  # the double needs none
    return watch._Session(environment)


def save(session: watch._Session, tmp_path: Path, content: str) -> int:
    """Save the settings, as the watch notices it; returns the number of deploys so far."""
    (tmp_path / "chalicelib").mkdir(exist_ok=True)
    (tmp_path / FILE).write_text(content)
    session.handle([FILE])
    redeployer: Any = session._redeployer
    return int(redeployer.count)


def test_second_write_of_one_save_is_no_change(
    session: watch._Session, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [save(session, tmp_path, content) for content in ("1", "1", "2", "1")] == [1, 1, 2, 3]
    assert capsys.readouterr().out.count("changed:") == 3


def test_saving_again_retries_a_failed_deploy(session: watch._Session, tmp_path: Path) -> None:
    redeployer: Any = session._redeployer
    redeployer.fails = True
    assert [save(session, tmp_path, "1"), save(session, tmp_path, "1")] == [1, 2]
