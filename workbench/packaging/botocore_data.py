"""Copies the part of botocore's data that Lambda needs: a few of 400 services, without documentation.

Without a service's endpoint rules, botocore uses the service's endpoint in its older list, `endpoints.json`, once per client
instead of evaluating the rules for each call, which takes about 4 % of an upload. The two are the same for the services of an
upload, except for FIPS and dual-stack endpoints (chalicelib/platform/aws.py) and account-based ones, which we do not use.
Source: botocore's `client.py`, `create_client` ("falling back to legacy endpoint routing").
"""

import gzip
import json
from pathlib import Path
from typing import Any

import botocore

from chalicelib.platform.aws import SERVICES

_SHARED = ("partitions", "sdk-default-configuration", "_retry")
_RULES = "endpoint-rule-set-1"
_FILES = ("service-2", "service-2.sdk-extras", _RULES, "paginators-1", "waiters-2")
WITHOUT_RULES = ("dynamodb", "sesv2")  # the services of an upload


def write(into: Path) -> None:
    """Copy the data in botocore's own layout. The endpoints keep all regions but only our services."""
    source = Path(botocore.__file__).parent / "data"
    for name in _SHARED:
        _write(into / f"{name}.json", _read(source, name))
    endpoints: Any = _read(source, "endpoints")
    for partition in endpoints["partitions"]:
        partition["services"] = {name: value for name, value in partition["services"].items() if name in SERVICES}
    _write(into / "endpoints.json", endpoints)
    for service in SERVICES:
        newest = max(folder.name for folder in (source / service).iterdir() if folder.is_dir())
        for file in _FILES:
            if service in WITHOUT_RULES and file == _RULES:
                continue
            if (content := _read(source / service / newest, file)) is not None:
                _write(into / service / newest / f"{file}.json", _without_documentation(content))


def _read(folder: Path, name: str) -> Any:
    packed, plain = folder / f"{name}.json.gz", folder / f"{name}.json"
    if packed.exists():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads(plain.read_bytes()) if plain.exists() else None


def _write(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, separators=(",", ":")))


def _without_documentation(node: Any) -> Any:
    """Empty the documentation but keep the key: botocore reads it in places, and a member may have that name."""
    if isinstance(node, dict):
        empty = {"documentation": ""} if isinstance(node.get("documentation"), str) else {}
        return {name: _without_documentation(value) for name, value in node.items()} | empty
    return [_without_documentation(value) for value in node] if isinstance(node, list) else node
