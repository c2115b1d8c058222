"""Reads and writes a stage's configuration: its environment variables and the IAM policy file of each function.

Chalice reads `.chalice/config.json`. A user with a folder of their own (chalicelib/platform/custom.py) has the stages and their
values in its config.json; set-up then writes `.chalice/config.json` from it, adding only what it generates.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.channels.registry import secret_names
from chalicelib.domain.settings import Settings
from chalicelib.platform.custom import SHIPPED_CONFIG, config_file, edited_file, read_config
from chalicelib.platform.signing.keys import KEY_NAME

POLICIES = "policies"  # below .chalice; Chalice looks for `iam_policy_file` from there
LOCAL = "local"  # the stage of the local environment, which every project has
REGION = "region"  # of a stage in the user's config.json; Chalice has no such setting
_GENERATED = "DROPNOTE_"  # begins the names of the variables that set-up writes
_VARIABLES = "environment_variables"


def read_stage(project: Path, stage: str) -> dict[str, Any]:
    """The stage's settings; they override the file's top-level ones.

    Raises:
        KeyError: there is no such stage.
        ConfigError: the user's config.json has an error.
    """
    config = read_all(project)
    merged: dict[str, Any] = {name: value for name, value in config.items() if name != "stages"} | config["stages"][stage]
    merged[_VARIABLES] = config.get(_VARIABLES, {}) | config["stages"][stage].get(_VARIABLES, {})
    return merged


def read_all(project: Path) -> dict[str, Any]:
    """The configuration of all stages, as Chalice reads it. With a config.json of the user: their stages and values, and only
    generated values and the settings of functions from `.chalice/config.json`, not the values of the shipped examples.
    """
    shipped: dict[str, Any] = json.loads(_config(project).read_text())
    own = read_config(project / "chalicelib")
    if own is None:
        return shipped
    names = dict.fromkeys((*own["stages"], LOCAL))
    stages = {name: _merged(_generated(name, shipped["stages"].get(name, {})), own["stages"].get(name, {})) for name in names}
    return {**_merged(shipped, own), "stages": stages}


def stages(project: Path) -> list[str]:
    """The names of all stages."""
    return list(read_all(project)["stages"])


def region(project: Path, stage: str) -> str:
    """The region that the user's config.json names for a stage; "" if it names none."""
    own = read_config(project / "chalicelib") or {"stages": {}}
    return str(own["stages"].get(stage, {}).get(REGION, ""))


def config_name(project: Path) -> str:
    """The file with the stages' values, as printed."""
    file = config_file(project / "chalicelib")
    if file is None:
        return SHIPPED_CONFIG
    file = edited_file(file)
    return str(file.relative_to(project) if file.is_relative_to(project) else file)


def write_stage(
    project: Path,
    stage: str,
    variables: Mapping[str, str],
    policies: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> list[str]:
    """Write a stage's environment and a policy file for each function. Return the files that changed.

    Deletes the policy files of functions that no longer exist. Keeps everything else that the stage has; `defaults` are settings
    that it gets if neither it nor the file has them. New values of the user's own variables go into their config.json, if they
    have one.
    """
    config = read_all(project)
    settings = config["stages"].setdefault(stage, {})
    settings |= {name: value for name, value in (defaults or {}).items() if name not in {**config, **settings}}
    settings[_VARIABLES] = settings.get(_VARIABLES, {}) | variables
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
    changed += _write_own(project, stage, variables)
    changed += [_config(project)] if _write(_config(project), config) else []
    return [str(file.relative_to(project) if file.is_relative_to(project) else file) for file in changed]


def remove_policies(project: Path, stage: str) -> None:
    """Undo write_stage, except for the environment, which contains the user's own values."""
    variables = read_all(project)["stages"].get(stage, {}).get(_VARIABLES, {})
    write_stage(project, stage, variables, {})
    folder = project / ".chalice" / POLICIES / stage
    if folder.is_dir():
        folder.rmdir()
    config = read_all(project)
    if not config["stages"][stage]["lambda_functions"]:  # the functions may have other settings
        del config["stages"][stage]["lambda_functions"]
        _write(_config(project), config)


def stage_names(stage: str) -> dict[str, str]:
    """The variables that name a stage and what set-up creates for it."""
    return {
        "DROPNOTE_STAGE": stage,
        "DROPNOTE_LEDGER": f"dropnote-{stage}-ledger",
        "DROPNOTE_COUNTERS": f"dropnote-{stage}-counters",
        "DROPNOTE_DEAD_EVENTS": f"dropnote-{stage}-dead-events",
        "DROPNOTE_SECRETS": f"/dropnote/{stage}/",
    }


def _generated(name: str, stage: Mapping[str, Any]) -> dict[str, Any]:
    """A stage of `.chalice/config.json` without the values that are the user's."""
    written = {name: value for name, value in stage.get(_VARIABLES, {}).items() if name.startswith(_GENERATED)}
    return {**stage, _VARIABLES: stage_names(name) | written}


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` over `base`, table by table; without the region, which is not for Chalice."""
    merged = {**base, **{name: value for name, value in own.items() if name not in ("stages", REGION)}}
    both = [name for name in merged if isinstance(base.get(name), dict) and isinstance(own.get(name), dict)]
    return merged | {name: _merged(base[name], own[name]) for name in both if name != "stages"}


def _write_own(project: Path, stage: str, variables: Mapping[str, str]) -> list[Path]:
    """Store new values of the user's own variables in their config.json."""
    file, own = config_file(project / "chalicelib"), read_config(project / "chalicelib")
    if file is None or own is None:
        return []
    known = own.get(_VARIABLES, {}) | own["stages"].get(stage, {}).get(_VARIABLES, {})
    new = {name: value for name, value in variables.items() if not name.startswith(_GENERATED) and known.get(name) != value}
    if not new:
        return []
    own["stages"].setdefault(stage, {}).setdefault(_VARIABLES, {}).update(new)
    return [file.resolve()] if _write(file.resolve(), own) else []


def _config(project: Path) -> Path:
    return project / ".chalice" / "config.json"


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


def stage_secrets(settings: Settings) -> list[str]:
    """The secrets of a stage: those that the settings need, and the key that set-up generates."""
    return [*secret_names(settings), KEY_NAME]
