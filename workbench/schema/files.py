"""Where the schema is kept: in the docs, and as a copy beside the settings in the user's own folder."""

from pathlib import Path

from chalicelib.bot.assembly import SETTINGS_FILE
from chalicelib.platform.custom import edited_file, folder

from ..paths import PROJECT
from .build import FILE, FILE_NAME


def copy_of(project: Path = PROJECT) -> Path | None:
    """The copy in the user's own folder; None if there is no such folder."""
    own = folder(project / "chalicelib")
    return edited_file(own / SETTINGS_FILE.name).with_name(FILE_NAME) if own.is_dir() else None


def write_schema(text: str, project: Path = PROJECT) -> list[Path]:
    """Write the schema wherever it is kept, if it differs. Returns the files that changed."""
    files = [file for file in (project / FILE.relative_to(PROJECT), copy_of(project)) if file]
    changed = [file for file in files if not file.exists() or file.read_text(encoding="utf-8") != text]
    for file in changed:
        file.write_text(text, encoding="utf-8")
    return changed
