"""A copy of the checkout, for commands that must change no tracked file."""

import shutil
from pathlib import Path

from chalicelib.platform.custom import CONFIG
from chalicelib.platform.custom import folder as own_folder

from ..paths import PROJECT, STATE

COPIED = ("app.py", "chalicelib", "workbench", "resources.yaml", "requirements.txt", "pyproject.toml")


def copy_checkout(copy: Path) -> None:
    """Copy what the commands read, without .chalice/config.json: the caller writes one.

    The copy has no config.json of the user, whose values the caller puts into that one.
    """
    skipped = shutil.ignore_patterns("__pycache__")
    copy.mkdir(parents=True)
    for name in COPIED:
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, copy / name, ignore=skipped)
        else:
            shutil.copy2(PROJECT / name, copy / name)
    (own_folder(copy / "chalicelib") / CONFIG).unlink(missing_ok=True)
    (copy / ".chalice").mkdir()
    (copy / ".dropnote").symlink_to(STATE)
