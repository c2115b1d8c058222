"""`make update` in a clone of a repository with a newer commit: it gets that commit, and never loses a local change."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkouts import dropnote, link_installed, run_python, variables_of
from workbench.paths import PROJECT

PEOPLE = ("--person", "asha asha@example.com", "--bucket", "acme-own")
SETTINGS = "chalicelib/dropnote.toml"
CONFIG = ".chalice/config.json"


def git(folder: Path, *arguments: str) -> str:
    identity = {f"GIT_{role}_{name}": "Asha <asha@example.com>" for role in ("AUTHOR", "COMMITTER") for name in ("NAME", "EMAIL")}
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_GLOBAL": os.devnull, **identity}
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True).stdout


def commit(folder: Path, subject: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", subject)


@dataclass
class Project:
    """A clone whose user has a folder of their own, and what its origin is pushed to from."""

    clone: Path
    author: Path
    own: Path

    def own_files(self) -> dict[str, bytes]:
        """The files of the user's folder."""
        return {str(file.relative_to(self.own)): file.read_bytes() for file in self.own.rglob("*") if file.is_file()}

    def release(self) -> None:
        """Push a newer version: a module, the shipped settings, a new file, and a version."""
        (self.author / "chalicelib/__init__.py").write_text('"""A newer version."""\n\n__version__ = "9.9.9"\n')
        for name in (SETTINGS, CONFIG):
            (self.author / name).write_text((self.author / name).read_text() + "\n")
        (self.author / "docs/news.md").write_text("# News\n")
        commit(self.author, "Release 9.9.9")
        git(self.author, "push", "--quiet")

    def make_update(self) -> subprocess.CompletedProcess[str]:
        """Run `make update` as the user does, without a network."""
        command = ["make", "--no-print-directory", "update", f"PYTHON={sys.executable}"]
        return subprocess.run(command, cwd=self.clone, env=variables_of(self.clone), capture_output=True, text=True, check=False)

    def update(self) -> subprocess.CompletedProcess[str]:
        """Run its first step, before set-up and the check."""
        return run_python(self.clone, "-m", "workbench.versions.update")

    def change(self, name: str, text: str = "\n# mine\n") -> str:
        """Change a file of the clone; return its new text."""
        file = self.clone / name
        changed = (file.read_text() if file.exists() else "") + text
        file.write_text(changed)
        return changed

    def state(self) -> tuple[str, str, str]:
        """The current commit, the changed files and their changes."""
        return (
            git(self.clone, "rev-parse", "HEAD"),
            git(self.clone, "status", "--porcelain", "--untracked-files=no"),
            git(self.clone, "diff", "HEAD"),
        )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare origin with this repository's files, and a clone of it with everything installed, whose user ran `dropnote init`."""
    folder = tmp_path_factory.mktemp("original")
    files = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, files.split("\0")):
        if not name.startswith(("tests/", "bench/")) and (PROJECT / name).is_file():
            (folder / "author" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / "author" / name)
    git(folder / "author", "init", "--quiet")
    commit(folder / "author", "Release 0.1.0")
    git(folder, "clone", "--quiet", "--bare", "author", "origin.git")
    git(folder, "clone", "--quiet", "origin.git", "clone")
    git(folder / "author", "remote", "add", "origin", "../origin.git")
    git(folder / "author", "push", "--quiet", "--set-upstream", "origin", "main")
    link_installed(folder / "clone")
    assert dropnote(folder / "clone", "init", str(folder / "mine"), *PEOPLE).returncode == 0
    return folder


@pytest.fixture
def project(original: Path, tmp_path: Path) -> Project:
    """A copy of them; the origin has a newer version."""
    for name in ("author", "origin.git", "clone"):
        shutil.copytree(original / name, tmp_path / name, symlinks=True)
    project = Project(tmp_path / "clone", tmp_path / "author", original / "mine")
    git(project.clone, "remote", "set-url", "origin", "../origin.git")
    project.release()
    return project


def test_newest_version_is_installed_and_checked_with_the_users_own_settings(project: Project) -> None:
    own = project.own_files()
    result = project.make_update()
    assert (result.returncode, result.stderr) == (0, "")
    first, *_, last = result.stdout.splitlines()
    assert first.startswith("updated by 1 commit to ")
    assert first.endswith(": Release 9.9.9")
    assert last == f"{project.own}/dropnote.toml: OK"
    assert dropnote(project.clone, "--version").stdout == "dropnote, version 9.9.9\n"
    assert project.own_files() == own
    assert git(project.clone, "status", "--porcelain", "--untracked-files=no") == ""
    assert project.update().stdout.splitlines()[0] == "already the newest version"


def test_changes_that_an_update_would_overwrite_stop_it(project: Project) -> None:
    project.change(SETTINGS)
    project.change(CONFIG)
    untracked = project.change("docs/news.md")
    before = project.state()
    result = project.make_update()
    assert result.returncode != 0
    assert f"not updated: the update would overwrite your changes to {SETTINGS}, docs/news.md" in result.stderr
    assert "git stash --include-untracked && make update && git stash pop" in result.stderr
    assert project.state() == before
    assert (project.clone / "docs/news.md").read_text() == untracked


def test_next_step_that_is_printed_keeps_the_changes(project: Project) -> None:
    project.change("chalicelib/templates/upload/sms.txt", "mine")
    changed = project.change(SETTINGS)
    assert project.update().returncode != 0
    git(project.clone, "stash", "--quiet", "--include-untracked")
    assert project.update().returncode == 0
    git(project.clone, "checkout", "stash@{0}", "--", SETTINGS)  # as after resolving the conflict
    assert (project.clone / SETTINGS).read_text() == changed


def test_other_local_changes_are_kept_and_named(project: Project) -> None:
    changed = project.change("chalicelib/templates/upload/sms.txt", "mine")
    result = project.update()
    assert result.returncode == 0, result.stderr
    assert "kept your changes to chalicelib/templates/upload/sms.txt" in result.stdout
    assert (project.clone / "chalicelib/templates/upload/sms.txt").read_text() == changed


def test_generated_configuration_is_restored_and_saved(project: Project) -> None:
    generated = project.change(CONFIG, "\n\n")
    result = project.update()
    assert result.returncode == 0, result.stderr
    assert (project.clone / ".dropnote/config-before-update.json").read_text() == generated
    assert ".dropnote/config-before-update.json" in result.stdout
    assert git(project.clone, "status", "--porcelain", "--untracked-files=no") == ""


def test_commits_of_the_users_own_stop_it(project: Project) -> None:
    project.change("README.md")
    commit(project.clone, "Change something")
    before = project.state()
    result = project.update()
    assert "this branch has 1 commit that origin/main does not have; put them on top" in result.stderr
    assert project.state() == before


def test_tag_is_not_updated(project: Project) -> None:
    git(project.clone, "checkout", "--quiet", "--detach")
    assert "follows no branch of the project; choose one that does, for example: git switch main" in project.update().stderr


def test_origin_that_does_not_answer_is_named(project: Project) -> None:
    shutil.rmtree(project.clone.parent / "origin.git")
    before = project.state()
    result = project.update()
    assert "not updated: git fetch failed: '../origin.git' does not appear to be a git repository" in result.stderr
    assert project.state() == before


def test_project_without_a_folder_of_its_own_is_told_to_create_one(project: Project) -> None:
    shutil.rmtree(project.clone / "chalicelib/custom")
    assert "dropnote init DIR --from-current" in project.update().stderr
