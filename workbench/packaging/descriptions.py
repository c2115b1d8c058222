"""The part of botocore's data that Lambda needs: its few services of four hundred, without what only people read."""

import gzip
import json
from pathlib import Path
from typing import Any

import botocore

from chalicelib.platform.aws import SERVICES

_OF_ALL = ("partitions", "sdk-default-configuration", "_retry")
_KINDS = ("service-2", "service-2.sdk-extras", "endpoint-rule-set-1", "paginators-1", "waiters-2")


def write(into: Path) -> None:
    """Copy it, in botocore's own layout; the endpoints keep their regions and lose other services'."""
    source = Path(botocore.__file__).parent / "data"
    for name in _OF_ALL:
        _write(into / f"{name}.json", _read(source, name))
    endpoints: Any = _read(source, "endpoints")
    for partition in endpoints["partitions"]:
        partition["services"] = {name: value for name, value in partition["services"].items() if name in SERVICES}
    _write(into / "endpoints.json", endpoints)
    for service in SERVICES:
        newest = max(folder.name for folder in (source / service).iterdir() if folder.is_dir())
        for kind in _KINDS:
            if (told := _read(source / service / newest, kind)) is not None:
                _write(into / service / newest / f"{kind}.json", _without_documentation(told))


def _read(folder: Path, name: str) -> Any:
    packed, plain = folder / f"{name}.json.gz", folder / f"{name}.json"
    if packed.exists():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads(plain.read_bytes()) if plain.exists() else None


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, separators=(",", ":")))


def _without_documentation(told: Any) -> Any:
    """A description with its prose emptied: botocore reads the name here and there, and a member may be called so."""
    if isinstance(told, dict):
        empty = {"documentation": ""} if isinstance(told.get("documentation"), str) else {}
        return {name: _without_documentation(each) for name, each in told.items()} | empty
    return [_without_documentation(each) for each in told] if isinstance(told, list) else told
