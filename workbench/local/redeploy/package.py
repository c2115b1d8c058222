"""Replaces files in the zip that `chalice deploy` uploaded, without packaging 1,900 others again."""

import base64
import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from copy import copy
from pathlib import Path

_TIME = (1980, 1, 1, 0, 0, 0)  # as Chalice: the same content makes the same zip
_MODE = 0o644 << 16


def replace_files(old: Path, new: Path, files: Mapping[str, bytes | None]) -> None:
    """Write a copy of a zip with other contents of some files; None removes one. Their old contents stay as unused bytes."""
    shutil.copyfile(old, new)
    with zipfile.ZipFile(new, "a") as package:
        before = {entry.filename: entry for entry in package.infolist()}
        package.infolist()[:] = [entry for entry in package.infolist() if entry.filename not in files]
        for name, content in files.items():
            package.NameToInfo.pop(name, None)
            if content is None:
                continue
            entry = copy(before[name]) if name in before else zipfile.ZipInfo(name, _TIME)
            entry.external_attr = entry.external_attr or _MODE
            package.writestr(entry, content, zipfile.ZIP_DEFLATED)
        package.comment = b"settings and templates replaced"  # also lets it write the list of files if some were only removed


def code_sha256(package: Path) -> str:
    """The hash of a zip as Lambda reports it (AWS Lambda API reference, "FunctionConfiguration": CodeSha256)."""
    return base64.b64encode(hashlib.sha256(package.read_bytes()).digest()).decode()
