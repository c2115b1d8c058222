"""`make update`: gets the newest version without losing a change. `make` then installs what changed and checks the settings.

Imports only the standard library, because the installed packages may be those of another version.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CONFIG = ".chalice/config.json"  # set-up writes it from the user's config.json, for Chalice
SAVED_CONFIG = ".dropnote/config-before-update.json"
_STASH = "To update and keep your changes: git stash --include-untracked && make update && git stash pop"


class UpdateError(Exception):
    """There was no update, and nothing was changed. What is wrong and what to do."""


def update(project: Path) -> list[str]:
    """Move the current branch to the newest commit of the branch it follows. Return what happened, a line per fact.

    Local changes to files that the update does not change are kept. CONFIG is restored; a changed one is saved as SAVED_CONFIG.

    Raises:
        UpdateError: there is no such branch, or it cannot be done without losing something.
    """
    if not (project / "chalicelib" / "custom").is_dir():
        raise UpdateError("no chalicelib/custom; run first: .venv/bin/dropnote init DIR --from-current")
    if not (project / ".git").exists():
        raise UpdateError("this folder is not a git clone; unpack the new release beside it, see docs/upgrade.md")
    upstream = _upstream(project)
    _git(project, "fetch", "--quiet")
    own, new = map(int, _git(project, "rev-list", "--left-right", "--count", f"HEAD...{upstream}").split())
    if not new:
        return ["already the newest version"]
    if own:
        text = f"this branch has {own} commit{'s' * (own > 1)} that {upstream} does not have"
        raise UpdateError(f"{text}; put them on top of the newest version: git rebase {upstream}, then make update")
    changed = _names(_git(project, "diff", "--name-only", "-z", "HEAD"))
    _check_overwritten(project, changed - {CONFIG}, upstream)
    lines = _save_config(project) if CONFIG in changed else []
    _git(project, "merge", "--quiet", "--ff-only", upstream)
    if kept := sorted(changed - {CONFIG}):
        lines.append(f"kept your changes to {', '.join(kept)}")
    return [f"updated by {new} commit{'s' * (new > 1)} to {_git(project, 'log', '-1', '--format=%h: %s').strip()}", *lines]


def _upstream(project: Path) -> str:
    """The branch that the current one follows, such as origin/main."""
    command = ("rev-parse", "--abbrev-ref", "--symbolic-full-name", "@{upstream}")
    result = _run(project, *command)
    if result.returncode != 0:
        raise UpdateError(
            "the current branch or tag follows no branch of the project; "
            "choose one that does, for example: git switch main, then make update"
        )
    return result.stdout.strip()


def _check_overwritten(project: Path, changed: set[str], upstream: str) -> None:
    untracked = _names(_git(project, "ls-files", "--others", "--exclude-standard", "-z"))
    lost = sorted((changed | untracked) & _names(_git(project, "diff", "--name-only", "-z", "HEAD", upstream)))
    if lost:
        raise UpdateError(
            f"not updated: the update would overwrite your changes to {', '.join(lost)}\n"
            "Settings, templates and values of stages belong into your own folder, which updates never touch (docs/upgrade.md).\n"
            f"{_STASH}"
        )


def _save_config(project: Path) -> list[str]:
    saved = project / SAVED_CONFIG
    saved.parent.mkdir(exist_ok=True)
    saved.write_bytes((project / CONFIG).read_bytes())
    _git(project, "checkout", "--quiet", "HEAD", "--", CONFIG)
    return [f"restored {CONFIG}, which the next make deploy writes again; the earlier one is {SAVED_CONFIG}"]


def _names(output: str) -> set[str]:
    return set(filter(None, output.split("\0")))


def _git(project: Path, *arguments: str) -> str:
    result = _run(project, *arguments)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no output"])[0].removeprefix("fatal: ").removeprefix("error: ")
        raise UpdateError(f"not updated: git {arguments[0]} failed: {reason}")
    return result.stdout


def _run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, check=False)


def main() -> int:
    """Update this project. Return 0 on success, 1 if there was no update."""
    try:
        sys.stdout.write("".join(f"{line}\n" for line in update(PROJECT)))
    except UpdateError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
