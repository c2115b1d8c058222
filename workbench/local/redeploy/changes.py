"""Notices changed files by polling: settings, templates, stage variables and code, also in the user's own folder."""

from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from pathlib import Path, PurePosixPath

from chalicelib.platform.custom import CONFIG, SETTINGS, SHIPPED_CONFIG, TEMPLATES, refresh_links

LIBRARY = "chalicelib"
_OWN = (LIBRARY, "custom")
_TOP = ("app.py", "requirements.txt", "resources.yaml", SHIPPED_CONFIG)
_SUFFIXES = frozenset((".py", ".toml", ".txt", ".html", ".json"))

Stamp = tuple[int, int, int]  # time of the last change, size, inode
Files = Mapping[str, Stamp]  # by path relative to the project


class Part(StrEnum):
    """What a file is part of."""

    SETTINGS = "settings"
    TEMPLATES = "templates"
    VARIABLES = "stage variables"
    CODE = "code"


def part_of(path: str) -> Part:
    """What a file of the project, by its relative path, is part of."""
    parts = PurePosixPath(path).parts
    below = parts[2:] if parts[:2] == _OWN else parts[1:] if parts[0] == LIBRARY else ()
    if below == (SETTINGS,):
        return Part.SETTINGS
    if below[:1] == (TEMPLATES,):
        return Part.TEMPLATES
    if path == SHIPPED_CONFIG or (parts[:2] == _OWN and below == (CONFIG,)):
        return Part.VARIABLES
    return Part.CODE


def snapshot(project: Path) -> dict[str, Stamp]:
    """The watched files of a project as they are now. New files in the user's DIR are linked first; links are followed."""
    library = project / LIBRARY
    refresh_links(library)
    below = (file for file in library.rglob("[!.]*") if file.suffix in _SUFFIXES and "__pycache__" not in file.parts)
    stamps = {}
    for file in (*(project / name for name in _TOP), *below):
        try:
            status = file.stat()
        except OSError:  # deleted meanwhile, or a broken link
            continue
        stamps[file.relative_to(project).as_posix()] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return stamps


def changed_files(known: Files, read: Callable[[], Files], wait: Callable[[], object]) -> Iterator[Collection[str]]:
    """Yield the files that differ from `known`, and then from the last result, each time they have been still for one `wait`: an
    editor writes several, or in steps. What changes while the caller handles a result is in the next one. Sorted.
    """
    while True:
        wait()
        current = read()
        if current == known:
            continue
        wait()
        while (later := read()) != current:
            current = later
            wait()
        yield sorted(name for name in {*known, *current} if known.get(name) != current.get(name))
        known = current
