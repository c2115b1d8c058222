"""Copies what a user changed in the project's tracked files into a folder of their own: settings, templates, stages."""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chalicelib.platform.custom import CONFIG, SETTINGS, TEMPLATES

_SHIPPED = Path(__file__).with_name("shipped_templates.json")  # hashes of every version of each shipped template file
_SHIPPED_TOP: dict[str, Any] = {
    "version": "2.0",
    "app_name": "dropnote",
    "autogen_policy": False,
    "api_gateway_stage": "api",
    "minimum_compression_size": 1024,
    "lambda_memory_size": 256,
    "lambda_timeout": 60,
}
_DIGITS = 16


def current_files(project: Path) -> dict[str, bytes]:
    """The content of the files for a new folder, from a project whose tracked files were edited; by name.

    Templates that equal a shipped one, of this or an earlier version, are left out: the user did not write them.
    """
    library = project / "chalicelib"
    config = json.loads((project / ".chalice" / "config.json").read_text(encoding="utf-8"))
    shipped = json.loads(_SHIPPED.read_text(encoding="utf-8"))
    templates = {
        f"{TEMPLATES}/{name}": content
        for name, content in _templates(library / TEMPLATES)
        if _digest(content) not in shipped.get(name, ())
    }
    own_config = (json.dumps(own_values(config), indent=2) + "\n").encode()
    settings = (library / SETTINGS).read_bytes().replace(b"#:schema ../docs/", b"#:schema ./", 1)  # the copy beside it
    return {SETTINGS: settings, CONFIG: own_config, **templates}


def own_values(config: dict[str, Any]) -> dict[str, Any]:
    """The user's part of a `.chalice/config.json`: no generated names, streams or policies, and nothing that is as shipped."""
    own = {name: value for name, value in config.items() if name != "stages" and _SHIPPED_TOP.get(name, ...) != value}
    return {**own, "stages": {name: _own_stage(stage) for name, stage in config["stages"].items()}}


def _own_stage(stage: dict[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in stage.items() if name != "lambda_functions"}
    functions = {
        name: kept
        for name, function in stage.get("lambda_functions", {}).items()
        if (kept := {key: value for key, value in function.items() if key != "iam_policy_file"})
    }
    names = ("STAGE", "LEDGER", "COUNTERS", "DEAD_EVENTS", "SECRETS")
    generated = {f"DROPNOTE_{name}" for name in names}
    variables = {
        name: value
        for name, value in stage.get("environment_variables", {}).items()
        if name not in generated and not name.startswith("DROPNOTE_STREAM")
    }
    return {**own, "environment_variables": variables, **({"lambda_functions": functions} if functions else {})}


def _templates(folder: Path) -> Iterable[tuple[str, bytes]]:
    files = sorted(file for file in folder.rglob("*") if file.suffix in (".txt", ".html"))
    return ((file.relative_to(folder).as_posix(), file.read_bytes()) for file in files)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]


def record(templates: Path) -> int:
    """Add today's templates to the list of shipped ones; return how many are new. Run it after changing a template."""
    shipped: dict[str, list[str]] = json.loads(_SHIPPED.read_text(encoding="utf-8")) if _SHIPPED.exists() else {}
    before = json.dumps(shipped, sort_keys=True)
    for name, content in _templates(templates):
        if _digest(content) not in shipped.setdefault(name, []):
            shipped[name].append(_digest(content))
    if json.dumps(shipped, sort_keys=True) != before:
        _SHIPPED.write_text(json.dumps(shipped, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return sum(len(digests) for digests in shipped.values()) - sum(len(digests) for digests in json.loads(before).values())


if __name__ == "__main__":
    sys.stdout.write(f"{record(Path(sys.argv[1]))} new\n")
