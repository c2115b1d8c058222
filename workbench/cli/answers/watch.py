"""up --watch: checks each change of the project and brings it into the running local environment."""

import subprocess
import sys
import time
from collections.abc import Collection
from datetime import datetime
from itertools import chain
from typing import NoReturn

from chalicelib.platform.custom import edited_file, folder
from chalicelib.rendering.templates import template_names

from ...local.environment import STAGE, LocalEnvironment
from ...local.redeploy.changes import Part, changed_files, part_of, snapshot
from ...local.redeploy.redeploy import Redeployer, RedeployError, content_of
from ...output import progress, say
from ...paths import PROJECT
from ...reports.check import check_all
from ...settings_lines import display_path

POLL_S = 0.15  # a snapshot of the project takes a few milliseconds
_MAX_NAMED = 3
_STAYS = "not deployed; the running version stays"


def watch_project(environment: LocalEnvironment) -> NoReturn:
    """Deploy each change, until Ctrl-C."""
    session = _Session(environment)
    say("  watch   settings, templates and code: each change is checked and deployed")
    known = snapshot(PROJECT)
    changes = changed_files(known, lambda: snapshot(PROJECT), lambda: time.sleep(POLL_S))
    for files in chain(session.changed_before(known), changes):
        session.handle(files)
    raise AssertionError("changes never end")


class _Session:
    """One running environment, and whether this process still has the code that is deployed there."""

    def __init__(self, environment: LocalEnvironment) -> None:
        self._redeployer = Redeployer(environment)
        self._has_own_folder = folder().is_dir()
        self._code_is_current = True
        self._handled: dict[str, bytes | None] = {}  # contents of changes that would give the same result again

    def changed_before(self, known: Collection[str]) -> list[list[str]]:
        """One change: the files that were edited while the environment started, if any."""
        files = self._redeployer.undeployed(known)
        return [files] if files else []

    def handle(self, files: Collection[str]) -> None:
        """Check and deploy one change, and say how it went. A file that is only written again is no change: some editors write
        it twice when they save.
        """
        contents = {file: content_of(PROJECT / file) for file in files}
        if all(file in self._handled and self._handled[file] == content for file, content in contents.items()):
            return
        self._handled |= contents
        started, parts = time.monotonic(), {part_of(file) for file in files}
        self._code_is_current &= Part.CODE not in parts
        say(f"{datetime.now().astimezone():%H:%M:%S}  changed: {_names(files)}", "bold")
        if folder().is_dir() != self._has_own_folder:
            say("  your own folder was linked or unlinked: stop with Ctrl-C and start again", "yellow")
        elif not (self._is_valid(files) if self._code_is_current else _is_valid_in_new_process()):
            say(f"  {_STAYS}", "yellow")
        else:
            self._deploy(files, started)

    def _is_valid(self, files: Collection[str]) -> bool:
        """Whether settings and the changed templates have no errors; prints them with file and line."""
        report = check_all(None, STAGE, templates=_changed_templates(files))
        for finding in report.findings:
            say(f"  {finding}", "red")
        for warning in report.warnings:
            say(f"  {warning} (a warning)", "yellow")
        return not report.findings

    def _deploy(self, files: Collection[str], started: float) -> None:
        try:
            with progress("  deploying") as step:
                result = self._redeployer.apply(files, step)
        except RedeployError as error:
            self._handled.clear()  # saving again tries again
            for line in error.detail.splitlines():
                say(f"  {line}", "dim")
            say(f"  {error}", "red")
            say(f"  {_STAYS}", "yellow")
            return
        if result is None:
            say("  contents are as deployed")
            return
        how = "complete deploy" if result.complete else "settings and templates only"
        say(f"  deployed in {time.monotonic() - started:.1f} s: {result.functions} functions, {how}", "green")
        self._redeployer.warm_up()


def _is_valid_in_new_process() -> bool:
    """Check with the code as it is now: this process has the code it was started with."""
    command = [sys.executable, "-m", "workbench.cli.main", "check", "--stage", STAGE]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        for line in (result.stdout + result.stderr).splitlines()[-15:]:
            say(f"  {line}", "red")
    return result.returncode == 0


def _changed_templates(files: Collection[str]) -> list[str]:
    """The templates to render again: all if a file changed that several include, such as base.html."""
    templates = [file.partition("templates/")[2] for file in files if part_of(file) is Part.TEMPLATES]
    known = template_names()
    if any("/" not in name for name in templates):
        return known
    return [name for name in known if name in {name.partition("/")[0] for name in templates}]


def _names(files: Collection[str]) -> str:
    """The changed files as their user knows them."""
    shown = [display_path(edited_file(PROJECT / file)) for file in sorted(files)[:_MAX_NAMED]]
    more = len(files) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
