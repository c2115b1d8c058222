"""Writes the user's folder without overwriting anything, and links it into a project."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from chalicelib.domain.settings import SettingsError
from chalicelib.platform.custom import SETTINGS, TEMPLATES, ConfigError, folder, refresh_links
from chalicelib.rendering.templates import template_names
from chalicelib.settings.reader import load

from ..deployment.config import LOCAL, read_stage
from ..settings_lines import describe

DEPLOYED = "deployed"  # of `.chalice` and of the user's folder


class InitError(Exception):
    """The folder cannot be created or linked: what is wrong and what to do."""


def check_place(target: Path, project: Path) -> None:
    """Reject a folder that is part of the project, where an update would touch it.

    Raises:
        InitError: it is.
    """
    parts = [
        project / name for name in ("chalicelib", "workbench", "tests", "docs", "bench", ".chalice", ".git", ".dropnote", ".venv")
    ]
    inside = any(target.is_relative_to(part) for part in parts) and target != folder(project / "chalicelib")
    if target == project or inside:
        raise InitError(f"{target} belongs to the project; choose a folder outside, for example {project.parent / 'my-dropnote'}")
    if target.exists() and not target.is_dir():
        raise InitError(f"{target} is not a folder; choose another name")


def check_link(target: Path, project: Path, *, switch: bool) -> None:
    """Check that the project may use the folder.

    Raises:
        InitError: it uses another one, and `switch` is not set.
    """
    own = folder(project / "chalicelib")
    if target == own or not own.exists():
        return
    current = own / SETTINGS
    if not current.is_symlink():
        raise InitError(f"{own} already has settings of its own; move them away first, for example to {target}")
    if current.readlink().parent != target and not switch:
        raise InitError(f"this project already uses {current.readlink().parent}; to use {target} instead, add --switch")


def write_files(target: Path, files: Mapping[str, str]) -> list[str]:
    """Write the files that do not exist yet. Return their names."""
    created = []
    for name, text in files.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("x", encoding="utf-8") as new:
                new.write(text)
        except FileExistsError:
            continue
        created.append(name)
    return created


def link(target: Path, project: Path) -> None:
    """Let the project use the folder: link its files into chalicelib/custom, and keep Chalice's list of deployed resources in it.

    Raises:
        InitError: links cannot be created.
    """
    own = folder(project / "chalicelib")
    try:
        if target != own:
            own.mkdir(exist_ok=True)
            (own / SETTINGS).unlink(missing_ok=True)
            (own / SETTINGS).symlink_to(target / SETTINGS)
            refresh_links(project / "chalicelib")
            _link_deployed(target / DEPLOYED, project / ".chalice" / DEPLOYED)
    except OSError as error:
        raise InitError(f"cannot create links in {own} ({error.strerror}); copy the folder to it instead") from None


def check_settings(target: Path, project: Path) -> None:
    """Read the folder's settings as the local stage would.

    Raises:
        InitError: with every error in them.
    """
    templates = template_names(target / TEMPLATES, project / "chalicelib" / TEMPLATES)
    try:
        load(target / SETTINGS, environ=read_stage(project, LOCAL)["environment_variables"], templates=templates)
    except SettingsError as error:
        raise InitError(f"{target / SETTINGS} has errors:\n{describe(error, target / SETTINGS)}") from None
    except ConfigError as error:
        raise InitError(str(error)) from None


def _link_deployed(kept: Path, deployed: Path) -> None:
    """Move `.chalice/deployed` into the folder and link it: another copy of the project then changes what this one deployed."""
    if deployed.is_symlink():
        deployed.unlink()
    kept.mkdir(parents=True, exist_ok=True)
    if deployed.is_dir():
        for file in sorted(deployed.iterdir()):
            if (kept / file.name).exists() and (kept / file.name).read_bytes() != file.read_bytes():
                raise InitError(f"{file} and {kept / file.name} list different resources; remove the one that is outdated")
        shutil.copytree(deployed, kept, dirs_exist_ok=True)
        shutil.rmtree(deployed)
    deployed.parent.mkdir(exist_ok=True)
    deployed.symlink_to(kept)
