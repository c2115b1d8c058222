"""Reads and writes `.chalice/config.json`: a stage's environment variables and the IAM policy file of each function."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

POLICIES = "policies"  # below .chalice; Chalice looks for `iam_policy_file` from there


def read_stage(project: Path, stage: str) -> dict[str, Any]:
    """The stage's settings in `.chalice/config.json`; they override the file's top-level ones.

    Raises:
        KeyError: the file does not have this stage.
    """
    config = _read(project)
    merged: dict[str, Any] = {name: value for name, value in config.items() if name != "stages"} | config["stages"][stage]
    merged["environment_variables"] = config.get("environment_variables", {}) | config["stages"][stage].get(
        "environment_variables", {}
    )
    return merged


def stages(project: Path) -> list[str]:
    """The names of all stages in the file."""
    return list(_read(project)["stages"])


def write_stage(
    project: Path,
    stage: str,
    variables: Mapping[str, str],
    policies: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write a stage's environment and a policy file for each function. Return the files that changed.

    Deletes the policy files of functions that no longer exist. Keeps everything else that the stage has; `defaults` are settings
    that it gets if neither it nor the file has them.
    """
    config = _read(project)
    settings = config["stages"].setdefault(stage, {})
    settings |= {name: value for name, value in (defaults or {}).items() if name not in {**config, **settings}}
    settings["environment_variables"] = settings.get("environment_variables", {}) | variables
    functions: dict[str, Any] = settings.setdefault("lambda_functions", {})
    for name in functions:
        functions[name].pop("iam_policy_file", None)
    for name in policies:
        functions.setdefault(name, {})["iam_policy_file"] = f"{POLICIES}/{stage}/{name}.json"
    settings["lambda_functions"] = {name: value for name, value in functions.items() if value}
    files = {project / ".chalice" / POLICIES / stage / f"{name}.json": policy for name, policy in policies.items()}
    for old in (project / ".chalice" / POLICIES / stage).glob("*.json"):
        if old not in files:
            old.unlink()
    changed = [file for file, policy in files.items() if _write(file, policy)]
    changed += [_config(project)] if _write(_config(project), config) else []
    return [str(file.relative_to(project)) for file in changed]


def remove_policies(project: Path, stage: str) -> None:
    """Undo write_stage, except for the environment, which contains the user's own values."""
    config = _read(project)
    write_stage(project, stage, config["stages"][stage].get("environment_variables", {}), {})
    folder = project / ".chalice" / POLICIES / stage
    if folder.is_dir():
        folder.rmdir()
    config = _read(project)
    if not config["stages"][stage]["lambda_functions"]:  # the functions may have other settings
        del config["stages"][stage]["lambda_functions"]
        _write(_config(project), config)


def _config(project: Path) -> Path:
    return project / ".chalice" / "config.json"


def _read(project: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(_config(project).read_text())
    return config


def _write(file: Path, content: Mapping[str, Any]) -> bool:
    """Write JSON atomically. Return whether the file changed."""
    text = json.dumps(content, indent=2) + "\n"
    if file.exists() and file.read_text() == text:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)
    return True
