"""The user's own settings, templates and stage variables in chalicelib/custom/: read in preference to the shipped examples.

Git ignores the folder, so no update touches it. `dropnote init DIR` fills it with links to the files in DIR. Each file is a link
of its own, because Chalice packages linked files but not the content of linked folders (aws/chalice issue 696).
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parents[1]
SETTINGS, CONFIG, TEMPLATES = "dropnote.toml", "config.json", "templates"  # in the folder
SHIPPED_CONFIG = ".chalice/config.json"


class ConfigError(ValueError):
    """The user's config.json has an error; the text names file and line."""


def folder(library: Path = LIBRARY) -> Path:
    """The user's own folder; it may not exist."""
    return library / "custom"


def settings_file(library: Path = LIBRARY) -> Path:
    """The settings file: the user's if their folder exists. If it then lacks the file, reading fails: the shipped example must
    never be deployed because a link broke.
    """
    own = folder(library)
    return (own if own.is_dir() else library) / SETTINGS


def template_folders(library: Path = LIBRARY) -> tuple[Path, ...]:
    """The folders with templates; a file in the first takes precedence over one of the same name in the second."""
    own, shipped = folder(library) / TEMPLATES, library / TEMPLATES
    return (own, shipped) if own.is_dir() else (shipped,)


def config_file(library: Path = LIBRARY) -> Path | None:
    """The user's own config.json; None if there is none, and .chalice/config.json alone counts."""
    file = folder(library) / CONFIG
    return file if file.is_file() else None


def read_config(library: Path = LIBRARY) -> dict[str, Any] | None:
    """Read the user's config.json; None if there is none.

    Raises:
        ConfigError: it is not JSON, or not of the form {"stages": {"dev": {"environment_variables": {"NAME": "value"}}}}.
    """
    if (file := config_file(library)) is None:
        return None
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{_shown(file)}:{error.lineno}: invalid JSON: {error.msg}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{_shown(file)}: cannot be read ({type(error).__name__})") from None
    if not _is_valid(config):
        form = '{"stages": {"dev": {"environment_variables": {"NAME": "value"}}}}'
        raise ConfigError(f"{_shown(file)}: each stage needs a table of texts; use {form}")
    return dict(config)


def stage_variables(environ: Mapping[str, str], library: Path = LIBRARY) -> dict[str, str]:
    """The environment variables that the user's config.json has for the stage named in `environ`.

    Raises:
        ConfigError: the file has an error.
    """
    config = read_config(library) or {"stages": {}}
    stage = config["stages"].get(environ.get("DROPNOTE_STAGE", ""), {})
    return {**config.get("environment_variables", {}), **stage.get("environment_variables", {})}


def refresh_links(library: Path = LIBRARY) -> None:
    """Link files that were added to the user's DIR, and remove links to files that were deleted there. Without links: nothing."""
    own = folder(library)
    if not (own / SETTINGS).is_symlink():
        return
    source = (own / SETTINGS).readlink().parent
    if not source.is_dir():  # moved or not mounted: the broken links stay, and reading the settings reports them
        return
    files = (source / TEMPLATES).rglob("[!.]*")
    templates = [file.relative_to(source) for file in files if file.suffix in (".txt", ".html") and file.is_file()]
    wanted = {Path(SETTINGS), *templates}
    if (source / CONFIG).is_file():
        wanted.add(Path(CONFIG))
    for link in [link for link in own.rglob("*") if link.is_symlink()]:
        if link.relative_to(own) not in wanted or link.readlink() != source / link.relative_to(own):
            link.unlink(missing_ok=True)
    for name in wanted:
        if (source / name).exists() and not (own / name).exists():
            (own / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # another process was faster
                (own / name).symlink_to(source / name)


def _is_valid(config: object) -> bool:
    if not isinstance(config, dict) or not isinstance(config.get("stages"), dict):
        return False
    tables = [config, *config["stages"].values()]
    return all(isinstance(table, dict) and _are_texts(table.get("environment_variables", {})) for table in tables)


def _are_texts(variables: object) -> bool:
    return isinstance(variables, dict) and all(isinstance(value, str) for value in variables.values())


def edited_file(path: Path) -> Path:
    """The file that the user edits: for a file in the folder, the one in the DIR that the folder is linked to."""
    for own in path.parents:
        if own == folder(own.parent) and (own / SETTINGS).is_symlink():
            return (own / SETTINGS).readlink().parent / path.relative_to(own)
    return path


def _shown(path: Path) -> str:
    """A path as errors name it; below the project by its short name."""
    path = edited_file(path)
    return path.relative_to(LIBRARY.parent).as_posix() if path.is_relative_to(LIBRARY.parent) else str(path)


# The files as messages and errors of this package name them
SETTINGS_NAME = settings_file().relative_to(LIBRARY.parent).as_posix()
CONFIG_NAME = "chalicelib/custom/config.json" if config_file() else SHIPPED_CONFIG
TEMPLATES_NAME = template_folders()[0].relative_to(LIBRARY.parent).as_posix() + "/"
