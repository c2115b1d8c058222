"""A real `chalice deploy` into the local world, from a folder made for it: nothing tracked ever changes.

The folder has copies of what set-up and a deploy read (app.py, chalicelib, vendor, requirements.txt, resources.yaml) and a
config.json with the tracked one's settings for the stage plus what only the running world knows.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import botocore

from ..deployment.config import read_stage
from ..paths import PACKAGES, WHEELS
from .ministack import ACCESS_KEY, REGION, SECRET_KEY

DEPLOY_S = 180.0
_KEPT_PACKAGES = 3
_SKIPPED = shutil.ignore_patterns("__pycache__", "*.py[cod]")
_WAITER_DELAY_S = 0.1


class DeployError(Exception):
    """A deploy failed: one sentence, and the end of what it wrote."""

    def __init__(self, sentence: str, log: Path, tail: str) -> None:
        super().__init__(sentence)
        self.log, self.tail = log, tail


@dataclass(frozen=True, slots=True)
class Target:
    """Where a deploy goes."""

    endpoint: str  # MiniStack's base URL
    rest_api: str  # the shim's base URL
    wheels: Path = WHEELS
    packages: Path = PACKAGES
    environment: Mapping[str, str] = field(default_factory=dict)  # more for the functions, over config.json's

    def variables(self, folder: Path) -> dict[str, str]:
        """All that `chalice deploy` sees of the machine."""
        return {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",  # compiled files would land in the package
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_API_GATEWAY": self.rest_api,
            "AWS_DATA_PATH": str(folder / "botocore"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "*",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_CONFIG_FILE": os.devnull,
        }


def make_folder(project: Path, folder: Path, stage: str, target: Target) -> Path:
    """Make the folder that is deployed; `<folder>/project`."""
    made = folder / "project"
    (made / ".chalice").mkdir(parents=True)
    for name in ("app.py", "requirements.txt", "resources.yaml"):
        shutil.copy2(project / name, made / name)
    shutil.copytree(project / "chalicelib", made / "chalicelib", ignore=_SKIPPED)
    if (project / "vendor").is_dir():
        shutil.copytree(project / "vendor", made / "vendor")
    settings = read_stage(project, stage)
    top = {name: settings.pop(name) for name in ("version", "app_name")}
    settings["environment_variables"] |= target.environment
    (made / ".chalice" / "config.json").write_text(json.dumps({**top, "stages": {stage: settings}}, indent=2))
    fast_waiters(folder / "botocore")
    return made


def deploy(made: Path, stage: str, target: Target, log: Path, timeout_s: float = DEPLOY_S) -> None:
    """Deploy the stage from the folder that make_folder made; `.chalice/deployed/` there lists the resources then.

    Raises:
        DeployError: it failed, or took too long. What it wrote is in `log`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    _take_packages(target.packages, made / ".chalice" / "deployments")
    command = [str(Path(sys.executable).with_name("chalice")), "deploy", "--stage", stage]
    status = _run(command, made, target.variables(made.parent), log, timeout_s)
    if status != 0:
        raise _explain(status, log, timeout_s)
    _keep_packages(made / ".chalice" / "deployments", target.packages)


def _run(command: list[str], folder: Path, variables: Mapping[str, str], log: Path, timeout_s: float) -> int | None:
    """The exit status, or None when time was up. Whatever ends the wait ends the program and its children."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _explain(status: int | None, log: Path, timeout_s: float) -> DeployError:
    lines = log.read_text(errors="replace").strip().splitlines()
    if status is None:
        sentence = f"`chalice deploy` was not done after {timeout_s:g} s"
    else:
        sentence = f"`chalice deploy` failed: {lines[-1].strip() if lines else 'it wrote nothing'}"
    return DeployError(f"{sentence} (all of it is in {log}).", log, "\n".join(lines[-15:]))


def fast_waiters(folder: Path) -> None:
    """Let botocore look ten times a second whether a function is ready: AWS needs seconds, MiniStack none.

    A file under AWS_DATA_PATH goes before the one in botocore's package.
    """
    below = Path("lambda") / "2015-03-31"
    waiters = json.loads((Path(botocore.__file__).parent / "data" / below / "waiters-2.json").read_text())
    for waiter in waiters["waiters"].values():
        waiter["delay"] = _WAITER_DELAY_S
    (folder / below).mkdir(parents=True)
    (folder / below / "waiters-2.json").write_text(json.dumps(waiters))


def _take_packages(kept: Path, deployments: Path) -> None:
    """Chalice names a package after a hash of all that is in it, and reuses one that is there."""
    if kept.is_dir():
        shutil.copytree(kept, deployments, dirs_exist_ok=True)


def _keep_packages(deployments: Path, kept: Path) -> None:
    """Keep the newest, after a deploy that went well: a half-written package must not be reused."""
    kept.mkdir(parents=True, exist_ok=True)
    for package in deployments.glob("*.zip"):
        if not (kept / package.name).exists():
            fresh = kept / f"{package.name}.{os.getpid()}.new"
            shutil.copy2(package, fresh)
            fresh.replace(kept / package.name)
    for old in sorted(kept.glob("*.zip"), key=lambda package: package.stat().st_mtime)[:-_KEPT_PACKAGES]:
        old.unlink(missing_ok=True)
